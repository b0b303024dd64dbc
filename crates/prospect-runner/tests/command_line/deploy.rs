//! `configs/deploy/Dockerfile`, as far as it can be looked at without a builder.

use std::process::Output;

use crate::support::{program, repository, text};

fn dockerfile() -> String {
    std::fs::read_to_string(repository().join("configs/deploy/Dockerfile")).unwrap()
}

/// The program with these words, without doing anything.
fn parsed(words: &[&str]) -> Output {
    program(&[words, &["--help"]].concat()).output().unwrap()
}

#[test]
fn what_the_image_copies_is_there_and_its_commands_are_the_programs() {
    let file = dockerfile();
    let mut copied = 0;
    for line in file.lines().filter_map(|line| line.strip_prefix("COPY ")) {
        let Some(built) = line.strip_prefix("--from=build ") else {
            let from = line.split(' ').next().unwrap();
            assert!(repository().join(from).exists(), "{from}");
            copied += 1;
            continue;
        };
        assert!(built.starts_with("/source/target/release/prospect-runner "), "{built}");
    }
    assert_eq!(copied, 2);
    // The package and its binary, as Cargo.toml names them.
    let manifest = std::fs::read_to_string(repository().join("crates/prospect-runner/Cargo.toml")).unwrap();
    assert!(file.contains("-p prospect-runner --bin prospect-runner") && manifest.contains("[[bin]]"));
    let words = |name: &str| -> Vec<String> {
        let line = file.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        serde_json::from_str(line.trim()).unwrap()
    };
    assert_eq!(words("ENTRYPOINT"), ["prospect-runner"]);
    assert!(parsed(&words("CMD").iter().map(String::as_str).collect::<Vec<_>>()).status.success());
    let told = file
        .lines()
        .filter(|line| line.starts_with("#   docker run"))
        .filter_map(|line| line.split_once(" prospect "));
    let told: Vec<&str> = told.map(|(_, command)| command).collect();
    assert_eq!(told.len(), 2);
    for command in told {
        let output = parsed(&command.split_whitespace().collect::<Vec<_>>());
        assert!(output.status.success(), "{command}: {}", text(&output.stderr));
    }
    assert!(
        file.lines().rev().find_map(|line| line.strip_prefix("USER ")).is_some_and(|user| user != "root")
    );
}

#[test]
fn the_image_builds_with_a_rust_that_is_new_enough() {
    let manifest = std::fs::read_to_string(repository().join("Cargo.toml")).unwrap();
    let needed = manifest.lines().find_map(|line| line.strip_prefix("rust-version = \"")).unwrap();
    let numbers = |text: &str| -> Vec<u32> {
        text.split(['.', '-', '"']).map_while(|part| part.parse().ok()).collect()
    };
    let file = dockerfile();
    let image = file.lines().find_map(|line| line.strip_prefix("FROM rust:")).unwrap();
    assert!(numbers(image) >= numbers(needed), "{image} and {needed}");
}
