//! `cargo xtask deny`: licences, duplicate versions and known faults of what Prospect is built from, by `deny.toml`.
//!
//! cargo-deny does it where it is installed. Elsewhere licences and duplicates are checked here, from what cargo says: known
//! faults need a database that is not everywhere to be had, which is said.

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Command, Stdio};

use serde::Deserialize;
use serde_json::Value;

use crate::command::{announce, step};
use crate::workspace::workspace_root;

const FILE: &str = "deny.toml";

/// What is read of `deny.toml`.
#[derive(Debug, Deserialize)]
struct Rules {
    licenses: Licenses,
    bans: Bans,
}

#[derive(Debug, Deserialize)]
struct Licenses {
    allow: BTreeSet<String>,
    #[serde(default)]
    exceptions: Vec<Exception>,
}

/// Licences that one crate may have.
#[derive(Debug, Deserialize)]
struct Exception {
    #[serde(rename = "crate")]
    name: String,
    allow: BTreeSet<String>,
}

#[derive(Debug, Deserialize)]
struct Bans {
    skip: Vec<Skip>,
}

#[derive(Debug, Deserialize)]
struct Skip {
    #[serde(rename = "crate")]
    name: String,
}

/// Runs the check.
pub(crate) fn run() -> Result<(), String> {
    if has_cargo_deny() {
        step("deny", "cargo", &["deny", "check", "licenses", "bans", "sources"], &[])?;
        return step("advisories", "cargo", &["deny", "check", "advisories"], &[]).or_else(|error| {
            // Without a network there is no database; with one, a fault is a failure.
            if database_is_here() {
                return Err(error);
            }
            announce("no database of advisories here: skipped");
            Ok(())
        });
    }
    announce("deny (licences and duplicates; cargo-deny, which knows advisories, is not installed)");
    let text =
        std::fs::read_to_string(workspace_root().join(FILE)).map_err(|error| format!("{FILE}: {error}"))?;
    let rules: Rules = toml::from_str(&text).map_err(|error| format!("{FILE}: {error}"))?;
    let violations = rules.violations(&packages()?);
    if violations.is_empty() { Ok(()) } else { Err(format!("deny:\n  {}", violations.join("\n  "))) }
}

fn has_cargo_deny() -> bool {
    let version = Command::new("cargo")
        .args(["deny", "--version"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    version.is_ok_and(|status| status.success())
}

/// Whether cargo-deny has fetched its database.
fn database_is_here() -> bool {
    let home = std::env::var_os("CARGO_HOME").map(std::path::PathBuf::from);
    let home = home.or_else(|| Some(std::path::PathBuf::from(std::env::var_os("HOME")?).join(".cargo")));
    home.is_some_and(|home| home.join("advisory-dbs").exists())
}

/// Name, version, licence and whether it is the workspace's own, of every package that any feature needs.
struct Package {
    name: String,
    version: String,
    license: String,
    own: bool,
}

fn packages() -> Result<Vec<Package>, String> {
    let output = Command::new("cargo")
        .args(["metadata", "--format-version", "1", "--all-features"])
        .current_dir(workspace_root())
        .output()
        .map_err(|error| format!("cannot run cargo metadata: {error}"))?;
    let metadata: Value = serde_json::from_slice(&output.stdout)
        .map_err(|error| format!("cargo metadata: {error}; {}", String::from_utf8_lossy(&output.stderr)))?;
    let used: BTreeSet<&str> = metadata["resolve"]["nodes"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|node| node["id"].as_str())
        .collect();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let package = |package: &Value| Package {
        name: text(&package["name"]),
        version: text(&package["version"]),
        license: text(&package["license"]),
        own: package["source"].is_null(),
    };
    let all = metadata["packages"].as_array().into_iter().flatten();
    Ok(all
        .filter(|package| package["id"].as_str().is_some_and(|id| used.contains(id)))
        .map(package)
        .collect())
}

impl Rules {
    fn violations(&self, packages: &[Package]) -> Vec<String> {
        let mut found = Vec::new();
        let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for package in packages {
            versions.entry(&package.name).or_default().insert(&package.version);
            let exceptions =
                self.licenses.exceptions.iter().filter(|exception| exception.name == package.name);
            let licenses = exceptions.fold(self.licenses.allow.clone(), |all, one| &all | &one.allow);
            let allowed = Expression::parse(&package.license).is_some_and(|license| license.holds(&licenses));
            if !allowed {
                let (name, version, license) = (&package.name, &package.version, &package.license);
                let whose = if package.own { "our own" } else { "a foreign" };
                found.push(format!("{name} {version}, {whose} crate, has the licence {license:?}: expected one that {FILE} allows"));
            }
        }
        for (name, versions) in versions.iter().filter(|(_, versions)| versions.len() > 1) {
            if !self.bans.skip.iter().any(|skip| skip.name == *name) {
                let versions = versions.iter().copied().collect::<Vec<_>>().join(" and ");
                found.push(format!(
                    "{name} is there as {versions}: expected one version, or a reason in {FILE}"
                ));
            }
        }
        for Exception { name, .. } in &self.licenses.exceptions {
            if !versions.contains_key(name.as_str()) {
                found.push(format!("{FILE} has an exception for {name}, which is not there"));
            }
        }
        for skip in &self.bans.skip {
            if versions.get(skip.name.as_str()).is_none_or(|versions| versions.len() < 2) {
                found.push(format!("{FILE} skips {}, of which there is one version at most", skip.name));
            }
        }
        found
    }
}

/// An SPDX expression: names joined by OR and AND, which binds closer, and parentheses.
#[derive(Debug, PartialEq)]
enum Expression {
    Name(String),
    Any(Vec<Expression>),
    All(Vec<Expression>),
}

impl Expression {
    /// `None` if it is none. Older crates write `/` for OR.
    fn parse(text: &str) -> Option<Self> {
        let spaced = text.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
        let words: Vec<&str> = spaced.split_whitespace().collect();
        let mut rest = words.as_slice();
        let expression = Self::any(&mut rest)?;
        rest.is_empty().then_some(expression)
    }

    fn any(words: &mut &[&str]) -> Option<Self> {
        Some(Self::Any(Self::list(words, "OR", Self::all)?))
    }

    fn all(words: &mut &[&str]) -> Option<Self> {
        Some(Self::All(Self::list(words, "AND", Self::one)?))
    }

    fn list(words: &mut &[&str], joint: &str, item: fn(&mut &[&str]) -> Option<Self>) -> Option<Vec<Self>> {
        let mut items = vec![item(words)?];
        while let Some((first, rest)) = words.split_first().filter(|(first, _)| **first == joint) {
            let _ = first;
            *words = rest;
            items.push(item(words)?);
        }
        Some(items)
    }

    fn one(words: &mut &[&str]) -> Option<Self> {
        let (first, rest) = words.split_first()?;
        *words = rest;
        match *first {
            "(" => {
                let inner = Self::any(words)?;
                let (last, rest) = words.split_first()?;
                *words = rest;
                (*last == ")").then_some(inner)
            }
            "OR" | "AND" | "WITH" | ")" => None,
            name => {
                // An exception gives more than the licence alone.
                if let Some((_, rest)) = words.split_first().filter(|(with, _)| **with == "WITH") {
                    *words = rest.split_first()?.1;
                }
                Some(Self::Name(name.to_owned()))
            }
        }
    }

    fn holds(&self, allowed: &BTreeSet<String>) -> bool {
        match self {
            Self::Name(name) => allowed.contains(name),
            Self::Any(items) => items.iter().any(|item| item.holds(allowed)),
            Self::All(items) => items.iter().all(|item| item.holds(allowed)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn licences_are_expressions() {
        let allowed: BTreeSet<String> = ["MIT", "Apache-2.0", "Unicode-3.0"].map(str::to_owned).into();
        let holds = |text: &str| Expression::parse(text).map(|expression| expression.holds(&allowed));
        for text in [
            "MIT",
            "MIT/GPL-3.0",
            "GPL-3.0 OR MIT",
            "(MIT OR GPL-3.0) AND Unicode-3.0",
            "Apache-2.0 WITH LLVM-exception",
        ] {
            assert_eq!(holds(text), Some(true), "{text}");
        }
        for text in ["GPL-3.0", "MIT AND GPL-3.0", "(MIT OR Apache-2.0) AND GPL-3.0"] {
            assert_eq!(holds(text), Some(false), "{text}");
        }
        for text in ["", "MIT OR", "(MIT", "MIT)", "MIT Apache-2.0", "AND MIT"] {
            assert_eq!(holds(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_not_allowed_and_what_is_there_twice_is_named() {
        let rules: Rules =
            toml::from_str("[licenses]\nallow = ['MIT']\nexceptions = [{ crate = 'd', allow = ['MPL-2.0'] }, { crate = 'e', allow = [] }]\n[bans]\nskip = [{ crate = 'c' }]\n").unwrap();
        let package = |name: &str, version: &str, license: &str| Package {
            name: name.into(),
            version: version.into(),
            license: license.into(),
            own: false,
        };
        let packages =
            [("a", "1.0", "MPL-2.0"), ("b", "1.0", "MIT"), ("b", "2.0", "MIT"), ("d", "1.0", "MPL-2.0")]
                .map(|(name, version, license)| package(name, version, license));
        let found = rules.violations(&packages);
        let expected = ["a 1.0, a foreign crate", "b is there as 1.0 and 2.0", "exception for e", "skips c"];
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for (found, expected) in found.iter().zip(expected) {
            assert!(found.contains(expected), "{found}");
        }
    }
}
