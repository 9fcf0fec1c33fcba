//! How long does opening take, after a close and after a kill?
//!
//! The store that is closed is opened several times. Then a process of its own changes random rows, one a commit, until
//! the journal is as large as it gets before a checkpoint is due, and ends without closing; the opening that follows
//! applies all of them. What it finds is compared with what was written.
#![expect(clippy::print_stdout, reason = "a bench prints what it measures")]

use std::error::Error;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use gangline::{Db, Options};

use gangline_bench_support::random::Random;
use gangline_bench_support::user::{USERS, user};
use gangline_bench_support::{Size, eventual, load, median, ms, resident_mib, timed};

type Outcome<T> = Result<T, Box<dyn Error>>;

/// What [`Options::journal_bytes`] is if nobody says otherwise.
const FULL_JOURNAL: u64 = 256 << 20;
const SEED: u64 = 7;

fn main() -> Outcome<()> {
    let size = Size::from_args(1_000_000, 3_000);
    let words: Vec<String> = std::env::args().collect();
    if let Some(at) = words.iter().position(|word| word == "--write-and-die") {
        let path = words.get(at + 1).ok_or("--write-and-die needs a store")?;
        return write_and_die(Path::new(path), &size);
    }
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("store");
    let db = eventual().open(&path)?;
    load(&db, size.rows)?;
    db.close()?;
    let open = || Options::new().create(false).open(&path);

    let mut times = Vec::new();
    for _ in 0..5 {
        let (time, db) = timed(open);
        times.push(time);
        db?.close()?;
    }
    println!("rows {}\nopen_ms {:.0}", size.rows, ms(median(times)));

    let commits = killed(&path, &size)?;
    let (time, db) = timed(open);
    let db = db?;
    println!("recovery_commits {commits}\nrecovery_ms {:.0}", ms(time));
    println!("recovery_rows_a_second {:.0}", commits as f64 / time.as_secs_f64());
    println!("recovery_resident_mib {}", resident_mib());
    check(&db, size.rows, commits)?;
    Ok(db.close()?)
}

/// The keys that are changed, in order: the balance of each becomes the number of the change.
fn changes(rows: u64) -> impl Iterator<Item = (u64, u64)> {
    let mut random = Random(SEED);
    (0..).map(move |change| (change, random.below(rows)))
}

/// Has another process change rows and end without closing. Gives the count of its commits.
fn killed(path: &Path, size: &Size) -> Outcome<u64> {
    let mut child = Command::new(std::env::current_exe()?);
    child.arg("--write-and-die").arg(path).args(["--rows", &size.rows.to_string()]);
    if size.test {
        child.arg("--test");
    }
    let output = child.output()?;
    if !output.status.success() {
        return Err(format!("writing: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(String::from_utf8(output.stdout)?.trim().parse()?)
}

fn write_and_die(path: &Path, size: &Size) -> Outcome<()> {
    // Nothing makes a checkpoint due before the journal is full.
    let never = Duration::from_secs(24 * 3600);
    let db = eventual().checkpoint_interval(never).journal_bytes(1 << 40).cache_bytes(1 << 40).open(path)?;
    let enough = if size.test { 1 << 20 } else { FULL_JOURNAL };
    let mut commits = 0;
    for (change, id) in changes(size.rows) {
        db.put(USERS, id, changed(id, change))?;
        commits += 1;
        if commits % 1_000 == 0 && db.status()?.journal_bytes >= enough {
            break;
        }
    }
    db.sync()?;
    println!("{commits}");
    // Ends the process as it is, without closing anything.
    std::process::exit(0)
}

fn changed(id: u64, change: u64) -> gangline_bench_support::user::User {
    let mut user = user(id);
    user.balance = change as i64;
    user
}

fn check(db: &Db, rows: u64, commits: u64) -> Outcome<()> {
    let mut expected: Vec<i64> = vec![1_000; usize::try_from(rows)?];
    for (change, id) in changes(rows).take(usize::try_from(commits)?) {
        expected[id as usize] = change as i64;
    }
    if db.read(USERS, |_| true, |user| user.balance)? != expected {
        return Err("what was recovered is not what was written".into());
    }
    Ok(())
}
