//! Awaiting work on the pool, on any executor: here it is ten lines long.
//!
//! `cargo run --example async`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

use gangline::{Db, Result, Table};

const PRODUCTS: Table<String, i64> = Table::new("products");

fn main() -> Result<()> {
    let db = Db::in_memory()?;
    db.transact(|tx| (0..100).try_for_each(|at| tx.put(PRODUCTS, &format!("product {at:02}"), at)))?;
    let charts = block_on(generate_charts(&db))?;
    println!("charts {}, the last: {}", charts.len(), charts[99]);
    assert_eq!(charts[99], "product 99 costs 99");
    Ok(())
}

/// All charts are under way at once; the caller's thread sleeps until the next one is done.
async fn generate_charts(db: &Db) -> Result<Vec<String>> {
    let names = db.query(PRODUCTS).keys()?;
    let tasks: Vec<_> = names
        .into_iter()
        .map(|name| {
            let db = db.clone();
            db.clone().pool().apply_async(move || chart(&db, &name))
        })
        .collect();
    let mut charts = Vec::new();
    for task in tasks {
        // The outer error is the pool's, the inner one the job's.
        charts.push(task.await??);
    }
    // The other way: one task for all items.
    let lengths = db.pool().map_async(charts.clone(), |chart| chart.len()).await?;
    println!("letters {}", lengths.iter().sum::<usize>());
    Ok(charts)
}

fn chart(db: &Db, name: &str) -> Result<String> {
    let _renderer = db.lock("renderer")?;
    let price = db.get(PRODUCTS, name)?.map_or(0, |price| *price);
    Ok(format!("{name} costs {price}"))
}

/// The smallest executor: polls on this thread, and sleeps until it is woken.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => return value,
            Poll::Pending => std::thread::park(),
        }
    }
}
