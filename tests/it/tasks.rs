//! Transactions of tasks, on tokio and on smol: locks are awaited, nothing blocks, and what is dropped leaves nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use gangline::{AsyncTransaction, Db, ErrorKind, Footprint, Options, Result, Table, TransactionOptions};
use parking_lot::Mutex;
use smol::future::{or, poll_once, zip};

use crate::support::{Ends, ITEMS, PATIENCE, amount, beside, item, kind, until, waits, with_items};

const TASKS: i64 = 100;

fn current_thread() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap()
}

fn many_threads() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(3).enable_time().build().unwrap()
}

/// Reads, does something else for a while, and writes: without the lock in between, additions would be lost.
async fn add_one(tx: &AsyncTransaction, id: u64, pause: impl Future<Output = ()>) -> Result<()> {
    let mut row = tx.get_for_update(ITEMS, id).await?.unwrap().to_owned();
    pause.await;
    row.amount += 1;
    tx.put(ITEMS, id, row).await
}

fn short() -> Duration {
    Duration::from_micros(200)
}

async fn on_tokio(db: &Db) {
    let spawn = |_| {
        let db = db.clone();
        tokio::spawn(async move {
            db.transact_async(|tx| async move { add_one(&tx, 1, tokio::time::sleep(short())).await }).await
        })
    };
    let tasks: Vec<_> = (0..TASKS).map(spawn).collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
}

#[test]
fn a_hundred_transactions_on_one_row_finish_on_one_thread() {
    let db = with_items(8);
    current_thread().block_on(on_tokio(&db));
    assert_eq!(amount(&db, 1), 1 + TASKS);
    assert!(waits(&db) > 0, "they had to wait for one another");
    assert_eq!(db.locks().dump().to_string(), "no locks");
}

#[test]
fn a_hundred_transactions_on_one_row_finish_on_many_threads() {
    let db = with_items(8);
    many_threads().block_on(on_tokio(&db));
    assert_eq!(amount(&db, 1), 1 + TASKS);
    assert_eq!(db.locks().dump().to_string(), "no locks");
}

#[test]
fn a_hundred_transactions_on_one_row_finish_on_smol() {
    let db = with_items(8);
    let executor = smol::LocalExecutor::new();
    smol::block_on(executor.run(async {
        let spawn = |_| {
            let db = db.clone();
            let pause = || async {
                smol::Timer::after(short()).await;
            };
            executor.spawn(async move { db.transact_async(|tx| async move { add_one(&tx, 1, pause()).await }).await })
        };
        let tasks: Vec<_> = (0..TASKS).map(spawn).collect();
        for task in tasks {
            task.await.unwrap();
        }
    }));
    assert_eq!(amount(&db, 1), 1 + TASKS);
}

#[test]
fn tasks_and_threads_move_money_in_any_order_and_lose_none() {
    const ROWS: u64 = 6;
    const ROUNDS: u64 = 60;
    let db = with_items(ROWS);
    let before: i64 = (0..ROWS).map(|id| amount(&db, id)).sum();
    let step = |n: u64, by: u64| (n.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(by as u32) >> 7) % ROWS;
    let runtime = many_threads();
    std::thread::scope(|scope| {
        for thread in 0..2 {
            let db = &db;
            scope.spawn(move || {
                for round in 0..ROUNDS {
                    let (from, to) = (step(round * 2 + thread, 3), step(round * 2 + thread, 17));
                    db.transact(|tx| {
                        tx.modify(ITEMS, from, |item| item.amount -= 1)?;
                        tx.modify(ITEMS, to, |item| item.amount += 1)
                    })
                    .unwrap();
                }
            });
        }
        runtime.block_on(async {
            let spawn = |task| {
                let db = db.clone();
                tokio::spawn(async move {
                    for round in 0..ROUNDS {
                        let (from, to) = (step(round * 4 + task, 9), step(round * 4 + task, 29));
                        let transfer = |tx: AsyncTransaction| async move {
                            tx.modify(ITEMS, from, |item| item.amount -= 1).await?;
                            tokio::task::yield_now().await;
                            tx.modify(ITEMS, to, |item| item.amount += 1).await
                        };
                        db.transact_async(transfer).await.unwrap();
                    }
                })
            };
            for task in (0..4).map(spawn).collect::<Vec<_>>() {
                tokio::time::timeout(PATIENCE, task).await.unwrap().unwrap();
            }
        });
    });
    assert_eq!((0..ROWS).map(|id| amount(&db, id)).sum::<i64>(), before);
    assert_eq!(db.locks().dump().to_string(), "no locks");
}

/// Another task of the same thread counts its turns.
fn ticking(ticks: &Arc<AtomicUsize>, end: &Arc<AtomicBool>) -> tokio::task::JoinHandle<()> {
    let (ticks, end) = (Arc::clone(ticks), Arc::clone(end));
    tokio::spawn(async move {
        while !end.load(Ordering::SeqCst) {
            ticks.fetch_add(1, Ordering::SeqCst);
            tokio::task::yield_now().await;
        }
    })
}

/// Runs `call` beside a task that ticks. `call` is given a function that waits, on whatever thread, until that has ticked
/// some more: for ever, if that thread is the executor's.
fn beside_ticks<Fut: Future<Output = ()>>(call: impl FnOnce(Arc<dyn Fn() + Send + Sync>) -> Fut) {
    let (ticks, end) = (Arc::<AtomicUsize>::default(), Arc::<AtomicBool>::default());
    let counter = Arc::clone(&ticks);
    let tick_on = Arc::new(move || {
        let goal = counter.load(Ordering::SeqCst) + 3;
        until("the executor goes on", || counter.load(Ordering::SeqCst) >= goal);
    });
    current_thread().block_on(async {
        let _ends = Ends(&end);
        let ticker = ticking(&ticks, &end);
        call(tick_on).await;
        end.store(true, Ordering::SeqCst);
        ticker.await.unwrap();
    });
}

#[test]
fn the_executor_goes_on_while_a_lock_is_waited_for() {
    let db = with_items(8);
    beside(
        &db,
        |tx| tx.modify(ITEMS, 1, |item| item.amount = 50).map(drop),
        |scope, let_go| {
            let waited = waits(&db);
            beside_ticks(|tick_on| {
                let db = &db;
                async move {
                    let waiting = tokio::spawn(db.modify_async(ITEMS, 1, |item| item.amount += 1));
                    let of_thread = db.clone();
                    let watched = std::thread::spawn(move || {
                        until("the task waits", || waits(&of_thread) > waited);
                        tick_on();
                    });
                    while !watched.is_finished() {
                        assert!(!waiting.is_finished());
                        tokio::task::yield_now().await;
                    }
                    watched.join().unwrap();
                    let_go();
                    assert!(waiting.await.unwrap().unwrap().is_some());
                }
            });
            let _ = scope;
        },
    );
    assert_eq!(amount(&db, 1), 51);
}

#[test]
fn the_executor_goes_on_while_rows_are_scanned() {
    let db = with_items(200);
    beside_ticks(|tick_on| {
        let db = &db;
        async move {
            let slowly = Arc::clone(&tick_on);
            let found = db.read_async(
                ITEMS,
                |item| item.id % 50 == 0,
                move |item| {
                    slowly();
                    item.id
                },
            );
            assert_eq!(found.await.unwrap(), [0, 50, 100, 150]);
            let slowly = Arc::clone(&tick_on);
            let in_transaction = move |tx: AsyncTransaction| {
                let slowly = Arc::clone(&slowly);
                async move {
                    tx.modify(ITEMS, 3, |item| item.amount = 1_000).await?;
                    tx.query(ITEMS, move |query| {
                        slowly();
                        query.select(|item| item.amount == 1_000).keys()
                    })
                    .await
                }
            };
            assert_eq!(db.transact_async(in_transaction).await.unwrap(), [3]);
        }
    });
}

/// A row that takes its time to be read from the disk.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
struct Slow(u64);

static WHEN_READ: Mutex<Option<Arc<dyn Fn() + Send + Sync>>> = Mutex::new(None);

impl<'de> serde::Deserialize<'de> for Slow {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let when_read = WHEN_READ.lock().clone();
        if let Some(when_read) = when_read {
            when_read();
        }
        u64::deserialize(deserializer).map(Slow)
    }
}

#[test]
fn the_executor_goes_on_while_cold_pages_are_read() {
    const SLOW: Table<u64, Slow> = Table::new("slow");
    let (_folder, path) = crate::support::place();
    let db = Db::open(&path).unwrap();
    db.put_many(SLOW, (0..10).map(|id| (id, Slow(id)))).unwrap();
    db.close().unwrap();
    let db = Db::open(&path).unwrap();
    // The types are compared here, which reads made-up rows, and no page.
    assert_eq!(db.len(SLOW).unwrap(), 10);
    beside_ticks(|tick_on| {
        let db = &db;
        async move {
            *WHEN_READ.lock() = Some(tick_on);
            let row = db.get_async(SLOW, 3).await.unwrap();
            *WHEN_READ.lock() = None;
            assert_eq!(row.as_deref(), Some(&Slow(3)));
            let here = db.get_async(SLOW, 4);
            let row = poll_once(here).await.expect("the page is in memory: read where the task stands");
            assert_eq!(row.unwrap().as_deref(), Some(&Slow(4)));
        }
    });
    db.close().unwrap();
}

#[test]
fn a_transaction_that_is_dropped_gives_its_locks_back_and_does_nothing() {
    let db = with_items(8);
    beside(
        &db,
        |tx| tx.modify(ITEMS, 2, |item| item.amount = 50).map(drop),
        |_, let_go| {
            let waited = waits(&db);
            current_thread().block_on(async {
                let both = |tx: AsyncTransaction| async move {
                    tx.modify(ITEMS, 1, |item| item.amount = 60).await?;
                    tx.modify(ITEMS, 2, |item| item.amount = 60).await
                };
                let waiting = tokio::spawn(db.transact_async(both));
                while waits(&db) == waited {
                    tokio::task::yield_now().await;
                }
                assert_eq!(db.locks().dump().granules.iter().filter(|locks| !locks.waiting.is_empty()).count(), 1);
                waiting.abort();
                assert!(waiting.await.unwrap_err().is_cancelled());
            });
            // Row 1 is free again, and nobody stands behind row 2.
            db.transact_with(&TransactionOptions::new().lock_timeout(Duration::ZERO), |tx| {
                tx.modify(ITEMS, 1, |item| item.amount += 1)
            })
            .unwrap();
            assert!(db.locks().dump().granules.iter().all(|locks| locks.waiting.is_empty()));
            let_go();
        },
    );
    assert_eq!((amount(&db, 1), amount(&db, 2)), (2, 50));
    assert_eq!(db.locks().dump().to_string(), "no locks");
}

#[test]
fn a_call_that_is_dropped_leaves_its_transaction_as_it_was() {
    let db = with_items(100);
    beside(
        &db,
        |tx| tx.modify(ITEMS, 2, |item| item.amount = 50).map(drop),
        |_, let_go| {
            current_thread().block_on(async {
                let impatient = |tx: AsyncTransaction| async move {
                    tx.modify(ITEMS, 1, |item| item.amount = 60).await?;
                    assert!(poll_once(tx.get(ITEMS, 2)).await.is_none(), "somebody has it");
                    // One that runs on a thread ends there, and the next call waits for that.
                    assert!(poll_once(tx.query(ITEMS, |query| query.range(90..).count())).await.is_none());
                    tx.modify(ITEMS, 99, |item| item.amount += 1).await
                };
                db.transact_async(impatient).await.unwrap();
            });
            let_go();
        },
    );
    assert_eq!((amount(&db, 1), amount(&db, 2), amount(&db, 99)), (60, 50, 100));
}

#[test]
fn waits_of_tasks_end_in_time() {
    let db = with_items(100);
    beside(
        &db,
        |tx| tx.modify(ITEMS, 1, |item| item.amount = 50).map(drop),
        |_, let_go| {
            let change = |tx: AsyncTransaction| async move { tx.modify(ITEMS, 1, |item| item.amount = 1).await };
            let within =
                |options: TransactionOptions| current_thread().block_on(db.transact_with_async(&options, change));
            let options = TransactionOptions::new;
            let late = within(options().label("hasty").lock_timeout(Duration::from_millis(20)));
            let late = late.unwrap_err();
            assert_eq!(late.kind(), ErrorKind::LockTimeout);
            assert!(
                late.to_string().contains("items") && late.to_string().contains("support.rs"),
                "names the holder: {late}"
            );
            assert_eq!(kind(within(options().deadline(Duration::from_millis(20)))), Err(ErrorKind::Cancelled));
            let stop = gangline::CancelToken::new();
            let waited = waits(&db);
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    until("the task waits", || waits(&db) > waited);
                    stop.cancel();
                });
                assert_eq!(kind(within(options().cancel(&stop))), Err(ErrorKind::Cancelled));
            });
            // The limit of a query ends the wait of that query alone.
            let asked = current_thread().block_on(db.transact_async(|tx| async move {
                let late = tx.query(ITEMS, |query| query.range(1..2).deadline(Duration::from_millis(20)).count()).await;
                assert_eq!(kind(late), Err(ErrorKind::Cancelled));
                tx.query(ITEMS, |query| query.range(98..).count()).await
            }));
            assert_eq!(asked.unwrap(), 2);
            let_go();
        },
    );
    assert_eq!(amount(&db, 1), 50);
}

#[test]
fn a_refused_lock_starts_the_closure_over_with_what_it_needs() {
    let db = with_items(8);
    let runs = AtomicUsize::new(0);
    beside(
        &db,
        |tx| tx.modify(ITEMS, 1, |item| item.amount = 50).map(drop),
        |_, let_go| {
            let waited = waits(&db);
            let backwards = |tx: AsyncTransaction| {
                let run = runs.fetch_add(1, Ordering::SeqCst);
                async move {
                    tx.modify(ITEMS, 5, |item| item.amount += 1).await?;
                    let refused = tx.modify(ITEMS, 1, |item| item.amount += 1).await;
                    assert_eq!(kind(refused.map(drop)), if run == 0 { Err(ErrorKind::Restart) } else { Ok(()) });
                    // Whatever it says: the transaction knows that it has to start over.
                    Ok(run)
                }
            };
            current_thread().block_on(async {
                let task = db.transact_async(backwards);
                let letting_go = async {
                    while waits(&db) == waited {
                        smol::future::yield_now().await;
                    }
                    let_go();
                };
                assert_eq!(zip(task, letting_go).await.0.unwrap(), 1);
            });
        },
    );
    assert_eq!((amount(&db, 1), amount(&db, 5), runs.into_inner()), (51, 6, 2));
    let strict = TransactionOptions::new().strict(true);
    beside(
        &db,
        |tx| tx.modify(ITEMS, 1, |item| item.amount = 50).map(drop),
        |_, let_go| {
            let outcome = current_thread().block_on(db.transact_with_async(&strict, |tx| async move {
                tx.modify(ITEMS, 5, |item| item.amount += 1).await?;
                tx.modify(ITEMS, 1, |item| item.amount += 1).await
            }));
            assert_eq!(kind(outcome), Err(ErrorKind::OutOfOrder));
            let_go();
        },
    );
}

#[test]
fn a_declared_transaction_awaits_all_of_it_and_never_starts_over() {
    let db = with_items(8);
    let declared = TransactionOptions::new().declare(Footprint::new().write_row(ITEMS, 5).write_row(ITEMS, 1));
    beside(
        &db,
        |tx| tx.modify(ITEMS, 1, |item| item.amount = 50).map(drop),
        |_, let_go| {
            let waited = waits(&db);
            current_thread().block_on(async {
                let backwards = |tx: AsyncTransaction| async move {
                    tx.modify(ITEMS, 5, |item| item.amount += 1).await?;
                    tx.modify(ITEMS, 1, |item| item.amount += 1).await
                };
                let task = tokio::spawn(db.transact_with_async(&declared, backwards));
                while waits(&db) == waited {
                    tokio::task::yield_now().await;
                }
                let_go();
                task.await.unwrap().unwrap();
            });
        },
    );
    assert_eq!((amount(&db, 1), amount(&db, 5)), (51, 6));
    assert_eq!(db.status().unwrap().restarts, 0);
}

#[test]
fn a_handle_is_good_for_one_run_and_one_call_at_a_time() {
    let db = with_items(8);
    let kept = Mutex::new(None);
    current_thread().block_on(async {
        let outcome = db.transact_async(|tx| {
            let kept = &kept;
            async move {
                tx.modify(ITEMS, 1, |item| item.amount = 60).await?;
                *kept.lock() = Some(tx);
                Ok(())
            }
        });
        outcome.await.unwrap();
        let tx = kept.lock().take().unwrap();
        let late = tx.get(ITEMS, 1).await.unwrap_err();
        assert_eq!(late.kind(), ErrorKind::Closed);
        assert!(late.to_string().contains("tasks.rs"), "names the transaction: {late}");

        let two = db.transact_async(|tx| async move {
            // Both are under way until the first has gone to a thread and back.
            let first = tx.query(ITEMS, |query| query.count());
            let (first, second) = zip(first, tx.get(ITEMS, 1)).await;
            assert_eq!(first?, 8);
            Ok(kind(second))
        });
        assert_eq!(two.await.unwrap(), Err(ErrorKind::Nested));

        let nested = db.transact_async(|tx| {
            let db = &db;
            async move {
                tx.get(ITEMS, 1).await?;
                assert_eq!(kind(db.get(ITEMS, 1)), Err(ErrorKind::Nested));
                assert_eq!(kind(db.get_async(ITEMS, 1).await), Err(ErrorKind::Nested));
                Ok(kind(db.transact_async(|_| async { Ok(()) }).await))
            }
        });
        assert_eq!(nested.await.unwrap(), Err(ErrorKind::Nested));
    });
    assert_eq!(amount(&db, 1), 60);
}

#[test]
fn a_handle_that_outlives_its_transaction_holds_no_locks() {
    let db = with_items(8);
    let kept = Mutex::new(None);
    smol::block_on(async {
        let kept = &kept;
        let mut waiting = Box::pin(db.transact_async(|tx| async move {
            tx.modify(ITEMS, 1, |item| item.amount = 60).await?;
            *kept.lock() = Some(tx);
            std::future::pending::<Result<()>>().await
        }));
        while kept.lock().is_none() {
            assert!(poll_once(&mut waiting).await.is_none());
        }
        drop(waiting);
        let tx = kept.lock().take().unwrap();
        assert_eq!(db.locks().dump().to_string(), "no locks");
        assert_eq!(kind(tx.get(ITEMS, 1).await), Err(ErrorKind::Closed));
    });
    assert_eq!(amount(&db, 1), 1);
}

#[test]
fn a_closure_that_ends_with_a_call_under_way_does_nothing() {
    let db = with_items(8);
    beside(
        &db,
        |tx| tx.modify(ITEMS, 1, |item| item.amount = 50).map(drop),
        |_, let_go| {
            current_thread().block_on(async {
                let left = Mutex::new(None);
                let outcome = db.transact_async(|tx| {
                    let left = &left;
                    async move {
                        let tx = Arc::new(tx);
                        tx.modify(ITEMS, 0, |item| item.amount = 60).await?;
                        let mut waiting = Box::pin(tx.modify(ITEMS, 1, |item| item.amount = 60));
                        assert!(poll_once(&mut waiting).await.is_none());
                        *left.lock() = Some(waiting);
                        Ok(())
                    }
                });
                assert_eq!(kind(outcome.await), Err(ErrorKind::Nested));
                drop(left.into_inner());
            });
            let_go();
        },
    );
    assert_eq!((amount(&db, 0), amount(&db, 1)), (0, 50));
    assert_eq!(db.locks().dump().to_string(), "no locks");
}

#[test]
fn a_panic_and_an_error_roll_back() {
    let db = with_items(8);
    let runtime = current_thread();
    let panicked = runtime.block_on(async {
        let body = |tx: AsyncTransaction| async move {
            tx.modify(ITEMS, 1, |item| item.amount = 60).await?;
            tx.query(ITEMS, |query| query.select(|_| std::panic::resume_unwind(Box::new("on purpose"))).count()).await
        };
        tokio::spawn(db.transact_async(body)).await
    });
    assert!(panicked.unwrap_err().is_panic(), "it reaches whoever awaits");
    #[derive(Debug, PartialEq)]
    enum Refused {
        Poor,
        Store,
    }
    impl From<gangline::Error> for Refused {
        fn from(_: gangline::Error) -> Self {
            Refused::Store
        }
    }
    let refused = runtime.block_on(db.try_transact_async(|tx| async move {
        tx.modify(ITEMS, 1, |item| item.amount = 60).await?;
        Err::<(), _>(Refused::Poor)
    }));
    assert_eq!(refused, Err(Refused::Poor));
    assert_eq!(amount(&db, 1), 1);
    assert_eq!(db.locks().dump().to_string(), "no locks");
}

#[test]
fn names_are_awaited_in_transactions_and_count_in_scopes() {
    let db = Options::new().in_memory().unwrap();
    let renderer = db.lock("renderer").unwrap();
    let waited = waits(&db);
    std::thread::scope(|scope| {
        let of_task = scope.spawn(|| {
            current_thread().block_on(async {
                let palette = db.lock_async("palette").await.unwrap();
                let drawn = palette.scope_async(db.transact_async(|tx| async move {
                    assert_eq!(kind(tx.lock("canvas").await), Err(ErrorKind::OutOfOrder));
                    tx.lock_shared("renderer").await
                }));
                drawn.await
            })
        });
        until("the task waits", || waits(&db) > waited);
        drop(renderer);
        of_task.join().unwrap().unwrap();
    });
    assert_eq!(db.locks().dump().to_string(), "no locks");
}

#[test]
fn a_unique_key_is_awaited_when_a_task_commits() {
    #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
    struct User {
        email: String,
    }
    const EMAIL: gangline::Index<String, User> =
        gangline::Index::new("email", |user: &User, out| out.key(user.email.as_str())).unique();
    const USERS: Table<u32, User> = Table::new("users").indexes(&[&EMAIL]);
    let user = |email: &str| User { email: email.to_owned() };
    let db = Db::in_memory().unwrap();
    db.put(USERS, 1, user("a@x")).unwrap();
    // Whoever reads the absent key holds its name.
    let holder = |tx: &gangline::Transaction| tx.get_by(USERS, &EMAIL, "b@x").map(|found| assert!(found.is_none()));
    beside(&db, holder, |_, let_go| {
        let waited = waits(&db);
        current_thread().block_on(async {
            let task = tokio::spawn(db.put_async(USERS, 2, user("b@x")));
            while waits(&db) == waited {
                tokio::task::yield_now().await;
            }
            let_go();
            task.await.unwrap().unwrap();
            assert_eq!(kind(db.put_async(USERS, 3, user("b@x")).await), Err(ErrorKind::Exists));
            let (key, found) = db.get_by_async(USERS, &EMAIL, "b@x").await.unwrap().unwrap();
            assert_eq!((key, found.email.as_str()), (2, "b@x"));
        });
    });
}

#[test]
fn a_race_of_transactions_leaves_one() {
    let db = with_items(8);
    current_thread().block_on(async {
        let slow = db.transact_async(|tx| async move {
            tx.modify(ITEMS, 1, |item| item.amount = 70).await?;
            std::future::pending::<Result<()>>().await
        });
        let fast = db.transact_async(|tx| async move { tx.put(ITEMS, 2, item(2)).await });
        or(slow, fast).await.unwrap();
        db.modify_async(ITEMS, 1, |item| item.amount += 1).await.unwrap();
    });
    assert_eq!(amount(&db, 1), 2);
}
