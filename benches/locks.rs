//! What does a lock cost: when nobody else wants it, with two threads on other rows, and to hand it over?
//!
//! A single granule, and a row with its three intents, are taken and given back by the lock layer itself; names and
//! transactions by the public API. Beside them stands what a program would build by hand, in the same run: a `RwLock`, a
//! `DashMap` of them filled once, and one that grows and shrinks as locks come and go, as the rows' locks here do.
#![expect(clippy::print_stdout, reason = "a bench prints what it measures")]

use std::hint::black_box;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

use dashmap::DashMap;
use gangline::lock::probe::{Granule, Rows};
use gangline::{LockManager, Result};
use parking_lot::{RwLock, RwLockWriteGuard};

use gangline_bench_support::random::Random;
use gangline_bench_support::user::USERS;
use gangline_bench_support::{Size, eventual, load, middle, ns_of};

/// What one operation takes is the middle one of so many short measurements: others on the machine spoil a few of them.
const ROUNDS: u32 = 15;

type Map = DashMap<u64, Arc<RwLock<()>>, ahash::RandomState>;

fn main() -> Result<()> {
    let size = Size::from_args(100_000, 1_000);
    let time = size.time(Duration::from_secs(1));
    by_hand(&size, time);
    by_the_lock_layer(&size, time);
    hand_off(&size, time);
    by_the_database(&size, time)
}

fn print(name: &str, ns: f64) {
    println!("{name} {ns:.1}");
}

/// Nanoseconds of one call on one thread.
fn alone(name: &str, time: Duration, mut call: impl FnMut()) {
    let rounds = (0..ROUNDS).map(|_| ns_of(time / ROUNDS, &mut call)).collect();
    print(&format!("{name}_ns"), middle(rounds));
}

/// Nanoseconds of one call on one thread, and on each of two that run at once.
fn alone_and_two<C: FnMut()>(name: &str, time: Duration, call: impl Fn(u64) -> C + Sync) {
    alone(name, time, call(0));
    let start = Barrier::new(2);
    let run = |thread| {
        let call = call(thread);
        start.wait();
        ns_of(time, call)
    };
    let both = std::thread::scope(|scope| {
        let other = scope.spawn(|| run(1));
        run(0) + other.join().expect("a bench does not panic")
    });
    print(&format!("{name}_2_threads_ns"), both / 2.0);
}

fn by_hand(size: &Size, time: Duration) {
    let locks: [RwLock<u64>; 2] = Default::default();
    alone("rwlock_write", time, || drop(black_box(locks[0].write())));
    alone_and_two("rwlock_read", time, |_| || drop(black_box(locks[0].read())));

    let map: Map = (0..size.rows).map(|key| (key, Arc::default())).collect();
    alone_and_two("dashmap_filled_of_rwlock", time, |thread| {
        let (map, mut wanted) = (&map, Wanted::of(thread, size));
        move || {
            let row = wanted.next();
            let lock = map.get(&row).map(|lock| Arc::clone(&lock)).expect("it was filled");
            drop(black_box(lock.write()));
        }
    });
    let map = Map::default();
    alone_and_two("dashmap_growing_of_rwlock", time, |thread| {
        let (map, mut wanted) = (&map, Wanted::of(thread, size));
        move || {
            let row = wanted.next();
            let lock = Arc::clone(&map.entry(row).or_default());
            drop(black_box(lock.write()));
            drop(lock);
            map.remove_if(&row, |_, lock| Arc::strong_count(lock) == 1);
        }
    });
}

/// Random rows of the half that belongs to this thread, so that two threads want other rows, and other segments. Drawn
/// beforehand: the drawing is not what is measured.
struct Wanted {
    rows: Vec<u64>,
    at: usize,
}

impl Wanted {
    const ROWS: usize = 1 << 14;

    fn of(thread: u64, size: &Size) -> Wanted {
        let (half, mut random) = (size.rows / 2, Random(thread));
        Wanted { rows: (0..Self::ROWS).map(|_| thread * half + random.below(half)).collect(), at: 0 }
    }

    fn next(&mut self) -> u64 {
        self.at = (self.at + 1) % Self::ROWS;
        self.rows[self.at]
    }
}

fn by_the_lock_layer(size: &Size, time: Duration) {
    let granule = Granule::default();
    alone("granule", time, || {
        assert!(black_box(&granule).try_lock());
        granule.unlock();
    });
    let rows = Rows::new(size.rows);
    alone_and_two("row_with_three_intents", time, |thread| {
        let (mut locker, mut wanted) = (rows.locker(), Wanted::of(thread, size));
        move || {
            locker.lock(wanted.next()).expect("nobody else wants this row");
            locker.unlock();
        }
    });
    let manager = LockManager::new(Duration::from_secs(10));
    alone("name_exclusive", time, || drop(black_box(manager.lock("renderer"))));
    alone("name_shared", time, || drop(black_box(manager.lock_shared("renderer"))));
}

/// Two threads want the same lock again and again. What is told is the time from one holder to the next one on the
/// other thread, the wake-up of a thread included.
fn hand_off(size: &Size, time: Duration) {
    let manager = LockManager::new(Duration::from_secs(60));
    ping_pong("hand_off_name", time, |_| {
        || {
            let guard = manager.lock("ball").expect("the other thread gives it back");
            move || drop(guard)
        }
    });
    let rows = Rows::new(size.rows);
    ping_pong("hand_off_row", time, |_| {
        let locker = Arc::new(parking_lot::Mutex::new(rows.locker()));
        move || {
            locker.lock().lock(7).expect("the other thread gives it back");
            let locker = Arc::clone(&locker);
            move || locker.lock().unlock()
        }
    });
    let lock = RwLock::new(());
    ping_pong("hand_off_rwlock_fair", time, |_| {
        || {
            let guard = lock.write();
            move || RwLockWriteGuard::unlock_fair(guard)
        }
    });
}

/// `player` makes for each of the two threads what takes the ball; that gives what gives it back.
fn ping_pong<T: FnMut() -> G, G: FnOnce()>(name: &str, time: Duration, player: impl Fn(usize) -> T + Sync) {
    let (last, passes, start) = (AtomicUsize::new(2), AtomicU64::new(0), Barrier::new(2));
    let play = |thread| {
        let mut take = player(thread);
        start.wait();
        let began = Instant::now();
        while began.elapsed() < time {
            let give_back = take();
            if last.swap(thread, Ordering::Relaxed) != thread {
                passes.fetch_add(1, Ordering::Relaxed);
            }
            give_back();
        }
    };
    let began = Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(|| play(1));
        play(0);
    });
    print(&format!("{name}_ns"), began.elapsed().as_nanos() as f64 / passes.into_inner() as f64);
}

fn by_the_database(size: &Size, time: Duration) -> Result<()> {
    let db = eventual().in_memory()?;
    load(&db, size.rows)?;
    alone("empty_transaction", time, || db.transact(|_| Ok(())).expect("nothing stands in the way"));
    alone_and_two("row_read_for_update", time, |thread| {
        let (db, mut wanted) = (&db, Wanted::of(thread, size));
        move || {
            let id = wanted.next();
            drop(black_box(db.transact(|tx| tx.get_for_update(USERS, id)).expect("nobody else wants this row")));
        }
    });
    alone_and_two("row_read", time, |thread| {
        let (db, mut wanted) = (&db, Wanted::of(thread, size));
        move || drop(black_box(db.get(USERS, wanted.next()).expect("a read waits for nobody")))
    });
    Ok(())
}
