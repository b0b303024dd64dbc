//! Converts annotations from one format to another.

use std::path::PathBuf;

use crate::support::{complaint, program, repository, text};

fn fixture(name: &str) -> String {
    let folder = repository().join("crates/prospect-evaluation/tests/annotations");
    folder.join(name).to_str().unwrap().to_owned()
}

#[test]
fn a_file_is_converted_and_what_is_lost_is_said() {
    let output = program(&["convert", &fixture("tea.json"), "--to", "dst"]).output().unwrap();
    assert!(output.status.success());
    let table = text(&output.stdout);
    assert!(table.starts_with("type\tstart_ts\tend_ts\tname\nSTEP\t0\t40.5\tboil water\n"), "{table}");
    assert!(table.contains("ACTION\t3\t3\topen the tap\n"), "{table}");
    assert_eq!(
        text(&output.stderr),
        "warning: dst has no place for the frame rate, the system prompt, the task knowledge, the messages\n"
    );
}

#[test]
fn every_fixture_reaches_every_format() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["tea.json", "tea.tsv", "tea_proassist.json", "tea_prepared.json"] {
        for (format, ending) in [("prospect", "json"), ("proassist", "json"), ("dst", "tsv")] {
            let path: PathBuf = folder.path().join(format!("converted.{ending}"));
            let path = path.to_str().unwrap();
            let first =
                program(&["convert", &fixture(name), "--to", format, "--output", path]).output().unwrap();
            assert!(first.status.success() && first.stdout.is_empty(), "{}", text(&first.stderr));
            let again = program(&["convert", path, "--to", format]).output().unwrap();
            assert_eq!(text(&again.stdout), std::fs::read_to_string(path).unwrap(), "{name} to {format}");
            assert!(again.stderr.is_empty(), "{}", text(&again.stderr));
        }
    }
}

#[test]
fn a_conversation_is_chosen_by_its_user_type() {
    let file = fixture("tea_proassist.json");
    let chosen =
        |more: &[&str]| program(&[&["convert", &file, "--to", "prospect"], more].concat()).output().unwrap();
    let some = text(&chosen(&["--user-type", "talk_some", "--video", "kitchen-7"]).stdout);
    assert!(some.contains("How long?") && !some.contains("It boils."), "{some}");
    assert!(text(&chosen(&[]).stdout).contains("It boils."));
    let (message, code) = complaint(&chosen(&["--user-type", "talk_more"]));
    assert!(message.ends_with("expected one of [\"no_talk\", \"talk_some\"]"), "{message}");
    assert_eq!(code, 2);
}

#[test]
fn bad_files_and_formats_are_refused() {
    let convert = |file: &str, format: &str| program(&["convert", file, "--to", format]).output().unwrap();
    let (message, code) = complaint(&convert("missing.tsv", "prospect"));
    assert!(message.contains("missing.tsv: cannot be read"), "{message}");
    assert_eq!(code, 2);
    let unknown = convert(&fixture("tea.json"), "srt");
    assert_eq!(unknown.status.code(), Some(2));
    assert!(text(&unknown.stderr).contains("[possible values: prospect, proassist, dst]"));
}
