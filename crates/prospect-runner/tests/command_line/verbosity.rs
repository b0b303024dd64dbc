//! `-v`, `-q` and `PROSPECT_LOG`: how much goes to standard error; what a command is for goes to standard output all the same.

use std::path::Path;
use std::process::Output;

use crate::support::{program, text};

/// A short run of the small model.
fn run(out: &Path, more: &[&str], variables: &[(&str, &str)]) -> Output {
    let to = out.to_str().unwrap();
    let common = ["run", "--out", to, "--overwrite", "--set", "stream.max_frames=50"];
    let mut command = program(&[&common[..], more].concat());
    // A note for whoever does not want to be quiet.
    command.env("RAYON_NUM_THREADS", "many").env_remove("RUST_LOG").env_remove("PROSPECT_LOG");
    let output = command.envs(variables.iter().copied()).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    output
}

#[test]
fn a_flag_or_a_variable_says_how_much_goes_to_standard_error() {
    let out = tempfile::tempdir().unwrap();
    let said = |more: &[&str], variables: &[(&str, &str)]| text(&run(out.path(), more, variables).stderr);
    let usual = said(&[], &[]);
    assert!(usual.starts_with("note: RAYON_NUM_THREADS") && usual.lines().count() == 1, "{usual}");
    assert_eq!(said(&["-q"], &[]), "");
    assert_eq!(said(&[], &[("PROSPECT_LOG", "warn")]), "");
    let verbose = said(&["-v"], &[]);
    assert!(verbose.contains("\ndebug: workbench from ") && verbose.contains(": overflow, "), "{verbose}");
    assert!(!verbose.contains("\ntrace: "), "{verbose}");
    let every_frame = said(&["-vv"], &[]);
    assert_eq!(every_frame.lines().filter(|line| line.starts_with("trace: frame ")).count(), 50);
    // What a person writes now counts more than what the environment says.
    assert!(said(&["-v"], &[("PROSPECT_LOG", "error")]).contains("debug: "));
    let odd = said(&[], &[("PROSPECT_LOG", "loud")]);
    assert!(odd.starts_with("warning: PROSPECT_LOG=loud: expected error, warn, info, debug, trace"), "{odd}");
}

#[test]
fn a_quiet_run_still_says_what_it_is_for() {
    let out = tempfile::tempdir().unwrap();
    let lines = |more: &[&str]| {
        let printed = text(&run(out.path(), more, &[]).stdout);
        printed.lines().filter(|line| !line.contains("a frame took")).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(lines(&["-qq"]), lines(&[]));
}

#[test]
fn an_error_is_told_however_quiet_the_program_is() {
    let output = program(&["run", "nowhere.mp4", "-qq"]).output().unwrap();
    assert!(text(&output.stderr).starts_with("error: "), "{}", text(&output.stderr));
    let both = program(&["run", "-q", "-v"]).output().unwrap();
    assert_eq!(both.status.code(), Some(2));
}
