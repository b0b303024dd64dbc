//! What a terminal of 80 or of 40 columns shows: no line is wider, unless it is a path or another word that can be copied.

use std::process::Command;

use crate::support::{program, repository, text};

/// What a command prints at so many columns.
fn printed(arguments: &[&str], columns: usize) -> String {
    let mut command: Command = program(arguments);
    let output = command.env("COLUMNS", columns.to_string()).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout)
}

/// Every line has room, but for long words with their names.
fn assert_fits(arguments: &[&str], shown: &str, columns: usize) {
    for line in shown.lines() {
        let is_word = line.split_whitespace().count() <= 2;
        let width = line.chars().count();
        assert!(width <= columns || is_word, "{arguments:?} at {columns}: {width} columns: {line}");
    }
}

#[test]
fn every_table_and_every_list_fits_the_terminal() {
    let out = tempfile::tempdir().unwrap();
    let at = |name: &str| out.path().join(name).to_str().unwrap().to_owned();
    let video = repository().join("fixtures/workbench/videos/video_001.mp4");
    let (video, run, suite) = (video.to_str().unwrap(), at("run"), at("suite"));
    let (frames, strategies) = ("stream.max_frames=60", "drop_all,drop_middle:legacy,unlimited");
    let commands: [&[&str]; 8] = [
        &["inspect"],
        &["doctor"],
        &["run", "--preset", "list"],
        &["run", video, "--set", frames, "--out", &run, "--overwrite"],
        &["simulate", &run, "--strategies", "drop_all,sink_window,summarize_with_dst"],
        // Made once, and shown again.
        &["compare", video, "--set", frames, "--out", &suite, "--strategies", strategies],
        &["bench", "--shape", "small", "--cache", "0,64", "--repeats", "1"],
        &["parity", "--shape", "small", "--dtype", "f32"],
    ];
    for arguments in commands {
        for columns in [80, 40] {
            assert_fits(arguments, &printed(arguments, columns), columns);
        }
    }
}

#[test]
fn help_breaks_at_words() {
    for columns in [80, 40] {
        for command in ["run", "serve", "compare", "bench"] {
            let arguments = [command, "--help"];
            let shown = printed(&arguments, columns);
            assert!(shown.contains("Examples:"), "{shown}");
            let told: Vec<&str> = shown.split_whitespace().collect();
            let whole = printed(&arguments, 100);
            assert_eq!(told, whole.split_whitespace().collect::<Vec<_>>(), "{command} at {columns}");
        }
    }
}

#[test]
fn a_table_that_has_no_room_beside_goes_on_below() {
    let arguments = ["bench", "--shape", "small", "--cache", "64", "--repeats", "1"];
    let (wide, narrow) = (printed(&arguments, 200), printed(&arguments, 40));
    let words = |text: &str, word: &str| text.split_whitespace().filter(|found| *found == word).count();
    // The first column stands in every part, and no column is lost.
    assert_eq!(words(&wide, "vision"), 1);
    assert!(words(&narrow, "vision") > 1, "{narrow}");
    for word in ["tokens", "median", "least", "read", "product"] {
        assert!(words(&narrow, word) >= words(&wide, word), "{word}: {narrow}");
    }
}
