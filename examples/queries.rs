//! Every operator of a query over a table of sales: on the database, on a snapshot, inside a transaction.
//!
//! `cargo run --example queries`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::cmp::Reverse;
use std::time::Duration;

use gangline::{Access, Db, First, Result, Table};
use rayon::iter::ParallelIterator;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Sale {
    seller: String,
    state: String,
    cents: i64,
    stars: Option<u8>,
}

/// Day and number: all sales of a day lie side by side.
const SALES: Table<(u32, u32), Sale> = Table::new("sales");

fn main() -> Result<()> {
    let db = Db::in_memory()?;
    db.transact(|tx| (0..20_000).try_for_each(|n| tx.put(SALES, (n / 100, n % 100), sale(n))))?;

    // The same function for all three.
    println!("now:             {} of good sales", good(&db)?);
    let snapshot = db.snapshot();
    let inside = db.transact(|tx| {
        tx.put(SALES, (200, 0), Sale { cents: 1_000_000, stars: Some(5), ..sale(0) })?;
        good(tx)
    })?;
    println!("with one more:   {inside}");
    println!("in the snapshot: {}", good(&snapshot)?);
    assert_eq!((good(&snapshot)?, good(&db)?), (inside - 1_000_000, inside));

    // Ranges, prefixes, order, pages.
    let day = db.query(SALES).prefix(First(7)).count()?;
    let last = db.query(SALES).range((100, 0)..(200, 0)).reverse().limit(2).keys()?;
    let page = db.query(SALES).select(|sale| sale.state == "RJ").offset(40).limit(20).rows()?;
    println!("on day 7: {day}; the last two before day 200: {last:?}; the third page has {}", page.len());
    assert_eq!((day, page.len(), last), (100, 20, vec![(199, 99), (199, 98)]));

    // One number, or one a group.
    let cents = || db.query(SALES).project(|sale| sale.cents);
    println!("sum {}, mean {:.1}, most {:?}", cents().sum()?, cents().mean()?.unwrap_or(0.0), cents().max()?);
    for (state, total) in db.query(SALES).group_by(|sale| sale.state.clone()).sum(|sale| sale.cents)? {
        println!("  {state}: {total}");
    }

    // In another order.
    let dear = db.query(SALES).top_k(3, |sale| (sale.cents, Reverse(sale.seller.clone())))?;
    println!("dearest: {:?}", dear.iter().map(|sale| sale.cents).collect::<Vec<_>>());
    assert_eq!(dear[0].cents, 1_000_000);

    // Questions that one row can answer.
    let unrated = db.query(SALES).find(|sale| sale.stars.is_none())?;
    let honest = db.query(SALES).all(|sale| sale.cents >= 0)?;
    println!("first without stars: {:?}; no sale below 0: {honest}", unrated.map(|(key, _)| key));

    // Row by row with the memory of a page, and for rayon.
    let mut running = 0;
    for entry in db.query(SALES).deadline(Duration::from_secs(10)).iter()? {
        let (key, sale) = entry?;
        running += sale.cents;
        if running > 1_000_000 {
            println!("the first million was full at {key:?}");
            break;
        }
    }
    let longest = db.query(SALES).project(|sale| sale.seller.len()).par_iter()?;
    println!("longest name: {}", longest.try_reduce(|| 0, |a, b| Ok(a.max(b)))?);

    // What will be done.
    println!("{}", db.query(SALES).range((10, 0)..).select(|sale| sale.cents > 100).explain()?);
    Ok(())
}

/// Good and not for nothing, or dear whatever was said of it.
fn good(data: &impl Access) -> Result<i128> {
    let good = data.query(SALES).select(|sale| sale.stars >= Some(4)).or(|sale| sale.cents > 900_000);
    good.select(|sale| sale.cents > 0).project(|sale| sale.cents).sum()
}

fn sale(n: u32) -> Sale {
    let states = ["MG", "PR", "RJ", "SP"];
    Sale {
        seller: format!("seller {}", n % 97),
        state: states[n as usize % states.len()].to_owned(),
        cents: i64::from(n * 37 % 5_000),
        stars: Some((n % 6) as u8).filter(|stars| *stars > 0),
    }
}
