//! The house rules that a compiler does not know: layers, sizes, heads and words.
//!
//! Each rule reads the sources as text, with comments and literals blanked out where only code counts, and reports all
//! that it finds with file and line. The tests at the end feed each rule a source that breaks it.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// The layers, lowest first. A module may use those above it in this list, but for the leaves, which may use what is
/// named with them only. Test code may use all, since a test of recovery opens databases. ARCHITECTURE.md has the same
/// list with reasons.
const LAYERS: &[(&str, Uses)] = &[
    ("error", Uses::Only(&[])),
    ("options", Uses::Only(&["error"])),
    ("codec", Uses::Only(&["error", "options"])),
    ("sync", Uses::Only(&[])),
    ("context", Uses::Only(&["error", "sync"])),
    ("events", Uses::Only(&["error"])),
    ("meters", Uses::Only(&[])),
    (
        "lock",
        Uses::Only(&["error", "options", "sync", "context", "events", "meters", "codec::KeyBuf", "codec::key_buf"]),
    ),
    (
        "storage",
        Uses::Only(&["error", "options", "meters", "codec::wire", "codec::crc", "codec::Reader", "codec::Writer"]),
    ),
    ("table", Uses::AllAbove),
    ("pool", Uses::Only(&["error", "options", "context", "lock"])),
    ("txn", Uses::AllAbove),
    ("recovery", Uses::AllAbove),
    ("query", Uses::AllAbove),
    ("feed", Uses::AllAbove),
    ("admin", Uses::AllAbove),
    ("db", Uses::AllAbove),
    ("status", Uses::AllAbove),
    ("access", Uses::AllAbove),
    ("tasks", Uses::AllAbove),
    ("torture", Uses::AllAbove),
];

#[derive(Clone, Copy)]
enum Uses {
    Only(&'static [&'static str]),
    AllAbove,
}

const FILE_LINES: usize = 1_000;
const FILE_LINES_WITHOUT_TESTS: usize = 500;
const FUNCTION_LINES: usize = 70;

/// Functions that are longer than the cap, with the length they may not outgrow. An entry that is no longer needed is
/// an error too, so the list only becomes shorter.
const LONG_FUNCTIONS: &[(&str, &str, usize)] = &[];

/// Words that may not stand in code, with what to write instead.
const BANNED_IN_CODE: &[(&str, &str)] = &[
    ("dbg!(", "a test, or a counter"),
    ("todo!(", "a typed error of kind Unsupported"),
    ("unimplemented!(", "a typed error of kind Unsupported"),
    ("#[ignore", "a test that states today's behaviour"),
    ("#[allow(", "#[expect(lint, reason = \"...\")]"),
];

/// Words that may not stand anywhere, comments included. Written in two parts, since this file is read as well.
const BANNED_ANYWHERE: &[(&str, &str)] = &[
    (concat!("FIX", "ME"), "a sentence that says what is so and why"),
    (concat!("TO", "DO"), "a sentence that says what is so and why"),
    (concat!("XX", "X"), "a sentence that says what is so and why"),
    (concat!("/ho", "me/"), "a path relative to the project"),
    (concat!("/wo", "rk/"), "a path relative to the project"),
];

/// Of std's locks: not fair enough, poisoning, and invisible to ThreadSanitizer.
const STD_LATCHES: &[&str] = &["Mutex", "RwLock", "Condvar"];

/// File names that say nothing.
const EMPTY_NAMES: &[&str] = &["utils.rs", "util.rs", "helpers.rs", "helper.rs", "common.rs", "misc.rs"];

#[test]
fn each_layer_uses_only_those_before_it() {
    report(&sources(&["src"]), layering);
}

#[test]
fn files_are_small() {
    report(&sources(EVERYWHERE), |source| {
        let all = source.code.lines().count();
        let tests = source.test_lines.iter().filter(|test| **test).count();
        let mut found = Vec::new();
        if all > FILE_LINES {
            found.push((1, format!("{all} lines, the cap is {FILE_LINES}: one concept a file")));
        }
        if all - tests > FILE_LINES_WITHOUT_TESTS {
            let without = all - tests;
            found.push((1, format!("{without} lines without tests, the cap is {FILE_LINES_WITHOUT_TESTS}")));
        }
        found
    });
}

#[test]
fn functions_are_small() {
    report(&sources(EVERYWHERE), long_functions);
}

#[test]
fn every_file_has_a_head() {
    report(&sources(EVERYWHERE), |source| {
        match ["//! ", "#![doc = include_str!("].iter().any(|head| source.text.starts_with(head)) {
            true => Vec::new(),
            false => vec![(1, "no //! head that says what the file is and why".to_owned())],
        }
    });
}

#[test]
fn banned_words_are_not_used() {
    report(&sources(EVERYWHERE), banned_words);
}

#[test]
fn a_matches_is_not_a_statement() {
    report(&sources(EVERYWHERE), statement_matches);
}

#[test]
fn latches_are_those_of_parking_lot() {
    report(&sources(&["src"]), std_latches);
}

#[test]
fn only_the_sled_store_names_sled_and_nothing_is_unsafe() {
    report(&sources(EVERYWHERE), engine_and_unsafe);
}

#[test]
fn the_library_does_not_print() {
    report(&sources(&["src"]), printing);
}

#[test]
fn file_names_are_nouns() {
    report(&sources(&["src"]), |source| {
        let name = source.path.rsplit('/').next().unwrap_or_default();
        let bad = EMPTY_NAMES.contains(&name);
        bad.then(|| (1, "this name says nothing: name the concept".to_owned())).into_iter().collect()
    });
}

#[test]
fn the_tests_that_the_table_of_traps_names_are_there() {
    let design =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("DESIGN.md")).expect("DESIGN.md is there");
    let named: Vec<&str> = tests_of_traps(&design).collect();
    assert!(named.len() > 15, "the table was not found: {named:?}");
    let sources = sources(&["src", "tests"]);
    let missing: Vec<&str> = named
        .into_iter()
        .filter(|name| !sources.iter().any(|source| source.code.contains(&format!("fn {name}("))))
        .collect();
    assert!(missing.is_empty(), "DESIGN.md names tests that are not there: {missing:?}");
}

/// The names of functions in the last column of the table of traps.
fn tests_of_traps(design: &str) -> impl Iterator<Item = &str> {
    let table =
        design.lines().skip_while(|line| !line.starts_with("| trap of sled")).take_while(|line| !line.is_empty());
    let last = table.filter_map(|line| line.trim_end_matches([' ', '|']).rsplit(" | ").next());
    let quoted = last.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    quoted.filter(|name| name.contains('_') && name.chars().all(|c| c == '_' || c.is_ascii_alphanumeric()))
}

const EVERYWHERE: &[&str] = &["src", "tests", "benches", "examples", "fuzz"];

type Found = Vec<(usize, String)>;

fn report(sources: &[Source], rule: impl Fn(&Source) -> Found) {
    let mut text = String::new();
    for source in sources {
        for (line, what) in rule(source) {
            let _ = writeln!(text, "{}:{line}: {what}", source.path);
        }
    }
    assert!(text.is_empty(), "\n{text}");
}

struct Source {
    path: String,
    text: String,
    /// The text with comments, strings and characters blanked. Lines are the same.
    code: String,
    /// For each line, whether it is test code.
    test_lines: Vec<bool>,
}

impl Source {
    fn new(path: &str, text: &str) -> Self {
        let code = blank(text);
        let file = path.rsplit('/').next().unwrap_or_default();
        let is_test =
            path.starts_with("tests/") || path.contains("/tests/") || file == "tests.rs" || file.ends_with("_tests.rs");
        let mut test_lines = vec![is_test; code.lines().count()];
        for (start, end) in test_items(&code) {
            let (first, last) = (line_at(&code, start), line_at(&code, end));
            test_lines[first - 1..last].fill(true);
        }
        Source { path: path.to_owned(), text: text.to_owned(), code, test_lines }
    }

    fn is_test(&self, line: usize) -> bool {
        self.test_lines.get(line - 1).copied().unwrap_or(false)
    }

    fn line(&self, at: usize) -> usize {
        line_at(&self.code, at)
    }
}

fn sources(folders: &[&str]) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for folder in folders {
        collect(root, &root.join(folder), &mut found);
    }
    assert!(found.len() > 3, "the sources were not found");
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn collect(root: &Path, folder: &Path, found: &mut Vec<Source>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.expect("a listed entry can be read").path();
        let relative = path.strip_prefix(root).expect("it lies below the root").to_string_lossy().replace('\\', "/");
        if path.is_dir() {
            if !relative.ends_with("/target") {
                collect(root, &path, found);
            }
        } else if relative.ends_with(".rs") {
            let text = fs::read_to_string(&path).expect("a source can be read");
            found.push(Source::new(&relative, &text));
        }
    }
}

// The rules.

fn layering(source: &Source) -> Found {
    let Some(inside) = source.path.strip_prefix("src/") else { return Vec::new() };
    let module = inside.split(['/', '.']).next().unwrap_or_default();
    if inside == "lib.rs" || module == "bin" || module == "main" {
        return Vec::new();
    }
    let Some(rank) = LAYERS.iter().position(|(name, _)| *name == module) else {
        return vec![(1, format!("module {module} has no layer: give it one in tests/tidy.rs and ARCHITECTURE.md"))];
    };
    let exported = exports();
    let mut found = Vec::new();
    for (at, mut path) in crate_paths(source, inside) {
        if let Some((_, module)) = exported.iter().find(|(name, _)| Some(name) == path.first()) {
            path.insert(0, module.clone());
        }
        let used = path.first().map_or("", String::as_str);
        let Some(used_rank) = LAYERS.iter().position(|(name, _)| *name == used) else { continue };
        let allowed = used == module
            || match LAYERS[rank].1 {
                Uses::AllAbove => used_rank < rank,
                Uses::Only(names) => names.iter().any(|name| {
                    let wanted: Vec<&str> = name.split("::").collect();
                    path.len() >= wanted.len() && path.iter().zip(&wanted).all(|(a, b)| a == b)
                }),
            };
        let line = source.line(at);
        if !allowed && !source.is_test(line) {
            found.push((line, format!("layer {module} may not use {}", path.join("::"))));
        }
    }
    found
}

/// What lib.rs makes public, each name with the module that it comes from.
fn exports() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let code = blank(&fs::read_to_string(root.join("src/lib.rs")).expect("the library has a root"));
    let uses = code.match_indices("pub use ").flat_map(|(at, text)| use_tree(&code[at + text.len()..]));
    uses.filter(|path| path.len() > 1).map(|path| (path[path.len() - 1].clone(), path[0].clone())).collect()
}

/// All paths that start at the crate: `crate::...`, and `super::...` that reaches so far.
fn crate_paths(source: &Source, inside: &str) -> Vec<(usize, Vec<String>)> {
    let mut found = Vec::new();
    for (at, _) in words(&source.code).filter(|(_, word)| *word == "crate") {
        let macro_path = source.code[..at].ends_with('$');
        if !macro_path && let Some(rest) = source.code[at + 5..].strip_prefix("::") {
            found.extend(use_tree(rest).into_iter().map(|path| (at, path)));
        }
    }
    let depth = inside.trim_end_matches(".rs").trim_end_matches("/mod").split('/').count();
    let chain = "super::".repeat(depth);
    for (at, _) in source.code.match_indices(&chain) {
        let starts = !source.code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':');
        let rest = &source.code[at + chain.len()..];
        if starts && !rest.starts_with("super::") && !source.is_test(source.line(at)) {
            found.extend(use_tree(rest).into_iter().map(|path| (at, path)));
        }
    }
    found
}

fn long_functions(source: &Source) -> Found {
    let mut found = Vec::new();
    let listed: Vec<_> = LONG_FUNCTIONS.iter().filter(|(path, ..)| *path == source.path).collect();
    let mut needed = Vec::new();
    for function in functions(&source.code) {
        let (first, last) = (source.line(function.start), source.line(function.end));
        let lines = last - first + 1;
        if lines <= FUNCTION_LINES {
            continue;
        }
        needed.push(function.name.clone());
        let cap = listed.iter().find(|(_, name, _)| *name == function.name).map_or(FUNCTION_LINES, |entry| entry.2);
        if lines > cap {
            found.push((first, format!("fn {} has {lines} lines, the cap is {cap}", function.name)));
        }
    }
    for (_, name, _) in listed {
        if !needed.iter().any(|needed| needed == name) {
            found.push((1, format!("fn {name} is short now: take it off LONG_FUNCTIONS in tests/tidy.rs")));
        }
    }
    found
}

fn banned_words(source: &Source) -> Found {
    let mut found = Vec::new();
    for (number, (code, text)) in source.code.lines().zip(source.text.lines()).enumerate() {
        let in_code = BANNED_IN_CODE.iter().filter(|(word, _)| code.contains(word));
        let anywhere = BANNED_ANYWHERE.iter().filter(|(word, _)| text.contains(word));
        for (word, instead) in in_code.chain(anywhere) {
            found.push((number + 1, format!("{word} is banned: write {instead}")));
        }
        if code.contains("#[path") && !source.path.starts_with("src/") {
            found.push((number + 1, "outside src only the public API is used, not its files".to_owned()));
        }
    }
    found
}

fn statement_matches(source: &Source) -> Found {
    let mut found = Vec::new();
    for (at, text) in source.code.match_indices("matches!(") {
        let opens = at + text.len() - 1;
        let before = source.code[..at].trim_end().chars().next_back();
        let Some(end) = closing(&source.code, opens) else { continue };
        if matches!(before, Some(';' | '{' | '}')) && source.code[end + 1..].trim_start().starts_with(';') {
            found.push((source.line(at), "this asserts nothing: write assert!(matches!(..))".to_owned()));
        }
    }
    found
}

fn std_latches(source: &Source) -> Found {
    let mut found = Vec::new();
    for (at, text) in source.code.match_indices("std::sync::") {
        for path in use_tree(&source.code[at + text.len()..]) {
            if path.first().is_some_and(|name| STD_LATCHES.contains(&name.as_str())) {
                found.push((source.line(at), format!("std::sync::{}: take parking_lot's", path[0])));
            }
        }
    }
    found
}

fn engine_and_unsafe(source: &Source) -> Found {
    let mut found = Vec::new();
    for (at, word) in words(&source.code) {
        let library = source.path.starts_with("src/");
        if word == "sled" && library && source.path != "src/storage/sled_store.rs" {
            found.push((source.line(at), "only storage/sled_store.rs may name sled: use the page store".to_owned()));
        }
        // What takes the place of the C library's functions cannot be safe; clippy wants a reason for each block there.
        // heed opens LMDB in an unsafe function, since it cannot know who else maps the file.
        let may_be_unsafe = ["fuzz/shim/", "benches/peers/src/peers/lmdb.rs"];
        if word == "unsafe" && !may_be_unsafe.iter().any(|path| source.path.starts_with(path)) {
            found.push((source.line(at), "unsafe is denied".to_owned()));
        }
    }
    found
}

fn printing(source: &Source) -> Found {
    let mut found = Vec::new();
    for word in ["println!(", "print!(", "eprintln!(", "eprint!("] {
        for (at, _) in source.code.match_indices(word) {
            let whole = !source.code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
            let line = source.line(at);
            if whole && !source.path.starts_with("src/bin/") && !source.is_test(line) {
                found.push((line, format!("{word}..): a library returns, it does not print")));
            }
        }
    }
    found
}

// Reading Rust as text.

fn line_at(code: &str, at: usize) -> usize {
    code[..at].matches('\n').count() + 1
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Identifiers, keywords and numbers with their places.
fn words(code: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at + code[at..].find(is_word)?;
        let end = code[start..].find(|c| !is_word(c)).map_or(code.len(), |length| start + length);
        at = end;
        Some((start, &code[start..end]))
    })
}

/// The place of the bracket that closes the one at this place.
fn closing(code: &str, open: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, c) in code[open..].char_indices() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(open + at);
        }
    }
    None
}

/// The end of the item that starts here: its `;`, or the brace that closes its body.
fn item_end(code: &str, start: usize) -> Option<usize> {
    let mut at = start;
    loop {
        let next = at + code[at..].find(['(', '[', '{', ';'])?;
        match code.as_bytes()[next] {
            b';' => return Some(next),
            b'{' => return closing(code, next),
            _ => at = closing(code, next)? + 1,
        }
    }
}

/// Where the items under `#[cfg(test)]` start and end.
fn test_items(code: &str) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    for (at, text) in code.match_indices("#[cfg(test)]") {
        let mut start = at + text.len();
        while code[start..].trim_start().starts_with("#[") {
            let open = start + code[start..].find('[').unwrap_or_default();
            let Some(end) = closing(code, open) else { break };
            start = end + 1;
        }
        if let Some(end) = item_end(code, start) {
            found.push((at, end));
        }
    }
    found
}

struct Function {
    name: String,
    start: usize,
    end: usize,
}

/// The functions that have a body.
fn functions(code: &str) -> Vec<Function> {
    let mut found = Vec::new();
    let mut all = words(code).peekable();
    while let Some((start, word)) = all.next() {
        let Some(&(at, name)) = all.peek() else { break };
        if word != "fn" || !code[start + 2..at].trim().is_empty() {
            continue;
        }
        if let Some(end) = item_end(code, at + name.len())
            && code[end..].starts_with('}')
        {
            found.push(Function { name: name.to_owned(), start, end });
        }
    }
    found
}

/// The paths of a use tree or of a path in an expression, three names deep at most.
fn use_tree(text: &str) -> Vec<Vec<String>> {
    let mut path = Vec::new();
    let mut rest = text;
    while path.len() < 3 {
        rest = rest.trim_start();
        if rest.starts_with('{') {
            let end = closing(rest, 0).unwrap_or(rest.len() - 1);
            let branches = split_list(&rest[1..end]);
            let below = branches.into_iter().flat_map(use_tree);
            return below.map(|branch| path.iter().cloned().chain(branch).collect()).collect();
        }
        let length = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        if length == 0 {
            break;
        }
        path.push(rest[..length].to_owned());
        match rest[length..].strip_prefix("::") {
            Some(below) => rest = below,
            None => break,
        }
    }
    if path.is_empty() { Vec::new() } else { vec![path] }
}

/// Cuts at the commas that stand in no brace.
fn split_list(text: &str) -> Vec<&str> {
    let (mut depth, mut start, mut parts) = (0_usize, 0, Vec::new());
    for (at, c) in text.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

/// Replaces comments, strings and character literals by spaces, and keeps line breaks.
fn blank(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut code = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let end = literal_end(&chars, at);
        if end == at {
            code.push(chars[at]);
            at += 1;
        } else {
            code.extend(chars[at..end].iter().map(|c| if *c == '\n' { '\n' } else { ' ' }));
            at = end;
        }
    }
    code
}

/// The end of the comment or literal that starts here, or `at` itself if none does.
fn literal_end(chars: &[char], at: usize) -> usize {
    let next = chars.get(at + 1).copied().unwrap_or(' ');
    let inside_word = at > 0 && is_word(chars[at - 1]);
    match chars[at] {
        '/' if next == '/' => (at..chars.len()).find(|&i| chars[i] == '\n').unwrap_or(chars.len()),
        '/' if next == '*' => block_comment_end(chars, at),
        '"' => string_end(chars, at),
        'r' if !inside_word || chars[at - 1] == 'b' => raw_string_end(chars, at),
        '\'' if next == '\\' => {
            let close = (at + 3..chars.len()).find(|&i| chars[i] == '\'');
            close.map_or(chars.len(), |i| i + 1)
        }
        '\'' if chars.get(at + 2) == Some(&'\'') => at + 3,
        _ => at,
    }
}

fn block_comment_end(chars: &[char], start: usize) -> usize {
    let (mut depth, mut at) = (0_usize, start);
    while at + 1 < chars.len() {
        match (chars[at], chars[at + 1]) {
            ('/', '*') => (depth, at) = (depth + 1, at + 2),
            ('*', '/') => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    chars.len()
}

fn string_end(chars: &[char], start: usize) -> usize {
    let mut at = start + 1;
    while at < chars.len() && chars[at] != '"' {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(chars.len())
}

fn raw_string_end(chars: &[char], start: usize) -> usize {
    let hashes = chars[start + 1..].iter().take_while(|c| **c == '#').count();
    if chars.get(start + 1 + hashes) != Some(&'"') {
        return start;
    }
    let closes = |&i: &usize| chars[i] == '"' && chars[i + 1..].iter().take_while(|c| **c == '#').count() >= hashes;
    let close = (start + 2 + hashes..chars.len()).find(closes);
    close.map_or(chars.len(), |i| i + 1 + hashes)
}

/// The rules themselves, each on a source that breaks it.
mod rules {
    use super::*;

    fn lines(rule: impl Fn(&Source) -> Found, path: &str, text: &str) -> Vec<usize> {
        rule(&Source::new(path, text)).into_iter().map(|(line, _)| line).collect()
    }

    #[test]
    fn comments_and_literals_are_not_code() {
        let text = "a // b \"c\n/* d /* e */ f */ g \"h \\\" i\" 'j' '\\'' k<'l> r#\"m \" n\"# br\"o\" bar\"p\"";
        let code = blank(text);
        assert_eq!(words(&code).map(|(_, word)| word).collect::<Vec<_>>(), ["a", "g", "k", "l", "b", "bar"]);
        assert_eq!(code.lines().count(), text.lines().count());
    }

    #[test]
    fn a_use_of_a_higher_layer_is_found_in_every_form() {
        for text in [
            "use crate::db::Db;",
            "use crate::{error::Error, db};",
            "fn f() { crate::db::open() }",
            "use super::super::db;",
            "fn f(db: &crate::Db) {}",
        ] {
            assert_eq!(lines(layering, "src/table/page.rs", text), [1], "{text}");
        }
        assert_eq!(lines(layering, "src/table/page.rs", "use super::{db, Db};\n// crate::db\nuse crate::lock::X;"), []);
        assert_eq!(lines(layering, "src/lock/head.rs", "use crate::codec::{KeyBuf, wire};"), [1]);
        assert_eq!(lines(layering, "src/lock/head.rs", "use crate::codec::KeyBuf;\nuse crate::table::X;"), [2]);
        assert_eq!(lines(layering, "src/codec/key.rs", "macro_rules! m { () => { $crate::db::X } }"), []);
        let in_test = "#[cfg(test)]\nmod tests { use crate::db::Db; }\nuse crate::db::Db;";
        assert_eq!(lines(layering, "src/table/page.rs", in_test), [3]);
        assert_eq!(lines(layering, "src/new.rs", "fn f() {}"), [1]);
    }

    #[test]
    fn a_long_function_is_found_and_a_long_type_is_not() {
        let body = "    call();\n".repeat(FUNCTION_LINES);
        let text =
            format!("struct S {{\n{body}}}\nfn short() {{}}\nfn long(a: [u8; 3]) -> u8\nwhere u8: X {{\n{body}}}\n");
        assert_eq!(lines(long_functions, "src/a.rs", &text), [FUNCTION_LINES + 4]);
        assert_eq!(lines(long_functions, "src/a.rs", &text.replacen("    call();\n", "", FUNCTION_LINES + 3)), []);
        let bodiless = format!("trait T {{ fn f();\n{body}}}\ntype F = fn(u8);\n");
        assert_eq!(lines(long_functions, "src/a.rs", &bodiless), []);
    }

    #[test]
    fn test_code_is_told_from_other_code() {
        let text = "fn a() {}\n#[cfg(test)]\n#[expect(x)]\nmod tests {\n fn b() {}\n}\nfn c() {}\n#[cfg(test)]\nmod d;\nfn e() {}";
        let source = Source::new("src/a.rs", text);
        let tests: Vec<usize> = (1..=10).filter(|line| source.is_test(*line)).collect();
        assert_eq!(tests, [2, 3, 4, 5, 6, 8, 9]);
        assert!(Source::new("src/a_tests.rs", "fn a() {}").is_test(1));
    }

    #[test]
    fn words_and_statements_are_found_in_code_only() {
        assert_eq!(lines(banned_words, "src/a.rs", "dbg!(x);\n// dbg!(x)\nlet s = \"todo!()\";\n// TO\u{44}O"), [1, 4]);
        assert_eq!(lines(statement_matches, "tests/a.rs", "{ matches!(a, B); }\nassert!(matches!(a, B));"), [1]);
        assert_eq!(
            lines(statement_matches, "tests/a.rs", "let x = matches!(a, B);\nfn f() -> bool { matches!(a, B) }"),
            []
        );
        assert_eq!(lines(std_latches, "src/a.rs", "use std::sync::{Arc, Mutex};\nuse std::sync::Arc;"), [1]);
        assert_eq!(lines(std_latches, "src/a.rs", "x: std::sync::RwLock<u8>\nuse parking_lot::Mutex;"), [1]);
        assert_eq!(lines(engine_and_unsafe, "src/db.rs", "use sled::Db;\nmod sled_store;\n// sled\nunsafe {}"), [1, 4]);
        assert_eq!(lines(engine_and_unsafe, "src/storage/sled_store.rs", "use sled::Db;"), []);
        assert_eq!(lines(engine_and_unsafe, "benches/peers/src/peers/redb.rs", "unsafe {}"), [1]);
        let prints = "fn a() { println!(\"\") }\n#[cfg(test)]\nmod tests { fn b() { println!(\"\") } }";
        assert_eq!(lines(printing, "src/a.rs", prints), [1]);
        assert_eq!(lines(printing, "src/bin/gangline/main.rs", prints), []);
    }
}
