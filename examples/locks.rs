//! Locks with names: shared and exclusive, in one order, with errors instead of deadlocks.
//!
//! `cargo run --example locks`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::sync::Barrier;
use std::time::Duration;

use gangline::{Db, ErrorKind, Options, Result};

fn main() -> Result<()> {
    let db = Options::new().lock_timeout(Duration::from_millis(200)).in_memory()?;

    readers_share(&db)?;
    one_writer_at_a_time(&db)?;

    // Names are taken in the order of their bytes: "palette" before "renderer". The other way round could deadlock with
    // a thread that does it right, so it is refused at once, whether or not another thread is there.
    let renderer = db.lock("renderer")?;
    let refused = db.lock("palette").expect_err("it sorts before the one that is held");
    println!("out of order: {refused}");
    assert_eq!(refused.kind(), ErrorKind::OutOfOrder);
    drop(renderer);
    {
        let _palette = db.lock_shared("palette")?;
        let _renderer = db.lock("renderer")?;
        println!("in order, both are held:\n{}", db.locks().dump());
    }

    // A lock that is not given back in time ends the wait, with who has it.
    let _held = db.lock("printer")?;
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| db.lock("printer").map(drop));
        let late = waiter.join().expect("it does not panic").expect_err("the printer is never given back");
        println!("too late: {late}");
        assert_eq!(late.kind(), ErrorKind::LockTimeout);
    });
    Ok(())
}

/// Two threads hold the same lock at the same time: the barrier opens only when both do.
fn readers_share(db: &Db) -> Result<()> {
    let both_hold_it = Barrier::new(2);
    std::thread::scope(|scope| {
        let reader = || {
            let _palette = db.lock_shared("palette")?;
            both_hold_it.wait();
            Ok(())
        };
        let readers = [scope.spawn(reader), scope.spawn(reader)];
        readers.into_iter().try_for_each(|reader| reader.join().expect("it does not panic"))
    })?;
    println!("two readers held the palette together");
    Ok(())
}

/// Four threads count in two numbers that must stay equal, which only the lock ensures.
fn one_writer_at_a_time(db: &Db) -> Result<()> {
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
    let (left, right) = (AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        let writer = || {
            for _ in 0..1_000 {
                let _counter = db.lock("counter")?;
                let seen = left.load(Relaxed);
                assert_eq!(seen, right.load(Relaxed));
                left.store(seen + 1, Relaxed);
                std::hint::spin_loop();
                right.store(seen + 1, Relaxed);
            }
            Ok(())
        };
        let writers: Vec<_> = (0..4).map(|_| scope.spawn(writer)).collect();
        writers.into_iter().try_for_each(|writer| writer.join().expect("it does not panic"))
    })?;
    println!("four writers counted to {}", left.load(Relaxed));
    assert_eq!(left.into_inner(), 4_000);
    Ok(())
}
