//! How much longer do durable commits take while a backup is made?
//!
//! Four threads commit one row each, all the time. Turn by turn nothing else goes on, or a backup is made; the ratio is
//! that of the 99th percentiles of one turn, so that a disk that is slow for a while is so for both.
#![expect(clippy::print_stdout, reason = "a bench prints what it measures")]

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use gangline::{Db, Result};

use gangline_bench_support::random::Random;
use gangline_bench_support::user::{USERS, user};
use gangline_bench_support::{Size, load, middle, ms, timed};

const THREADS: u64 = 4;

fn main() -> Result<()> {
    let size = Size::from_args(1_000_000, 2_000);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let db = Db::open(folder.path().join("store"))?;
    load(&db, size.rows)?;
    let (mut quiet, mut busy, mut ratios, mut seconds) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for turn in 0..if size.test { 1 } else { 3 } {
        let target = folder.path().join(format!("backup-{turn}"));
        let ((time, report), during) = beside_commits(&db, size.rows, || timed(|| db.backup(&target)))?;
        assert_eq!(report?.rows, size.rows, "a backup has all rows");
        std::fs::remove_dir_all(&target).expect("the backup can be removed");
        let ((), without) = beside_commits(&db, size.rows, || std::thread::sleep(time))?;
        quiet.push(p99(&without));
        busy.push(p99(&during));
        ratios.push(p99(&during) / p99(&without));
        seconds.push(time.as_secs_f64());
    }
    println!("rows {}\nbackup_seconds {:.1}", size.rows, middle(seconds));
    println!("commit_p99_ms {:.2}\ncommit_p99_during_backup_ms {:.2}", middle(quiet), middle(busy));
    println!("backup_p99_ratio {:.2}", middle(ratios));
    db.close()
}

/// Has threads commit until `act` is done. Gives what it gives, and how long each commit took.
fn beside_commits<T>(db: &Db, rows: u64, act: impl FnOnce() -> T) -> Result<(T, Vec<Duration>)> {
    let done = &AtomicBool::new(false);
    std::thread::scope(|scope| {
        let commit = |thread| {
            move || {
                let mut random = Random(thread);
                let mut times = Vec::new();
                while !done.load(Ordering::Relaxed) || times.is_empty() {
                    let id = random.below(rows);
                    let start = Instant::now();
                    db.put(USERS, id, user(id))?;
                    times.push(start.elapsed());
                }
                Ok(times)
            }
        };
        let workers: Vec<_> = (0..THREADS).map(|thread| scope.spawn(commit(thread))).collect();
        let value = act();
        done.store(true, Ordering::Relaxed);
        let mut times = Vec::new();
        for worker in workers {
            times.extend(worker.join().expect("it does not panic")?);
        }
        Ok((value, times))
    })
}

/// The time in milliseconds that one of a hundred exceeds.
fn p99(times: &[Duration]) -> f64 {
    let mut times = times.to_vec();
    times.sort_unstable();
    ms(times[times.len() * 99 / 100])
}
