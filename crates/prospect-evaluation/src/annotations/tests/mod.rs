//! Each format by its malformations and fixtures, then what holds for all of them.

mod dst;
mod every_format;
mod own_json;
mod proassist;

use std::path::Path;

use super::{Annotations, AnnotationsError, Choice, Format, Message, Speaker, Substep};

const TEA: &str = include_str!("../../../tests/annotations/tea.json");
const TEA_TSV: &str = include_str!("../../../tests/annotations/tea.tsv");
const TEA_PROASSIST: &str = include_str!("../../../tests/annotations/tea_proassist.json");
const TEA_PREPARED: &str = include_str!("../../../tests/annotations/tea_prepared.json");

fn json(text: &str) -> Result<Annotations, AnnotationsError> {
    Annotations::parse(text, Path::new("a.json"))
}

fn tsv(text: &str) -> Result<Annotations, AnnotationsError> {
    Annotations::parse(text, Path::new("a.tsv"))
}

/// Whether an error is one line that starts with the file.
fn is_one_line(error: &AnnotationsError) -> bool {
    let line = error.to_string();
    (line.starts_with("a.json: ") || line.starts_with("a.tsv: ")) && !line.contains(char::is_control)
}

/// What is said about a text in which one thing was replaced.
fn complaint(
    parse: fn(&str) -> Result<Annotations, AnnotationsError>,
    good: &str,
    from: &str,
    to: &str,
) -> String {
    assert!(good.contains(from), "{from}");
    let error = parse(&good.replacen(from, to, 1)).unwrap_err();
    assert!(is_one_line(&error), "{error}");
    error.to_string()
}

/// All messages as time and text, with the first letter of the role ahead.
fn script(annotations: &Annotations) -> Vec<String> {
    let line = |message: &Message| {
        let role = match message.role {
            Speaker::System => 's',
            Speaker::User => 'u',
            Speaker::Assistant => 'a',
        };
        format!("{role} {} {}", message.time, message.text)
    };
    annotations.messages.iter().map(line).collect()
}

fn names(entries: &[Substep]) -> Vec<&str> {
    entries.iter().map(|entry| entry.name.as_str()).collect()
}
