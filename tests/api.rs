//! The public API, as a list that is kept beside the tests: whoever changes it sees so, and says so in the changelog.
//!
//! `unreachable_pub` is denied, so what is `pub` in the sources is what a program can name. A change is put down by
//! `GANGLINE_API=write cargo test --test api`. Lines that are gone or differ break programs; lines that are new do not.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Not for programs, or not part of the library.
const LEFT_OUT: &[&str] = &["src/bin", "src/torture", "src/lock/probe.rs", "src/lock/mutant.rs", "src/lock/model.rs"];

#[test]
fn the_public_api_is_as_it_is_written_down() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let kept = root.join("tests/fixtures/api.txt");
    let mut lines = BTreeSet::new();
    for path in sources(&root.join("src")) {
        let name = path.strip_prefix(root).unwrap().to_string_lossy().replace('\\', "/");
        let of_tests = name.contains("/tests/") || name.ends_with("tests.rs");
        if !of_tests && !LEFT_OUT.iter().any(|left_out| name.starts_with(left_out)) {
            lines.extend(public(&fs::read_to_string(&path).unwrap()));
        }
    }
    let now: String = lines.iter().map(|line| format!("{line}\n")).collect();
    if std::env::var_os("GANGLINE_API").is_some() {
        fs::write(&kept, &now).unwrap();
    }
    let before = fs::read_to_string(&kept).unwrap();
    let before: BTreeSet<String> = before.lines().map(str::to_owned).collect();
    let gone: Vec<_> = before.difference(&lines).collect();
    let new: Vec<_> = lines.difference(&before).collect();
    let help = "put it down with GANGLINE_API=write cargo test --test api, and in CHANGELOG.md";
    assert!(gone.is_empty() && new.is_empty(), "the public API has changed.\ngone: {gone:#?}\nnew: {new:#?}\n{help}");
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(sources(&path)),
            false if path.extension().is_some_and(|extension| extension == "rs") => found.push(path),
            false => {}
        }
    }
    found
}

/// The public items of a file as rustfmt has laid it out, each on one line, those of an `impl` after its head.
fn public(source: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut head = String::new();
    let mut lines = source.lines().peekable();
    while let Some(line) = lines.next() {
        if line.starts_with("mod tests") || line.starts_with("#[cfg(test)]") {
            break;
        }
        if line.starts_with("impl") {
            head = item(line, &mut lines);
            if head.ends_with('}') {
                head.clear();
            }
        } else if line == "}" {
            head.clear();
        }
        let text = line.trim_start();
        if !text.starts_with("pub ") || text.starts_with("pub mod") {
            continue;
        }
        let mut whole = item(line, &mut lines);
        let has_body = ["pub enum", "pub struct", "pub trait"].iter().any(|kind| text.starts_with(kind));
        if has_body && whole.ends_with('{') {
            whole.push_str(&body(&mut lines, text.starts_with("pub struct")));
        } else if !text.starts_with("pub use") {
            whole.truncate(whole.find(" {").unwrap_or(whole.len()));
        }
        let whole = whole.trim_end_matches([' ', ';']);
        found.push(if line.starts_with("pub") { whole.to_owned() } else { format!("{head} {whole}") });
    }
    found
}

/// From a line on to where its body begins, or to its end.
fn item<'s>(first: &str, lines: &mut impl Iterator<Item = &'s str>) -> String {
    let ends: &[char] = if first.starts_with("pub use") { &[';'] } else { &['{', ';', '}'] };
    let mut whole = first.trim().to_owned();
    while !whole.ends_with(ends) {
        let Some(next) = lines.next() else { break };
        whole.push(' ');
        whole.push_str(next.trim());
    }
    whole
}

/// What a type or trait consists of, without its private fields, attributes and comments.
fn body<'s>(lines: &mut impl Iterator<Item = &'s str>, of_struct: bool) -> String {
    let mut parts = Vec::new();
    for line in lines.by_ref().take_while(|line| *line != "}") {
        let text = line.trim();
        let private = text.starts_with("//") || text.starts_with('#') || text.starts_with("pub(");
        let private = private || of_struct && !text.starts_with("pub ");
        if !private && !text.is_empty() {
            parts.push(text);
        }
    }
    format!(" {}", parts.join(" "))
}

#[test]
fn what_is_public_is_found_and_nothing_else() {
    let source = "pub struct Plan {\n    /// Doc.\n    pub rows: u64,\n    pub(crate) own: u8,\n    hidden: u8,\n}\n\nimpl<T> Plan<T> {\n    pub fn read(\n        &self,\n        at: u64,\n    ) -> u64 {\n        0\n    }\n    pub(crate) fn hidden(&self) {}\n    fn own(&self) {}\n}\n\npub(crate) struct Hidden;\n\npub const MOST: u8 = 1;\n\n#[cfg(test)]\nmod tests {\n    pub fn made() {}\n}\n";
    let expected = [
        "pub struct Plan { pub rows: u64,",
        "impl<T> Plan<T> { pub fn read( &self, at: u64, ) -> u64",
        "pub const MOST: u8 = 1",
    ];
    assert_eq!(public(source), expected);
}
