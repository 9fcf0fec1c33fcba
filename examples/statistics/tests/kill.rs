//! A load that is killed goes on where it stopped, wherever that was.
//!
//! The test starts itself again as the program that is killed: it loads the sample, and aborts (no destructor runs, as
//! after SIGKILL) as soon as so many rows of the source are committed.

use std::env;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use gangline::Db;
use gangline_statistics::data::load::{holding, load};
use gangline_statistics::data::source::Source;

const STORE: &str = "GANGLINE_KILL_STORE";
const ROWS: &str = "GANGLINE_KILL_ROWS";
const ALL_ROWS: u64 = 48_854;

/// Only does anything in the process that is to die.
#[test]
fn load_until_killed() {
    let (Some(store), Ok(rows)) = (env::var_os(STORE), env::var(ROWS)) else { return };
    let rows: u64 = rows.parse().unwrap();
    let db = Db::open(&store).unwrap();
    let watched = db.clone();
    thread::spawn(move || {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let held = holding(&watched).unwrap().map_or(0, |held| held.source_rows);
            if held >= rows || Instant::now() > deadline {
                // What is seen may not be on disk yet; what a sync covers is.
                watched.sync().unwrap();
                std::process::abort();
            }
            thread::yield_now();
        }
    });
    load(&db, "store", &Source::built_in().unwrap(), |_| ()).unwrap();
    // The last rows may be committed before the watcher looks.
    thread::park();
}

#[test]
fn a_killed_load_is_resumed() {
    for part in 1..=4 {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("olist.gangline");
        let wanted = ALL_ROWS * part / 4;
        let status = Command::new(env::current_exe().unwrap())
            .args(["--exact", "load_until_killed"])
            .env(STORE, &store)
            .env(ROWS, wanted.to_string())
            .output()
            .unwrap()
            .status;
        assert!(!status.success(), "it must have been killed");
        let text = report(folder.path());
        let number = |name: &str| -> u64 {
            let line = text.lines().find_map(|line| line.strip_prefix(name)).expect(name);
            line.trim().parse().expect("a number")
        };
        let (resumed_at, loaded) = (number("resumed_at "), number("loaded "));
        assert!(resumed_at >= wanted && resumed_at + loaded == ALL_ROWS, "{wanted}: {text}");
        for line in ["customers 8135", "items 8365", "reviews 8225", "revenue 1093264.35", "mean_score 3.2716"] {
            assert!(text.lines().any(|found| found == line), "{line} of {text}");
        }
    }
}

fn report(folder: &Path) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_gangline-statistics"))
        .current_dir(folder)
        .arg("report")
        .output()
        .expect("the program starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}
