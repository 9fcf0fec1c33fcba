//! The program's pool: many jobs on a few threads, which may lock names and read the database.
//!
//! `cargo run --example pool`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use gangline::{Db, Error, Options, Pool, Result, Table};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Sale {
    seller: u64,
    cents: i64,
}

const SALES: Table<u64, Sale> = Table::new("sales");

fn main() -> Result<()> {
    let db = Options::new().pool_threads(4).in_memory()?;
    db.transact(|tx| (0..3_000).try_for_each(|id| tx.put(SALES, id, Sale { seller: id % 30, cents: id as i64 })))?;

    // One job an item; the results come in the order of the items. The jobs borrow what they need.
    let sellers: Vec<u64> = (0..30).collect();
    let charts: Vec<String> = db.pool().try_map(sellers.clone(), |seller| chart(&db, seller))?;
    println!("charts {}, the first: {}", charts.len(), charts[0]);
    assert_eq!(charts[29], "seller 29: 151400 cents");

    // The first error in item order ends the call.
    let failed = db.pool().try_map(sellers.clone(), |seller| match seller {
        7 | 20 => Err(Failed::NoChart(seller)),
        _ => chart(&db, seller).map_err(Failed::Db),
    });
    println!("failed: {failed:?}");
    assert!(matches!(failed, Err(Failed::NoChart(7))));

    // Jobs may use the pool themselves: a thread that waits runs its own call's jobs meanwhile.
    let squares = db.pool().map(0..4u64, |row| db.pool().map(0..4u64, |column| row * column))?;
    let sum: u64 = squares.into_iter().map(|row| row.map(|row| row.iter().sum::<u64>())).sum::<Result<u64>>()?;
    println!("a table of products has the sum {sum}");
    assert_eq!(sum, 36);

    // `..._async` returns at once, with a task that can be waited for (or awaited: see the example `async`).
    let handle = db.clone();
    let task = db.pool().map_async(sellers, move |seller| chart(&handle, seller));
    let answer = db.pool().apply_async(|| 6 * 7);
    let later: Result<Vec<String>> = task.wait()?.into_iter().collect();
    println!("later {}, and the answer {}", later?.len(), answer.wait()?);

    // A pool without a database.
    let lengths = Pool::new(2).map(["one", "three"], str::len)?;
    assert_eq!(lengths, [3, 5]);
    Ok(())
}

#[derive(Debug)]
enum Failed {
    NoChart(u64),
    #[expect(dead_code, reason = "shown by Debug only")]
    Db(Error),
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Failed::Db(error)
    }
}

/// One chart at a time: there is only one renderer. What it needs is read while it is held.
fn chart(db: &Db, seller: u64) -> Result<String> {
    let _renderer = db.lock("renderer")?;
    let cents: i64 = db.read(SALES, |sale| sale.seller == seller, |sale| sale.cents)?.iter().sum();
    Ok(format!("seller {seller}: {cents} cents"))
}
