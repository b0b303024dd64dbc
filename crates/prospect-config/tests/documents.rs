//! A strategy of the catalogue is documented wherever somebody looks for it.

use std::path::Path;

use prospect_config::{DEFAULT_CONFIG, ExceedContextHandling};
use prospect_context::strategies::BUILT_IN;

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The lines of a table of the default settings, one for each key, those that are no defaults without their `#`.
fn table_of_defaults(strategy: &str) -> Vec<&'static str> {
    let header = format!("[context.{strategy}]");
    let behind = DEFAULT_CONFIG.lines().skip_while(|line| *line != header).skip(1);
    let table = behind.take_while(|line| !line.is_empty() && !line.starts_with('['));
    table.map(|line| line.strip_prefix("# ").unwrap_or(line)).collect()
}

#[test]
fn the_default_settings_have_a_table_for_each_with_every_parameter() {
    for strategy in BUILT_IN {
        let keys = table_of_defaults(strategy.name).into_iter().filter_map(|line| line.split_once(" = "));
        let keys: Vec<&str> = keys.map(|(key, _)| key).collect();
        let parameters: Vec<&str> = strategy.parameters.iter().map(|parameter| parameter.name).collect();
        assert_eq!(keys, parameters, "[context.{}] of configs/default.toml", strategy.name);
    }
    let line = DEFAULT_CONFIG.lines().find(|line| line.starts_with("strategy = "));
    let (_, listed) = line.and_then(|line| line.split_once('#')).expect("a comment with the names");
    let mut listed: Vec<&str> = listed.split(',').map(str::trim).collect();
    let mut names: Vec<&str> = ExceedContextHandling::built_in().chain(["custom"]).collect();
    listed.sort_unstable();
    names.sort_unstable();
    assert_eq!(listed, names, "behind context.strategy of configs/default.toml");
}

#[test]
fn the_page_of_the_strategies_has_each_with_its_picture() {
    let page = read("docs/strategies.md");
    for strategy in BUILT_IN {
        let name = strategy.name;
        assert!(page.contains(&format!("**`{name}`** ")), "docs/strategies.md has no paragraph on {name}");
        assert!(
            page.contains(&format!("![](strategies/{name}.svg)")),
            "docs/strategies.md has no picture of {name}"
        );
        read(&format!("docs/strategies/{name}.svg"));
    }
    for name in ExceedContextHandling::built_in() {
        assert!(page.contains(&format!("**`{name}`** ")), "docs/strategies.md says nothing of {name}");
    }
}

#[test]
fn the_readme_has_a_row_for_each_and_the_presets_a_file() {
    let readme = read("README.md");
    let rows: String = readme.lines().filter(|line| line.starts_with("| `")).collect();
    for name in ExceedContextHandling::built_in() {
        assert!(rows.contains(&format!("`{name}`")), "README.md has no row for {name}");
        read(&format!("configs/{name}.toml"));
    }
}

/// The script has only the binary on the machine on which it runs, so the names stand in it.
#[test]
fn the_check_on_a_gpu_runs_each() {
    let script = read("xtask/gpu-check.sh");
    let line = script.lines().find_map(|line| line.strip_prefix("for strategy in ")?.strip_suffix("; do"));
    let mut listed: Vec<&str> = line.expect("a loop over strategies").split(' ').collect();
    let mut names: Vec<&str> =
        ExceedContextHandling::built_in().filter(|name| *name != "unlimited").collect();
    listed.sort_unstable();
    names.sort_unstable();
    assert_eq!(listed, names, "for strategy in ... of xtask/gpu-check.sh");
}
