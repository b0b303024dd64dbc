//! The examples of `--help`.

use clap::{CommandFactory, Parser};

use super::arguments::Arguments;

/// The words of a line, without its quotes.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut is_quoted) = (vec![String::new()], false);
    for letter in line.chars() {
        match letter {
            '"' => is_quoted = !is_quoted,
            ' ' if !is_quoted => words.push(String::new()),
            letter => words.last_mut().unwrap().push(letter),
        }
    }
    words
}

#[test]
fn every_command_has_examples_that_parse_and_fit_a_terminal() {
    for command in Arguments::command().get_subcommands() {
        let name = command.get_name();
        let text = command.get_after_long_help().map(ToString::to_string).unwrap_or_default();
        let examples: Vec<&str> = text.lines().filter(|line| line.starts_with("  ")).collect();
        assert!(!examples.is_empty(), "{name}");
        for line in examples {
            assert!(line.len() <= 80, "{line}");
            let line = &line[line.find("prospect-runner ").unwrap()..];
            let line = line.split(['|', ')']).next().unwrap().trim();
            if let Err(error) = Arguments::try_parse_from(words(line)) {
                // The version is no failure.
                assert_eq!(error.exit_code(), 0, "{name}: {line}: {error}");
            }
        }
    }
}

#[test]
fn the_arguments_hold_together() {
    Arguments::command().debug_assert();
}
