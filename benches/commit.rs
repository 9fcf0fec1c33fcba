//! How many durable commits a second, beside what the disk allows?
//!
//! The bound is a bare loop: a record written into space that is there and synced already, then `fdatasync`.
#![expect(clippy::print_stdout, reason = "a bench prints what it measures")]

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use gangline::{Db, Result};

use gangline_bench_support::user::{USERS, user};
use gangline_bench_support::{Size, load, middle};

/// Rounds, each with a turn of all three: a disk is not as fast at one moment as at another.
const ROUNDS: usize = 7;

fn main() -> Result<()> {
    let size = Size::from_args(10_000, 100);
    let time = size.time(Duration::from_millis(700));
    let folder = tempfile::tempdir().expect("a temporary folder");
    let db = Db::open(folder.path().join("store"))?;
    load(&db, size.rows)?;
    let bare = Bare::new(&folder.path().join("bare")).expect("a file in the temporary folder can be written");
    let mut bares = Vec::new();
    let mut ours = [(1, Vec::new(), Vec::new()), (16, Vec::new(), Vec::new())];
    for _ in 0..ROUNDS {
        let syncs = bare.syncs(time).expect("a file in the temporary folder can be written");
        bares.push(syncs);
        for (threads, rates, ratios) in &mut ours {
            let rate = commits(&db, *threads, size.rows, time)?;
            rates.push(rate);
            ratios.push(rate / syncs);
        }
    }
    println!("bare_fdatasync_a_second {:.0}", middle(bares));
    for (threads, rates, ratios) in ours {
        let (rate, ratio) = (middle(rates), middle(ratios));
        println!("commits_{threads}_a_second {rate:.0}\ncommits_{threads}_ratio {ratio:.2}");
    }
    db.close()
}

/// Commits of one row each, by so many threads, on rows of their own.
fn commits(db: &Db, threads: u64, rows: u64, time: Duration) -> Result<f64> {
    let done = AtomicU64::new(0);
    let start = Instant::now();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|thread| {
                let done = &done;
                scope.spawn(move || {
                    let mut id = thread;
                    while start.elapsed() < time {
                        db.put(USERS, id % rows, user(id))?;
                        id += threads;
                        done.fetch_add(1, Ordering::Relaxed);
                    }
                    Ok(())
                })
            })
            .collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("it does not panic"))
    })?;
    Ok(done.into_inner() as f64 / start.elapsed().as_secs_f64())
}

/// The bare loop's file.
struct Bare(File);

impl Bare {
    const SPACE: u64 = 8 << 20;

    fn new(path: &Path) -> io::Result<Bare> {
        let file = OpenOptions::new().write(true).create_new(true).open(path)?;
        file.write_all_at(&vec![0; Self::SPACE as usize], 0)?;
        file.sync_all()?;
        Ok(Bare(file))
    }

    /// Records written and synced one by one, a second.
    fn syncs(&self, time: Duration) -> io::Result<f64> {
        const RECORD: [u8; 160] = [7; 160];
        let start = Instant::now();
        let mut records = 0u64;
        while start.elapsed() < time {
            self.0.write_all_at(&RECORD, records * RECORD.len() as u64 % (Self::SPACE - RECORD.len() as u64))?;
            self.0.sync_data()?;
            records += 1;
        }
        Ok(records as f64 / start.elapsed().as_secs_f64())
    }
}
