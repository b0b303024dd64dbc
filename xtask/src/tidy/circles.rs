//! Finds files that import each other in a circle: none of them can be read, tested or moved alone.
//!
//! A file imports another one if it names an item of it, by `use` or by path. Declaring a module and
//! re-exporting its items (`mod`, `pub use`) is not an import, so a `mod.rs` may list its files. A
//! `mod.rs` that uses an item of such a file by path (`file::item`) imports it. A re-exported item
//! counts as imported from the file that defines it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Modules of a crate by path, `a::b`; the root module has the empty path.
struct Modules {
    files: BTreeMap<String, PathBuf>,
    /// Re-exports: (module, name) to the original path; `*` stands for all items.
    passed_on: BTreeMap<(String, String), String>,
}

/// Every circle of files in a crate, as its files in order. `source` is the crate's source folder.
pub(super) fn circles(source: &Path) -> Result<Vec<Vec<PathBuf>>, String> {
    let mut modules = Modules { files: BTreeMap::new(), passed_on: BTreeMap::new() };
    modules.collect(source, "")?;
    let mut texts = BTreeMap::new();
    for (module, file) in &modules.files {
        let text = std::fs::read_to_string(file)
            .map_err(|error| format!("cannot read {}: {error}", file.display()))?;
        texts.insert(module.clone(), without_tests_and_comments(&text));
    }
    for (module, text) in &texts {
        for (path, is_public) in used_paths(text) {
            if let (true, Some(path)) = (is_public, modules.absolute(module, &path)) {
                let name = path.rsplit("::").next().unwrap_or_default().to_owned();
                modules.passed_on.insert((module.clone(), name), path);
            }
        }
    }
    let mut edges: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (module, text) in &texts {
        let used = used_paths(text).into_iter().filter(|(_, is_public)| !is_public).map(|(path, _)| path);
        let named = inline_paths(text).into_iter().chain(modules.paths_into_rooms(module, text));
        let imports = used.chain(named).filter_map(|path| modules.absolute(module, &path));
        let files = imports.filter_map(|path| modules.home(&path, 0)).filter(|home| home != module);
        edges.entry(module.clone()).or_default().extend(files);
    }
    let named = |circle: Vec<String>| circle.iter().map(|module| modules.files[module].clone()).collect();
    Ok(strongly_connected(&edges).into_iter().filter(|circle| circle.len() > 1).map(named).collect())
}

impl Modules {
    fn collect(&mut self, folder: &Path, module: &str) -> Result<(), String> {
        let entries = std::fs::read_dir(folder)
            .map_err(|error| format!("cannot list {}: {error}", folder.display()))?;
        for entry in entries {
            let path = entry.map_err(|error| format!("cannot list {}: {error}", folder.display()))?.path();
            let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
            let child = if module.is_empty() { name.clone() } else { format!("{module}::{name}") };
            if name == "tests" || name.ends_with("_tests") || name == "main" {
                continue;
            }
            if path.is_dir() {
                self.collect(&path, &child)?;
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let is_front_door = name == "lib" || name == "mod";
                self.files.insert(if is_front_door { module.to_owned() } else { child }, path);
            }
        }
        Ok(())
    }

    /// Paths in a module's text that lead into its own submodules, `submodule::item`, outside of `use`.
    fn paths_into_rooms(&self, module: &str, text: &str) -> Vec<String> {
        let is_path = |character: char| character.is_alphanumeric() || character == '_' || character == ':';
        let room = |path: &String| {
            let (parent, name) = path.rsplit_once("::").unwrap_or(("", path));
            (parent == module && !name.is_empty()).then(|| name.to_owned())
        };
        let mut paths = Vec::new();
        for name in self.files.keys().filter_map(room) {
            for (at, start) in text.match_indices(&format!("{name}::")) {
                let line = text[..at].rsplit('\n').next().unwrap_or_default().trim_start();
                let is_use = line.starts_with("use ") || line.starts_with("pub");
                if !text[..at].ends_with(is_path) && !is_use {
                    let behind = &text[at + start.len()..];
                    let end = behind.find(|character| !is_path(character)).unwrap_or(behind.len());
                    paths.push(format!("{start}{}", behind[..end].trim_end_matches(':')));
                }
            }
        }
        paths
    }

    /// The path from the crate's root; `None` for a path into another crate.
    fn absolute(&self, module: &str, path: &str) -> Option<String> {
        let mut at = module.to_owned();
        let mut rest = path;
        if let Some(path) = rest.strip_prefix("crate::") {
            return Some(path.to_owned());
        }
        let mut is_relative = false;
        while let Some(path) = rest.strip_prefix("super::") {
            at = at.rsplit_once("::").map_or(String::new(), |(parent, _)| parent.to_owned());
            (rest, is_relative) = (path, true);
        }
        if let Some(path) = rest.strip_prefix("self::") {
            (rest, is_relative) = (path, true);
        }
        let joined = if at.is_empty() { rest.to_owned() } else { format!("{at}::{rest}") };
        let first = rest.split("::").next().unwrap_or_default();
        let child = if at.is_empty() { first.to_owned() } else { format!("{at}::{first}") };
        (is_relative || self.files.contains_key(&child)).then_some(joined)
    }

    /// The module that defines the item at `path`.
    fn home(&self, path: &str, depth: usize) -> Option<String> {
        let mut module = path.to_owned();
        while !self.files.contains_key(&module) {
            module = module.rsplit_once("::").map_or(String::new(), |(parent, _)| parent.to_owned());
            if module.is_empty() {
                break;
            }
        }
        let name = path[module.len()..].trim_start_matches("::").split("::").next().unwrap_or_default();
        match self.passed_on.get(&(module.clone(), name.to_owned())) {
            Some(further) if depth < 8 && further != path => self.home(further, depth + 1),
            _ => self.files.contains_key(&module).then_some(module),
        }
    }
}

/// The text of a file without its tests and comments.
fn without_tests_and_comments(text: &str) -> String {
    let end = text.find("#[cfg(test)]\nmod tests {").unwrap_or(text.len());
    let lines = text[..end].lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

/// The paths of all `use` declarations, one per name, and whether they are re-exports.
fn used_paths(text: &str) -> Vec<(String, bool)> {
    let mut paths = Vec::new();
    for statement in text.split(';') {
        let Some(at) = statement.rfind("use ") else { continue };
        let before = statement[..at].rsplit('\n').next().unwrap_or_default().trim();
        let is_public = before.starts_with("pub");
        if before.is_empty() || is_public {
            let whole: String = statement[at + 4..].split_whitespace().collect::<Vec<_>>().join(" ");
            let mut single = Vec::new();
            expand("", &whole, &mut single);
            paths.extend(single.into_iter().map(|path| (path, is_public)));
        }
    }
    paths
}

/// Expands `a::{b, c::{d, e}}` to `a::b`, `a::c::d`, `a::c::e`.
fn expand(prefix: &str, path: &str, paths: &mut Vec<String>) {
    let path = path.trim();
    let Some((head, group)) = path.split_once('{') else {
        let path = path.split(" as ").next().unwrap_or_default().trim();
        let whole = format!("{prefix}{path}");
        paths.push(whole.strip_suffix("::self").map_or(whole.clone(), str::to_owned));
        return;
    };
    let group = group.strip_suffix('}').unwrap_or(group);
    let (mut depth, mut start) = (0_usize, 0);
    let prefix = format!("{prefix}{}", head.trim());
    for (at, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                expand(&prefix, &group[start..at], paths);
                start = at + 1;
            }
            _ => {}
        }
    }
    if !group[start..].trim().is_empty() {
        expand(&prefix, &group[start..], paths);
    }
}

/// Paths that are written in full in the code, outside of `use`.
fn inline_paths(text: &str) -> Vec<String> {
    let is_path = |character: char| character.is_alphanumeric() || character == '_' || character == ':';
    let mut paths = Vec::new();
    for start in ["crate::", "super::"] {
        for (at, _) in text.match_indices(start) {
            let alone = !text[..at].ends_with(is_path);
            let visibility = text[..at].ends_with("pub(") || text[..at].ends_with("in ");
            if alone && !visibility {
                let end = text[at..].find(|character| !is_path(character)).unwrap_or(text.len() - at);
                paths.push(text[at..at + end].trim_end_matches(':').to_owned());
            }
        }
    }
    paths
}

/// Groups of modules that reach each other, found by computing what each module reaches. The graphs are
/// small.
fn strongly_connected(edges: &BTreeMap<String, BTreeSet<String>>) -> Vec<Vec<String>> {
    let reach = |from: &String| {
        let (mut seen, mut open) = (BTreeSet::new(), vec![from.clone()]);
        while let Some(next) = open.pop() {
            for to in edges.get(&next).into_iter().flatten() {
                if seen.insert(to.clone()) {
                    open.push(to.clone());
                }
            }
        }
        seen
    };
    let reached: BTreeMap<&String, BTreeSet<String>> = edges.keys().map(|node| (node, reach(node))).collect();
    let (mut groups, mut placed) = (Vec::new(), BTreeSet::new());
    for (node, from_here) in &reached {
        if placed.contains(*node) || !from_here.contains(*node) {
            continue;
        }
        let back = |other: &&String| reached.get(other).is_some_and(|from_there| from_there.contains(*node));
        let group: Vec<String> = from_here.iter().filter(back).cloned().collect();
        placed.extend(group.iter().cloned());
        groups.push(group);
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(files: &[(&str, &str)]) -> Vec<Vec<String>> {
        let folder = std::env::temp_dir().join(format!("circles-{}-{}", std::process::id(), files.len()));
        for (name, text) in files {
            let path = folder.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let circles = circles(&folder).unwrap();
        let names = |circle: Vec<PathBuf>| {
            let name = |file: &PathBuf| file.strip_prefix(&folder).unwrap().display().to_string();
            circle.iter().map(name).collect()
        };
        let named = circles.into_iter().map(names).collect();
        std::fs::remove_dir_all(&folder).unwrap();
        named
    }

    #[test]
    fn a_front_door_passes_on_what_stands_in_its_rooms() {
        let files = [
            ("lib.rs", "mod a;\nmod b;\npub use a::First;\n"),
            ("a.rs", "pub struct First;\n"),
            ("b.rs", "use crate::First;\n#[cfg(test)]\nmod tests {\n    use crate::c::Third;\n}\n"),
        ];
        assert!(found(&files).is_empty());
    }

    #[test]
    fn a_front_door_that_works_with_its_rooms_imports_them() {
        let files = [
            ("lib.rs", "mod a;\n"),
            ("a/mod.rs", "mod room;\npub(crate) struct A;\nfn read() -> A {\n    room::read()\n}\n"),
            ("a/room.rs", "use super::A;\n"),
        ];
        assert_eq!(found(&files), [["a/mod.rs", "a/room.rs"]]);
    }

    #[test]
    fn a_circle_is_found_through_groups_paths_and_front_doors() {
        let files = [
            ("lib.rs", "mod a;\nmod b;\nmod c;\nmod d;\npub use b::{Second, other::{self}};\n"),
            ("a.rs", "use std::fmt;\nuse crate::{\n    Second,\n    d::Fourth,\n};\n"),
            ("b.rs", "fn of(x: crate::c::Third) {}\n"),
            ("c/mod.rs", "mod inner;\nuse super::a;\n"),
            ("c/inner.rs", "pub(crate) struct Inner;\n"),
            ("d.rs", "// use crate::a::First;\n"),
        ];
        assert_eq!(found(&files), [["a.rs", "b.rs", "c/mod.rs"]]);
    }
}
