//! A person speaks to a stream while it goes on.

use crate::support::{complaint, program, text, trace};

#[test]
fn what_a_file_asks_goes_in_and_is_answered() {
    let folder = tempfile::tempdir().unwrap();
    let questions = folder.path().join("questions.txt");
    std::fs::write(&questions, "\nwhat now?\n").unwrap();
    let (file, out) = (questions.to_str().unwrap(), folder.path().join("out"));
    let arguments =
        ["run", "--ask-file", file, "--out", out.to_str().unwrap(), "--set", "stream.talk=on_request"];
    let output = program(&arguments).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let events = trace(&out);
    let asked = events.iter().find(|event| event["event"] == "message" && event["text"] == "what now?");
    let asked = asked.expect("the question is in the trace");
    assert_eq!(asked["role"], "user");
    let answer = events.iter().find(|event| event["event"] == "reply" && event["time"] == asked["time"]);
    assert!(answer.is_some_and(|answer| !answer["text"].as_str().unwrap().is_empty()), "it is answered");
}

#[test]
fn what_cannot_be_said_is_a_note_and_the_stream_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let questions = folder.path().join("questions.txt");
    std::fs::write(&questions, "word ".repeat(2000)).unwrap();
    let (file, out) = (questions.to_str().unwrap(), folder.path().join("out"));
    let output = program(&["run", "--ask-file", file, "--out", out.to_str().unwrap()]).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let notes = text(&output.stderr);
    assert!(
        notes.contains("note: a message of ") && notes.contains("does not fit: expected at most"),
        "{notes}"
    );
    let missing = program(&["run", "--ask-file", "/nowhere/questions", "--out", "elsewhere"]);
    let missing = { missing }.current_dir(folder.path()).output().unwrap();
    let (message, code) = complaint(&missing);
    assert!(message.contains("/nowhere/questions") && code == 2, "{message}");
}
