//! The commands of README.md and docs/*.md, word for word: those that can run here run, the program at least parses the others.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::support::{repository, text};

/// Programs whose lines are commands.
const PROGRAMS: [&str; 8] =
    ["prospect-runner", "cargo", "ffmpeg", "pip", "python", "sbatch", "curl", "xtask/gpu-check.sh"];

/// How blocks begin that are no commands.
const OTHERS: [&str; 6] = [
    // What a run prints.
    "fixtures/workbench/videos/video_000.mp4 (mp4",
    // A picture of the architecture.
    "source -> ",
    // JSON, TOML, Python.
    "{",
    "[",
    "import ",
    // The server's interface by curl, one line of which is an assignment; docs/serve.md has tests of its own.
    "session=",
];

/// Commands of the program that are parsed and not run, by a part of theirs, and why.
const PARSED: [(&str, &str); 6] = [
    ("HuggingFaceTB/", "downloads a checkpoint"),
    ("rtsp://", "needs a camera"),
    ("ffmpeg -i", "needs ffmpeg, and a video that is no mp4"),
    (".gguf", "needs the files of a published checkpoint"),
    ("similarity=", "needs a sentence encoder"),
    (" serve", "listens until it is told to end"),
];

/// Lines of other programs, by how they begin, and why they are not run. Of cargo's own, names are looked up.
const NOT_RUN: [(&str, &str); 9] = [
    ("cargo install --path ", "builds everything anew"),
    ("cargo build ", "builds everything anew"),
    ("cargo xtask ", "runs the tests, or minutes of work"),
    ("pip install -r ", "the network"),
    ("python xtask/peers/", "needs what pip has installed"),
    ("sbatch ", "needs Slurm; the job has tests of its own"),
    ("curl ", "needs a server that runs; docs/serve.md has tests of its own"),
    ("xtask/gpu-check.sh", "needs a GPU"),
    ("cargo run --release -p prospect-runner --example ", "another binary, which `cargo xtask ci` runs"),
];

/// A folder with what the commands name, in which they run one after the other, and which lists were of use.
struct Place {
    folder: TempDir,
    used: RefCell<BTreeSet<&'static str>>,
}

/// A line of a file.
struct Line {
    file: String,
    number: usize,
    text: String,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let videos = repository().join("fixtures");
        let copy = |from: &str, to: &str| {
            std::fs::copy(videos.join(from), folder.path().join(to)).unwrap();
        };
        copy("videos/constant.mp4", "kitchen.mp4");
        std::fs::create_dir(folder.path().join("videos")).unwrap();
        copy("videos/constant.mp4", "videos/tea.mp4");
        std::fs::write(folder.path().join("videos/tea.json"), r#"{"version": 1}"#).unwrap();
        Self { folder, used: RefCell::default() }
    }

    /// The first entry of a list that a line is of.
    fn entry(&self, list: &'static [(&'static str, &'static str)], is_of: impl Fn(&str) -> bool) -> bool {
        let found = list.iter().find(|(part, _)| is_of(part));
        self.used.borrow_mut().extend(found.map(|(part, _)| *part));
        found.is_some()
    }

    fn program(&self, words: &[String]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_prospect-runner"));
        command.args(words).current_dir(self.folder.path());
        // Nothing is downloaded, whatever a line says.
        command.env("HF_HUB_OFFLINE", "1").env("HF_HOME", self.folder.path().join("hub"));
        command.output().unwrap()
    }

    /// Runs a line, or what can be done of it.
    fn check(&self, line: &Line) {
        let Line { file, number, text: command } = line;
        let at = format!("{file}:{number}: {command}");
        if let Some((_, words)) = command.split_once(" | ").filter(|_| command.starts_with("ffmpeg ")) {
            assert!(self.entry(&PARSED, |part| command.contains(part)), "{at}");
            return self.parse(&words_of(words), &at);
        }
        let words = words_of(command);
        let of_program = match &words[..] {
            [program, rest @ ..] if program == "prospect-runner" => Some(rest),
            [cargo, run, rest @ ..] if cargo == "cargo" && run == "run" => rest
                .split(|word| word == "--")
                .nth(1)
                .filter(|_| !rest.iter().any(|word| word == "--example")),
            _ => None,
        };
        let Some(arguments) = of_program else {
            assert!(self.entry(&NOT_RUN, |begin| command.starts_with(begin)), "{at}: neither run nor listed");
            return check_names(&words, &at);
        };
        if self.entry(&PARSED, |part| command.contains(part)) {
            return self.parse(&words_behind_program(arguments), &at);
        }
        let output = self.program(arguments);
        assert!(output.status.success(), "{at}: {}", text(&output.stderr));
    }

    /// Whether the program takes these words; their settings too, where the command has settings.
    fn parse(&self, words: &[String], at: &str) {
        let has_settings = ["run", "serve", "compare", "eval", "generate", "parity"];
        let last = if has_settings.contains(&words[1].as_str()) { "--print-config" } else { "--help" };
        let output = self.program(&[&words[1..], &[last.to_owned()]].concat());
        assert!(output.status.success(), "{at}: {}", text(&output.stderr));
    }
}

/// With the program's name in front, as a line has it.
fn words_behind_program(arguments: &[String]) -> Vec<String> {
    [&["prospect-runner".to_owned()], arguments].concat()
}

/// Packages, features, chores and files that a line names.
fn check_names(words: &[String], at: &str) {
    let read = |path: &str| std::fs::read_to_string(repository().join(path)).unwrap();
    let manifest = read("crates/prospect-runner/Cargo.toml");
    for pair in words.windows(2) {
        match pair[0].as_str() {
            "-p" => assert_eq!(pair[1], "prospect-runner", "{at}"),
            "--features" => {
                for feature in pair[1].split(',') {
                    assert!(manifest.contains(&format!("\n{feature} = [")), "{at}: {feature}");
                }
            }
            "--path" | "-r" => assert!(repository().join(&pair[1]).exists(), "{at}: {}", pair[1]),
            "--example" => {
                let example = format!("crates/prospect-runner/examples/{}.rs", pair[1]);
                assert!(repository().join(&example).is_file(), "{at}: {example}");
            }
            "xtask" => {
                let name: String = pair[1].split('-').map(capitalised).collect();
                let chores = read("xtask/src/main.rs");
                let is_there = [",", "("].iter().any(|end| chores.contains(&format!("    {name}{end}")));
                assert!(is_there, "{at}: {name}");
            }
            _ => {}
        }
    }
    for word in words.iter().filter(|word| word.starts_with("xtask/") || word.starts_with("configs/")) {
        assert!(repository().join(word).is_file(), "{at}: {word}");
    }
}

fn capitalised(word: &str) -> String {
    let (first, rest) = word.split_at(1);
    first.to_uppercase() + rest
}

/// A command's words as a shell divides them, without its comment.
fn words_of(command: &str) -> Vec<String> {
    let (mut words, mut quote) = (vec![String::new()], None);
    for letter in command.chars() {
        match (letter, quote) {
            ('"' | '\'', None) => quote = Some(letter),
            (letter, Some(mark)) if letter == mark => quote = None,
            (' ', None) => words.push(String::new()),
            ('#', None) if words.last().is_some_and(String::is_empty) => break,
            (letter, _) => words.last_mut().unwrap().push(letter),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// The command lines of a file: of blocks that are indented by four spaces, or fenced.
fn commands(path: &Path) -> Vec<Line> {
    let file = path.file_name().unwrap().to_string_lossy().into_owned();
    let content = std::fs::read_to_string(path).unwrap();
    let (mut found, mut in_block, mut is_fenced, mut is_session) = (Vec::new(), false, false, false);
    let mut is_behind_gap = true;
    for (number, line) in (1..).zip(content.lines()) {
        if line.starts_with("```") {
            (is_fenced, in_block) = (!is_fenced, false);
            continue;
        }
        let code = if is_fenced { Some(line) } else { line.strip_prefix("    ") };
        if line.trim().is_empty() {
            is_behind_gap = true;
            continue;
        }
        // Without a gap in front, it is the second line of a list's entry.
        let may_begin = in_block || is_behind_gap || is_fenced;
        is_behind_gap = false;
        let Some(code) = code.filter(|_| may_begin) else {
            in_block = false;
            continue;
        };
        let program = |line: &str| PROGRAMS.iter().any(|name| line.split(' ').next() == Some(name));
        if !in_block {
            is_session = code.starts_with("$ ");
            let is_other = OTHERS.iter().any(|begin| code.trim_start().starts_with(begin));
            let is_known = is_session || program(code) || is_other;
            assert!(is_known, "{file}:{number}: {code}: neither a command nor listed as something else");
        }
        in_block = true;
        let command = if is_session { code.strip_prefix("$ ") } else { Some(code) };
        if let Some(text) = command.filter(|command| program(command)) {
            found.push(Line { file: file.clone(), number, text: text.to_owned() });
        }
    }
    found
}

#[test]
fn the_commands_of_the_documentation_are_the_programs() {
    let mut files: Vec<PathBuf> = std::fs::read_dir(repository().join("docs"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "md"))
        .collect();
    files.sort();
    files.insert(0, repository().join("README.md"));
    let (mut used, mut of_program) = (BTreeSet::new(), 0);
    for file in files {
        let place = Place::new();
        for line in commands(&file) {
            of_program += usize::from(line.text.contains("prospect-runner "));
            place.check(&line);
        }
        used.extend(place.used.take());
    }
    assert!(of_program > 10, "{of_program} commands of the program");
    // A list that nobody needs any more hides what is missing.
    let stale: Vec<&str> =
        PARSED.iter().chain(&NOT_RUN).map(|(part, _)| *part).filter(|part| !used.contains(part)).collect();
    assert_eq!(stale, Vec::<&str>::new(), "no line of the documentation is of these");
}

#[test]
fn words_are_divided_as_a_shell_does() {
    let words = words_of(
        r#"prospect-runner run a.mp4 --set 'source.ffmpeg_input=["-x", "y"]' --ask "Who is #1?"   # a comment"#,
    );
    let expected = [
        "prospect-runner",
        "run",
        "a.mp4",
        "--set",
        r#"source.ffmpeg_input=["-x", "y"]"#,
        "--ask",
        "Who is #1?",
    ];
    assert_eq!(words, expected);
}
