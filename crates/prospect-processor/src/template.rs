//! The template engine, set up as `transformers` sets up its own, and bounded: a template comes from a stranger.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, StringInput, Value};
use minijinja::{Environment, Error, ErrorKind, State, escape_formatter, filters};
use minijinja_contrib::pycompat::unknown_method_callback;

use crate::error::{ProcessorError, Result, one_line};
use crate::python_json::to_json;
use crate::weight::{Style, pay};

/// The name under which the environment has the template.
const NAME: &str = "chat_template";

/// Longest source of a template in bytes; published ones have up to 20 KB.
const MOST_SOURCE_BYTES: usize = 64 << 10;
/// What one rendering may use: an instruction takes one, and so do 64 bytes of any text or list that it makes. A conversation of
/// a thousand messages takes some 30,000.
const FUEL: u64 = 2_000_000;
/// Stack of the threads that compile and render: the compiler goes one call deeper for each operator of a chain, at most
/// [`MOST_SOURCE_BYTES`] / 2 of them, and a list in lists is let go of with one call for each.
const STACK: usize = 512 << 20;
/// Calls of macros inside of each other.
const MOST_RECURSION: usize = 100;
/// Bytes that a number may have in a format: the largest has 309 digits.
const LONGEST_NUMBER: u64 = 400;
/// How often the work of a template is waited for, and how long: ten seconds, of which a process that was stopped meanwhile loses one
/// wait. Renderings take milliseconds. What the engine cannot count, operators on lists that hold each other, ends here.
const MOST_WAITS: u32 = 100;
const WAIT: Duration = Duration::from_millis(100);

/// A compiled template.
#[derive(Debug, Clone)]
pub(crate) struct Template {
    environment: Arc<Environment<'static>>,
    path: PathBuf,
}

impl Template {
    /// Compiles a template, which `path` held.
    pub(crate) fn compile(source: String, path: PathBuf) -> Result<Self> {
        if source.len() > MOST_SOURCE_BYTES {
            let (bytes, most) = (source.len(), MOST_SOURCE_BYTES);
            return Err(ProcessorError::TemplateTooLong { path, bytes, most });
        }
        let source = without_generation_tags(&source);
        let compiled = on_own_stack(&path, MOST_WAITS, move || {
            let mut environment = environment()?;
            environment.add_template_owned(NAME, source)?;
            Ok::<_, Error>(environment)
        });
        match compiled? {
            Ok(environment) => Ok(Self { environment: Arc::new(environment), path }),
            Err(error) => Err(ProcessorError::Template { path, message: one_line(error) }),
        }
    }

    /// The text that it makes of these variables.
    pub(crate) fn render(&self, variables: Value) -> Result<String> {
        self.render_within(variables, MOST_WAITS)
    }

    fn render_within(&self, variables: Value, waits: u32) -> Result<String> {
        let template = self.clone();
        on_own_stack(&self.path, waits, move || {
            let rendered = template.environment.get_template(NAME).and_then(|own| own.render(variables));
            rendered.map_err(|error| render_error(&template.path, &error))
        })?
    }
}

/// Does `work`, of the template of `path`, on a thread of its own. What has no end is left to itself: a thread cannot be stopped, and
/// who is told so has no more use for this process.
fn on_own_stack<T: Send + 'static>(
    path: &Path,
    waits: u32,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T> {
    let failed = |message: String| ProcessorError::Template { path: path.to_owned(), message };
    let (done, result) = sync_channel(1);
    let thread = std::thread::Builder::new().name("chat template".to_owned()).stack_size(STACK);
    // Who waits no longer does not want it.
    let started = thread.spawn(move || drop(done.send(work())));
    started.map_err(|error| failed(format!("no thread for its work: {error}")))?;
    for _ in 0..waits {
        match result.recv_timeout(WAIT) {
            Ok(result) => return Ok(result),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                return Err(failed("the template engine gave up".to_owned()));
            }
        }
    }
    Err(ProcessorError::TemplateEndless { path: path.to_owned(), most: FUEL })
}

/// The source with `{% generation %}`, which marks for training what the assistant says, as a block that changes nothing.
fn without_generation_tags(source: &str) -> String {
    let (mut text, mut rest) = (String::with_capacity(source.len()), source);
    while let Some((before, behind)) = rest.split_once("{%") {
        text.push_str(before);
        text.push_str("{%");
        rest = behind;
        let Some((tag, _)) = behind.split_once("%}") else { continue };
        let word = tag.trim_start_matches(['-', '+']).trim_end_matches(['-', '+']).trim();
        let same = match word {
            "generation" => "if true",
            "endgeneration" => "endif",
            _ => continue,
        };
        text.push_str(&tag.replace(word, same));
        rest = &behind[tag.len()..];
    }
    text + rest
}

/// Why a template of `path` does not render.
fn render_error(path: &Path, error: &Error) -> ProcessorError {
    let path = path.to_owned();
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(current) = cause {
        if current.downcast_ref::<Error>().is_some_and(|error| error.kind() == ErrorKind::OutOfFuel) {
            return ProcessorError::TemplateEndless { path, most: FUEL };
        }
        cause = current.source();
    }
    ProcessorError::Template { path, message: one_line(error) }
}

fn environment() -> std::result::Result<Environment<'static>, Error> {
    let mut environment = Environment::new();
    environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(MOST_RECURSION);
    environment.set_unknown_method_callback(python_method);
    environment.set_formatter(|out, state, value| {
        pay(state, value, Style::default())?;
        escape_formatter(out, state, value)
    });
    environment.add_filter("tojson", to_json);
    environment.add_filter("string", string);
    environment.add_filter("join", join);
    // The engine's own, which shows everything there is; Jinja has none.
    environment.remove_global("debug");
    environment.add_function("raise_exception", |message: String| -> std::result::Result<String, Error> {
        Err(Error::new(ErrorKind::InvalidOperation, message))
    });
    Ok(environment)
}

fn string(state: &mut State, value: &Value) -> std::result::Result<Value, Error> {
    pay(state, value, Style::default())?;
    filters::string(state, value)
}

fn join(
    state: &mut State,
    value: &Value,
    joiner: Option<StringInput<'_>>,
    attribute: Option<&str>,
    kwargs: Kwargs,
) -> std::result::Result<Value, Error> {
    pay(state, value, Style::default())?;
    filters::join(state, value, joiner, attribute, kwargs)
}

/// The methods of Python's strings, lists and dictionaries, what they are given paid for.
fn python_method(
    state: &mut State,
    value: &Value,
    method: &str,
    arguments: &[Value],
) -> std::result::Result<Value, Error> {
    let mut longest = LONGEST_NUMBER;
    for argument in arguments {
        longest = longest.max(pay(state, argument, Style::default())?);
    }
    match value.as_str() {
        Some(text) if method == "title" && arguments.is_empty() => return Ok(title(text).into()),
        Some(text) if method == "format" => {
            let numbers = || text.split(|c: char| !c.is_ascii_digit());
            if numbers().any(|digits| digits.len() > 3) {
                let refused = "format asks for a width of more than three digits";
                return Err(Error::new(ErrorKind::InvalidOperation, refused));
            }
            let widest = numbers().filter_map(|digits| digits.parse().ok()).max().unwrap_or(0_u64);
            let fields = text.matches('{').count() as u64;
            state.consume_fuel(fields.saturating_mul(widest + longest) / 64)?;
        }
        // An element that is counted is compared with every other one.
        None if method == "count" => drop(pay(state, value, Style::default())?),
        _ => {}
    }
    unknown_method_callback(state, value, method, arguments)
}

/// Python's `str.title`: a letter behind anything that is no letter is a capital, behind an apostrophe too.
fn title(text: &str) -> String {
    let (mut titled, mut within) = (String::with_capacity(text.len()), false);
    for letter in text.chars() {
        match within {
            true => titled.extend(letter.to_lowercase()),
            false => titled.extend(letter.to_uppercase()),
        }
        within = letter.is_lowercase() || letter.is_uppercase();
    }
    titled
}

#[cfg(test)]
mod tests {
    use minijinja::context;

    use super::*;

    fn render(source: &str) -> Result<String> {
        let template = Template::compile(source.to_owned(), "chat_template.jinja".into())?;
        let message = Value::from_pairs([("role", "user"), ("content", " Grüße\n")]);
        template.render_within(context! { message }, 20)
    }

    /// What Jinja with `transformers`' `tojson` makes of the same.
    #[test]
    fn json_is_pythons() {
        for (source, expected) in [
            ("{{ message | tojson }}", r#"{"role": "user", "content": " Grüße\n"}"#),
            ("{{ message | tojson(sort_keys=true) }}", r#"{"content": " Grüße\n", "role": "user"}"#),
            ("{{ [1, [], {}, [2.5, none, true]] | tojson }}", "[1, [], {}, [2.5, null, true]]"),
            ("{{ [1, [2]] | tojson(indent=2) }}", "[\n  1,\n  [\n    2\n  ]\n]"),
            ("{{ {'a': 1, 'b': '<\"&'} | tojson(separators=(',', ':')) }}", r#"{"a":1,"b":"<\"&"}"#),
            ("{{ {'a': {}} | tojson(indent=1) }}", "{\n \"a\": {}\n}"),
        ] {
            assert_eq!(render(source).unwrap(), expected, "{source}");
        }
        assert!(render("{{ [1] | tojson(indent=100000000000) }}").is_err());
    }

    #[test]
    fn marks_for_training_show_nothing() {
        for (source, expected) in [
            ("a {%- generation -%} b {%- endgeneration -%} c", "abc"),
            ("{% generation %}\nb{%endgeneration%}", "b"),
            ("{{ 'generation' }}{# generation #} {% raw %}{% x", ""),
        ] {
            assert_eq!(render(source).unwrap_or_default(), expected, "{source}");
        }
    }

    #[test]
    fn methods_are_pythons() {
        let source = "{{ message.content.strip().upper() }}|{{ message.content.split('r') | length }}|\
                      {% for key, value in message.items() %}{{ key }},{% endfor %}{{ message.get('x', 'y') }}|\
                      {{ 'a-{}'.format(3) }}|{{ message.role.startswith('us') }}";
        assert_eq!(render(source).unwrap(), "GRÜSSE|2|role,content,y|a-3|True");
    }

    #[test]
    fn what_has_no_end_is_one_line() {
        let endless = [
            "{% for a in range(10000) %}{% for b in range(10000) %}{% for c in range(10000) %}{% endfor %}{% endfor %}{% endfor %}",
            "{% set ns = namespace(x='AAAAAAAAAAAAAAAA') %}{% for a in range(40) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}{{ ns.x }}",
            "{{ 'a' * 100000000 ~ 'a' * 100000000 }}",
            "{% set x = 'a' * 1000000 %}{{ x.replace('a', x) }}",
            "{{ 'a\\nb' | indent(100000000000) }}",
        ];
        for source in endless {
            let error = render(source).unwrap_err();
            assert!(matches!(error, ProcessorError::TemplateEndless { .. }), "{source}: {error}");
        }
        for source in [
            "{{ '%1000000000d' | format(3) }}",
            "{{ '{:>1000000000}'.format(3) }}",
            "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        ] {
            let error = render(source).unwrap_err().to_string();
            assert!(!error.contains('\n'), "{error}");
        }
    }

    /// A list that holds another one twice, and so on, is small until it is written out, compared or let go of.
    #[test]
    fn lists_that_hold_each_other_are_bounded() {
        let set = |times: usize, list: &str| {
            format!(
                "{{% set ns = namespace(x=[0], y=[0]) %}}{{% for a in range({times}) %}}{list}{{% endfor %}}"
            )
        };
        let twice = set(60, "{% set ns.x = [ns.x, ns.x] %}{% set ns.y = [ns.y, ns.y] %}");
        for written in [
            "{{ ns.x }}",
            "{{ ns.x | tojson }}",
            "{{ ns.x | string }}",
            "{{ ns.x | join }}",
            "{{ ''.join([ns.x]) }}",
            "{{ '{}'.format(ns.x) }}",
            // Of what the engine has no count for, by the clock.
            "{{ ns.x == ns.y }}",
        ] {
            let error = render(&format!("{twice}{written}")).unwrap_err();
            assert!(matches!(error, ProcessorError::TemplateEndless { .. }), "{written}: {error}");
        }
        let deep = set(90_000, "{% set ns.x = [ns.x] %}");
        assert_eq!(render(&deep).unwrap(), "");
        let error = render(&format!("{deep}{{{{ ns.x }}}}")).unwrap_err();
        assert!(matches!(error, ProcessorError::TemplateEndless { .. }), "{error}");
        let wide = render("{{ ('{0:>999}' * 4000000).format(1) }}").unwrap_err();
        assert!(matches!(wide, ProcessorError::TemplateEndless { .. }), "{wide}");
    }

    #[test]
    fn a_source_has_a_limit_and_long_chains_do_not_end_the_program() {
        let chain = format!("{{{{ 1{} }}}}", "+1".repeat(30_000));
        assert_eq!(render(&chain).unwrap(), "30001");
        let nested = format!("{{{{ {}1{} }}}}", "(".repeat(30_000), ")".repeat(30_000));
        assert!(matches!(render(&nested).unwrap_err(), ProcessorError::Template { .. }));
        let long = render(&" ".repeat(MOST_SOURCE_BYTES + 1)).unwrap_err();
        assert!(matches!(long, ProcessorError::TemplateTooLong { bytes: 65_537, .. }));
    }
}
