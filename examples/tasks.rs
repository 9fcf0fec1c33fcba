//! Transactions of tasks: a hundred visitors of a page, on one thread, none of whom blocks it.
//!
//! `cargo run --example tasks`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::time::Duration;

use gangline::{Db, Result, Table};

const VISITS: Table<String, u64> = Table::new("visits");

async fn visit(db: Db, page: &'static str) -> Result<u64> {
    db.transact_async(|tx| async move {
        let visits = tx.get_for_update(VISITS, page).await?.map_or(0, |visits| *visits) + 1;
        // Others who want the row wait here without a thread.
        tokio::time::sleep(Duration::from_millis(1)).await;
        tx.put(VISITS, page, visits).await?;
        Ok(visits)
    })
    .await
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let db = Db::in_memory()?;
    let visitors: Vec<_> = (0..100).map(|_| tokio::spawn(visit(db.clone(), "/"))).collect();
    for visitor in visitors {
        visitor.await.expect("no panic")?;
    }
    let mut pages = db.stream(VISITS, |query| query.iter());
    while let Some(page) = pages.next().await {
        let (page, visits) = page?;
        println!("{page} was visited {} times", *visits);
        assert_eq!(*visits, 100);
    }
    println!("waits {}, no thread blocked", db.locks().counters().waits);
    db.close_async().await
}
