//! Runs the program itself for a moment, with its child processes and their kills.

use std::process::{Command, Output};

fn torture(words: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_gangline-torture")).args(words.split(' ')).output().expect("the program starts")
}

fn value(output: &Output, name: &str) -> u64 {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
    value.unwrap_or_else(|| panic!("no {name} in {text:?}, {}", String::from_utf8_lossy(&output.stderr)))
}

#[test]
fn the_model_survives_kills() {
    let output = torture("model --seed 3 --ops 600");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(value(&output, "ops"), 600);
}

#[test]
fn killed_writers_lose_nothing() {
    let output = torture("crash --kills 4 --seed 1");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!((value(&output, "kills"), value(&output, "lost"), value(&output, "torn")), (4, 0, 0));
    assert!(value(&output, "promised") > 0);
}

#[test]
fn a_wrong_command_line_ends_with_2() {
    for words in ["fly", "model --seed x", "crash --kills", "transfer --teeth 3"] {
        let output = torture(words);
        assert_eq!(output.status.code(), Some(2), "{words}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("usage: gangline-torture"), "{words}");
    }
}

#[cfg(not(feature = "postgres"))]
#[test]
fn a_build_without_a_client_says_how_to_get_one() {
    let output = torture("postgres --seconds 1");
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--features postgres"));
}
