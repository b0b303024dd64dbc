//! Random templates of a small grammar, and published ones with a random part.

use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::sample::select;

/// The smallest expressions. They contain no capital A, B or C, since these letters stand for the parts
/// of a form.
const SMALL: &str = "m m.role m.content m.content[0].text messages messages[0] x i ns.x ns.y loop.index loop.last bos_token \
    add_generation_prompt tools nothing 'a' '' '<image>' '<end_of_utterance>' '\\n' '%s{:>99}' 'é' 0 1 -1 2 40 3000 99999999 \
    99999999999999999999 0.5 1e300 true none [] {} ()";
const EXPRESSIONS: &str = "(A + B)|(A ~ B)|(A * B)|('a' * B)|(A / B)|(A // B)|(A % B)|(A ** B)|(-A)|A[B]|A[B:C]|A[::B]|A.k|(A if B else C)|[A, B]|\
    [A, A, A]|{'k': A}|{'k': A, 'l': A}|{A: B}|(A in B)|(not A)|(A == B)|(A < B)|(A and B)|(A is string)|(A is mapping)|\
    (A is divisibleby(B))|range(A)|range(A, B)|f(A)|dict(k=A)|namespace(x=A)|raise_exception(A)|loop(A)";
/// Filters, which follow a bar.
const FILTERS: &str = "trim upper lower title capitalize join join(B) length tojson tojson(indent=2) tojson(indent=B) tojson(sort_keys=true) \
    tojson(separators=(B,C)) replace(B,C) list sort sort(reverse=true) unique reverse first last default(B) indent indent(B) batch(B) \
    slice(B) map(attribute='k') map('upper') selectattr('k') rejectattr('k','==',B) select('in',B) groupby('k') sum min max round int float \
    string escape safe urlencode dictsort items pprint format(B) lines split split(B) abs bool zip(B) chain(B) attr(B)";
/// Methods, which follow a dot.
const METHODS: &str = "strip() strip(B) split() split(B) split(B,C) join(B) replace(B,C) format(B,C) startswith(B) title() capitalize() upper() \
    lower() items() keys() values() get(B) get(B,C) count(B) find(B) rfind(B) splitlines() splitlines(true) isdigit() nothing(B)";
const TEXTS: &str = "a|<image>|<|im_start|>|<end_of_utterance>\n|Assistant:|\n|  |é|{|}}|%}|{#|{{|{% endif %}|{% break %}|{% continue %}|{# note #}";
/// Statements. A and B stand for expressions, S and T for nested blocks.
const STATEMENTS: &str = "{{ A }}|{{- A -}}|{% set x = A %}|{% set ns.x = A %}|{% set ns.y = [ns.y, ns.x] %}|{% set ns.y = [ns.y, ns.y] %}|\
    {% set ns.x = ns.x ~ ns.x %}|{% set x %}S{% endset %}|{% if A %}S{% else %}T{% endif %}|{%- if A -%}S{%- elif B -%}T{%- endif -%}|\
    {% for i in A %}S{% endfor %}|{% for i in A if B %}S{% else %}T{% endfor %}|{% for i in range(40) %}S{% endfor %}|\
    {% for i in range(9999) %}S{% endfor %}|{% for i in A recursive %}S{{ loop(B) }}{% endfor %}|{% macro f(x) %}S{% endmacro %}T|\
    {% call f(A) %}S{% endcall %}|{% filter upper %}S{% endfilter %}|{% generation %}S{% endgeneration %}|{% raw %}S{% endraw %}|\
    {% with x = A %}S{% endwith %}|{% do f(A) %}|{% block b %}S{% endblock %}|{% include A %}|{% extends A %}|{% autoescape A %}S{% endautoescape %}";

fn forms(list: &'static str) -> impl Iterator<Item = String> {
    list.split('|').filter(|form| !form.is_empty()).map(str::to_owned)
}

/// The filters or methods of a list, each with `sign` before it. Names contain no blanks.
fn behind(list: &'static str, sign: &'static str) -> impl Iterator<Item = String> {
    list.split_whitespace().map(move |name| format!("A{sign}{name}"))
}

fn expression() -> impl Strategy<Value = String> {
    let small: Vec<String> = SMALL.split_whitespace().map(str::to_owned).collect();
    let all: Vec<String> =
        forms(EXPRESSIONS).chain(behind(FILTERS, " | ")).chain(behind(METHODS, ".")).collect();
    select(small).prop_recursive(4, 24, 3, move |inner| {
        let parts = (select(all.clone()), inner.clone(), inner.clone(), inner);
        parts.prop_map(|(form, a, b, c)| put_in(&form, &[('A', &a), ('B', &b), ('C', &c)]))
    })
}

/// Typed expressions: T and U stand for texts, N and M for numbers, L and K for lists. Most of them
/// render without an error.
const TEXT_FORMS: &str = "(T ~ U)|(T + U)|(T * N)|T | upper|T | trim|T.strip(U)|T.replace(U, T)|L | join(T)|T.join(L)|T[N:]|T[:N]|T[::-1]|\
    L | tojson|L | tojson(indent=2)|L | tojson(sort_keys=true)|L | tojson(separators=(T, U))|T | indent(N)|L | string|N | string|\
    '%s' | format(L)|'{} {}'.format(T, N)|(T if N else U)|T.title()|T.capitalize()|T | replace(U, T)|(L ~ T)|L | pprint|\
    T.split(U) | last | default('')|(T | escape)|(T | safe)|f(T)|T | center(N)|T | default(U)|(L | first | default('')) ~ ''";
const NUMBER_FORMS: &str = "(N + M)|(N * M)|(N - M)|(N // 3)|(N % 7)|(N ** 2)|L | length|T | length|T.find(U)|T.count(U)|N | abs|T | int|L.count(T)|\
    (T in L)|(T == U)|(L == K)|(L < K)|(N | round)|(L is iterable)|T.startswith(U)|(L | select | list | length)|(N > M)";
const LIST_FORMS: &str = "[T, N]|[L, K]|[L, L]|(L + K)|(L * 2)|L | reverse | list|L | sort|L | unique | list|L | map('string') | list|range(N) | list|T.split(U)|\
    T.splitlines()|L[N:]|L[::-1]|L | batch(2) | list|L | slice(3) | list|T | list|m.items() | list|[{'k': T, 'l': L}]|L | select | list|\
    ({'k': L}.values() | list)|L | groupby('k')|(L | zip(K) | list)|(L if N else K)";

/// A random text, number and list.
fn of_every_kind() -> impl Strategy<Value = [String; 3]> {
    let small = |list: &'static str| select(list.split_whitespace().map(str::to_owned).collect::<Vec<_>>());
    let texts = small("m.role m.content[0].text 'a' '' '<image>' '\\n' 'é' ns.x x bos_token");
    let small = (
        texts,
        small("0 1 2 -1 40 3000 0.5 loop.index"),
        small("[] [1,2] ['a','b'] ns.y messages m.content"),
    );
    small.prop_map(|(text, number, list)| [text, number, list]).prop_recursive(4, 16, 2, |inner| {
        let forms_of = |list: &'static str| select(forms(list).collect::<Vec<_>>());
        let own = (forms_of(TEXT_FORMS), forms_of(NUMBER_FORMS), forms_of(LIST_FORMS));
        (own, inner.clone(), inner).prop_map(|((text, number, list), [t, n, l], [u, m, k])| {
            let parts = [('T', &*t), ('U', &*u), ('N', &*n), ('M', &*m), ('L', &*l), ('K', &*k)];
            [text, number, list].map(|form| put_in(&form, &parts))
        })
    })
}

/// An untyped expression, which may fail, or a typed one, which rarely does.
fn any_expression() -> impl Strategy<Value = String> {
    let sound = (of_every_kind(), 0usize..3).prop_map(|(kinds, which)| kinds[which].clone());
    prop_oneof![1 => expression(), 5 => sound]
}

/// A few statements and texts.
fn block() -> impl Strategy<Value = String> {
    let all: Vec<String> = forms(STATEMENTS).collect();
    let shown = any_expression().prop_map(|shown| format!("{{{{ {shown} }}}}"));
    let small = prop_oneof![1 => select(forms(TEXTS).collect::<Vec<_>>()), 2 => shown];
    small.prop_recursive(3, 16, 3, move |inner| {
        let parts = (select(all.clone()), any_expression(), any_expression(), inner.clone(), inner.clone());
        let form =
            parts.prop_map(|(form, a, b, s, t)| put_in(&form, &[('A', &a), ('B', &b), ('S', &s), ('T', &t)]));
        prop_oneof![3 => form, 1 => prop::collection::vec(inner, 1..3).prop_map(|all| all.concat())]
    })
}

/// Replaces the letters of a form by the given parts.
fn put_in(form: &str, parts: &[(char, &str)]) -> String {
    let mut text = String::new();
    for (letter, around) in form.chars().zip(" ".chars().chain(form.chars())) {
        match parts.iter().find(|(name, _)| *name == letter && !around.is_alphabetic()) {
            Some((_, part)) => text.push_str(part),
            None => text.push(letter),
        }
    }
    text
}

/// A template of the grammar. Half of them render the messages in the usual way.
pub(crate) fn template() -> impl Strategy<Value = String> {
    let begin = "{% set ns = namespace(x='x', y=[]) %}{% macro f(x) %}{{ x }}{% endmacro %}";
    let shows = "{{ m.role }}: {{ m.content[0].text }}";
    (any::<bool>(), block(), block()).prop_map(move |(common, within, behind)| match common {
        true => format!("{begin}{{% for m in messages %}}{shows}{within}\n{{% endfor %}}{behind}"),
        false => format!("{begin}{within}{behind}"),
    })
}

/// The templates of fixtures/templates.
static SOUND: LazyLock<Vec<String>> = LazyLock::new(|| {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/templates/rendered.json");
    let golden: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let cases = golden["cases"].as_array().unwrap();
    cases.iter().map(|case| case["template"].as_str().unwrap().to_owned()).collect()
});

/// A sound template with one part replaced by a block of the grammar.
pub(crate) fn spliced() -> impl Strategy<Value = String> {
    (select(SOUND.clone()), 0.0f64..1.0, 0usize..30, block()).prop_map(|(sound, at, less, block)| {
        let letters: Vec<char> = sound.chars().collect();
        let at = (at * letters.len() as f64) as usize;
        let behind = letters.iter().skip(at + less);
        letters[..at].iter().copied().chain(block.chars()).chain(behind.copied()).collect()
    })
}

/// A sound template.
pub(crate) fn sound() -> impl Strategy<Value = String> {
    select(SOUND.clone())
}
