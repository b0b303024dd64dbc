//! What the program says of itself: version, help, manual pages, misspelt words.

use crate::support::{program, text};

#[test]
fn the_version_is_short_or_has_everything_that_a_report_of_a_fault_needs() {
    let printed = |flag: &str| text(&program(&[flag]).output().unwrap().stdout);
    let short = printed("-V");
    assert_eq!(short.trim_end(), format!("prospect-runner {}", prospect_runner::VERSION));
    let long = printed("--version");
    assert!(long.starts_with(short.trim_end()), "{long}");
    for line in ["\nsystem:   ", "\nfeatures: serve, download", "\nkernels:  "] {
        assert!(long.contains(line), "{long}");
    }
    let portable = program(&["--version"]).env("PROSPECT_INSTRUCTIONS", "portable").output().unwrap();
    assert!(text(&portable.stdout).contains("kernels:  none"), "{}", text(&portable.stdout));
}

#[test]
fn arguments_stand_under_headings_with_examples_behind_them() {
    let help = |arguments: &[&str]| text(&program(arguments).output().unwrap().stdout);
    let run = help(&["run", "--help"]);
    for heading in ["Model:", "Settings:", "Memory:", "What is said:", "Output:", "Interrupt and go on:"] {
        assert!(run.contains(&format!("\n{heading}\n")), "{heading}: {run}");
    }
    let is_before = |first: &str, second: &str| run.find(first).unwrap() < run.find(second).unwrap();
    assert!(is_before("--quiet", "Examples:") && run.contains("Ctrl-C is the end of a live stream"), "{run}");
    // The short help has no examples.
    assert!(!help(&["run", "-h"]).contains("Examples:"));
    assert!(help(&["--help"]).contains("Exit codes: 0 done"));
}

#[test]
fn there_is_a_manual_page_for_every_command() {
    let folder = tempfile::tempdir().unwrap();
    let man = folder.path().join("share/man1");
    let output = program(&["man", man.to_str().unwrap()]).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    for page in
        ["prospect-runner.1", "prospect-runner-run.1", "prospect-runner-serve.1", "prospect-runner-man.1"]
    {
        let page = std::fs::read_to_string(man.join(page)).unwrap();
        assert!(page.starts_with(".ie") && page.contains(".SH NAME"), "{page}");
    }
    let run = std::fs::read_to_string(man.join("prospect-runner-run.1")).unwrap();
    assert!(run.contains("Examples:") && run.contains("preset"), "{run}");
}

#[test]
fn a_misspelt_word_is_answered_with_the_right_one() {
    for (misspelt, right) in [
        (&["simulat"][..], "'simulate'"),
        (&["run", "--presset", "watch"], "'--preset'"),
        (&["run", "--preset", "wach"], "watch"),
        (&["run", "--set", "stream.fsp=2"], "stream.fps"),
        (&["run", "--strategy", "drop_midle"], "drop_middle"),
        (&["convert", "a.json", "--to", "prospekt"], "'prospect'"),
    ] {
        let output = program(misspelt).output().unwrap();
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(right), "{misspelt:?}: {said}");
    }
}
