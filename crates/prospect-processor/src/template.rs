//! The template engine, configured like that of `transformers`, with limits: a template is untrusted
//! input.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, StringInput, Value};
use minijinja::{Environment, Error, ErrorKind, State, escape_formatter, filters};
use minijinja_contrib::pycompat::unknown_method_callback;

use prospect_foreign::{caught, short_line};

use crate::error::{ProcessorError, Result};
use crate::python_json::to_json;
use crate::weight::pay;

/// The template's name in the engine.
pub(crate) const NAME: &str = "chat_template";

/// Longest source of a template, in bytes. Published templates have up to 20 KB.
const MOST_SOURCE_BYTES: usize = 64 << 10;
/// Fuel of one rendering. An instruction takes one unit, and so do 64 bytes of every text or list that
/// it makes. A conversation of 1,000 messages takes about 30,000 units.
const FUEL: u64 = 2_000_000;
/// Stack size of the thread that compiles and renders. The compiler recurses once for each operator in
/// a chain, at most [`MOST_SOURCE_BYTES`] / 2 times. Printing or dropping a list recurses once for each
/// nested list, at most [`FUEL`] / 5 times.
const STACK: usize = 512 << 20;
/// Time limit of one rendering. The engine's fuel does not count comparisons. Comparing lists that each
/// hold the next one twice takes exponential time: with a depth of sixty it would never end.
const PATIENCE: Duration = Duration::from_secs(5);
/// Most bytes of a number in a format: the largest has 309 digits.
const LONGEST_NUMBER: u64 = 400;
/// Most nested calls of macros.
const MOST_RECURSION: usize = 100;

/// Compiles a template. Error messages name `path`.
pub(crate) fn compile(source: String, path: &Path) -> Result<Arc<Environment<'static>>> {
    if source.len() > MOST_SOURCE_BYTES {
        let (bytes, most) = (source.len(), MOST_SOURCE_BYTES);
        return Err(ProcessorError::TemplateTooLong { path: path.to_owned(), bytes, most });
    }
    let failed = |message: String| ProcessorError::Template { path: path.to_owned(), message };
    let source = without_generation_tags(&source);
    let compiled = with_stack(move || {
        let mut environment = environment()?;
        environment.add_template_owned(NAME, source)?;
        Ok::<_, Error>(Arc::new(environment))
    });
    let compiled = compiled.map_err(|error| failed(format!("no thread to compile it in: {error}")))?;
    let compiled = compiled.join().ok().flatten().ok_or_else(|| failed(GAVE_UP.to_owned()))?;
    compiled.map_err(|error| failed(short_line(error)))
}

/// Renders a compiled template. Error messages name `path`.
pub(crate) fn render(environment: &Arc<Environment<'static>>, context: Value, path: &Path) -> Result<String> {
    let failed = |message: String| ProcessorError::Template { path: path.to_owned(), message };
    let (sender, rendered) = sync_channel(1);
    let environment = Arc::clone(environment);
    let renderer = with_stack(move || {
        let rendered = environment.get_template(NAME).and_then(|template| template.render(context));
        // After a timeout the receiver is gone, and sending fails.
        let _ = sender.send(rendered);
    });
    renderer.map_err(|error| failed(format!("no thread to render it in: {error}")))?;
    match rendered.recv_timeout(PATIENCE) {
        Ok(rendered) => rendered.map_err(|error| render_error(path, &error)),
        Err(RecvTimeoutError::Timeout) => {
            Err(ProcessorError::TemplateSlow { path: path.to_owned(), seconds: PATIENCE.as_secs() })
        }
        Err(RecvTimeoutError::Disconnected) => Err(failed(GAVE_UP.to_owned())),
    }
}

/// Message for a panic of the template engine.
const GAVE_UP: &str = "the template engine gave up";

/// Runs `work` in a thread with a large stack. The operating system allocates only the part of it that
/// is used.
fn with_stack<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> std::io::Result<JoinHandle<Option<T>>> {
    Builder::new().name("chat template".to_owned()).stack_size(STACK).spawn(|| caught(work))
}

/// Replaces the tag `{% generation %}`, which marks the assistant's words for training, by a block
/// without an effect.
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

/// The error for a template that does not render.
fn render_error(path: &Path, error: &Error) -> ProcessorError {
    let path = path.to_owned();
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(current) = cause {
        if current.downcast_ref::<Error>().is_some_and(|error| error.kind() == ErrorKind::OutOfFuel) {
            return ProcessorError::TemplateEndless { path, most: FUEL };
        }
        cause = current.source();
    }
    ProcessorError::Template { path, message: short_line(error) }
}

fn environment() -> std::result::Result<Environment<'static>, Error> {
    let mut environment = Environment::new();
    environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(MOST_RECURSION);
    environment.set_unknown_method_callback(python_method);
    environment.set_formatter(|out, state, value| {
        pay(state, value)?;
        escape_formatter(out, state, value)
    });
    environment.add_filter("tojson", to_json);
    environment.add_filter("string", string);
    environment.add_filter("join", join);
    // `debug` is an extension of this engine that prints all variables. Jinja does not have it.
    environment.remove_global("debug");
    environment.add_function("raise_exception", |message: String| -> std::result::Result<String, Error> {
        Err(Error::new(ErrorKind::InvalidOperation, message))
    });
    Ok(environment)
}

fn string(state: &mut State, value: &Value) -> std::result::Result<Value, Error> {
    pay(state, value)?;
    filters::string(state, value)
}

fn join(
    state: &mut State,
    value: &Value,
    joiner: Option<StringInput<'_>>,
    attribute: Option<&str>,
    kwargs: Kwargs,
) -> std::result::Result<Value, Error> {
    pay(state, value)?;
    filters::join(state, value, joiner, attribute, kwargs)
}

/// Python's methods of strings, lists and dictionaries. Fuel is charged for their arguments.
fn python_method(
    state: &mut State,
    value: &Value,
    method: &str,
    arguments: &[Value],
) -> std::result::Result<Value, Error> {
    let mut longest = LONGEST_NUMBER;
    for argument in arguments {
        longest = longest.max(pay(state, argument)?);
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
        // `count` compares every element of the list.
        None if method == "count" => drop(pay(state, value)?),
        _ => {}
    }
    unknown_method_callback(state, value, method, arguments)
}

/// Python's `str.title`: a letter is upper case after anything that is not a letter, an apostrophe
/// included.
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
        let path = Path::new("chat_template.jinja");
        let environment = compile(source.to_owned(), path)?;
        let message = Value::from_pairs([("role", "user"), ("content", " Grüße\n")]);
        super::render(&environment, context! { message }, path)
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
    fn what_has_no_end_is_short_line() {
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

    #[test]
    fn a_source_has_a_limit_and_long_chains_do_not_end_the_program() {
        let chain = format!("{{{{ 1{} }}}}", "+1".repeat(30_000));
        assert_eq!(render(&chain).unwrap(), "30001");
        let nested = format!("{{{{ {}1{} }}}}", "(".repeat(30_000), ")".repeat(30_000));
        assert!(matches!(render(&nested).unwrap_err(), ProcessorError::Template { .. }));
        let long = render(&" ".repeat(MOST_SOURCE_BYTES + 1)).unwrap_err();
        assert!(matches!(long, ProcessorError::TemplateTooLong { bytes: 65_537, .. }));
    }

    #[test]
    fn lists_within_lists_end_in_a_line_however_many_they_are() {
        let doubled = "{% set ns = namespace(x=['x']) %}{% for i in range(60) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}";
        for json in
            ["{{ ns.x | tojson }}", "{{ ns.x | tojson(sort_keys=true) }}", "{{ ns.x | tojson(indent=64) }}"]
        {
            let error = render(&format!("{doubled}{json}")).unwrap_err();
            assert!(matches!(error, ProcessorError::TemplateEndless { .. }), "{json}: {error}");
        }
        for written in [
            "{{ ns.x }}",
            "{{ ns.x | string }}",
            "{{ ns.x | join }}",
            "{{ ''.join([ns.x]) }}",
            "{{ '{}'.format(ns.x) }}",
            "{{ ('{0:>999}' * 4000000).format(1) }}",
        ] {
            let error = render(&format!("{doubled}{written}")).unwrap_err();
            assert!(matches!(error, ProcessorError::TemplateEndless { .. }), "{written}: {error}");
        }
        let error = render(&format!("{doubled}{{{{ ns.x == [ns.x] }}}}{{{{ ns.x ~ '' }}}}")).unwrap_err();
        assert!(matches!(error, ProcessorError::TemplateSlow { .. }), "{error}");
        let long = "{% set x = 'a' * 1000000 %}{{ range(1000) | tojson(separators=(x, x)) }}";
        assert!(matches!(render(long), Err(ProcessorError::TemplateEndless { .. })));
        let deep = "{% set ns = namespace(x=[]) %}{% for i in range(99) %}{% for j in range(9999) %}{% set ns.x = [ns.x] %}{% endfor %}{% endfor %}";
        assert!(matches!(render(deep), Err(ProcessorError::TemplateEndless { .. })));
        let deep = deep.replace("range(99)", "range(20)") + "{{ ns.x }}";
        assert!(render(&deep).is_ok_and(|text| text.ends_with(&"]".repeat(100_000))));
    }
}
