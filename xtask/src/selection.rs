//! What is built and tested together: one selection of features and one set of dependencies for every step of CI.

use crate::workspace::workspace_root;

/// Every feature but those for GPUs, which need nvcc to build and are checked by themselves.
pub(crate) const FEATURES: &str =
    "prospect-context/serde,prospect-runner/sentence-encoder,prospect-runner/arrow";

/// Options of cargo for steps that only check. Such a step runs no code of a dependency but its macros and its build script. To
/// optimise these takes longer than it saves. All such steps use these options, so that they share what they compile.
pub(crate) const CHECK_OPTIONS: [&str; 2] = ["--config", "profile.dev.package.\"*\".opt-level=0"];

/// Our crates whose tests are too slow without optimisation: they do the arithmetic.
const OPTIMISED: [&str; 2] = ["prospect-model", "prospect-processor"];

/// Dependencies that the default release build does not have. Only the tests compile them, without optimisation, because no test
/// needs their speed.
const FOR_TESTS_ALONE: [&str; 7] = [
    "arrow-array",
    "arrow-buffer",
    "arrow-data",
    "arrow-ipc",
    "arrow-schema",
    "arrow-select",
    "candle-transformers",
];

/// Options of `cargo test`. With these options the tests use the dependencies of the release build, so that both compile them once.
/// Our own crates are built with assertions, checks of overflow, line numbers and little optimisation.
///
/// # Errors
/// The folder of the crates cannot be read.
pub(crate) fn test_options() -> Result<Vec<String>, String> {
    let mut options = vec!["--release".to_owned()];
    for name in members()? {
        let level = if OPTIMISED.contains(&name.as_str()) { "2" } else { "0" };
        let profile = [
            ("opt-level", level),
            ("debug-assertions", "true"),
            ("overflow-checks", "true"),
            ("debug", "\"line-tables-only\""),
            ("codegen-units", "256"),
        ];
        options.extend(profile.into_iter().flat_map(|(key, value)| option(&name, key, value)));
    }
    options.extend(FOR_TESTS_ALONE.iter().flat_map(|name| option(name, "opt-level", "0")));
    Ok(options)
}

/// A setting of the release profile for one package.
fn option(package: &str, key: &str, value: &str) -> [String; 2] {
    ["--config".to_owned(), format!("profile.release.package.{package}.{key}={value}")]
}

/// The names of our crates, which are those of their folders.
fn members() -> Result<Vec<String>, String> {
    let crates = workspace_root().join("crates");
    let failed = |error: std::io::Error| format!("cannot read {}: {error}", crates.display());
    let mut names = vec!["xtask".to_owned()];
    for entry in std::fs::read_dir(&crates).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if entry.path().join("Cargo.toml").exists() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort_unstable();
    Ok(names)
}
