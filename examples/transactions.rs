//! Transactions: several rows change together or not at all, and nobody has to retry.
//!
//! `cargo run --example transactions`
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use gangline::{Db, Durability, Error, ErrorKind, Result, Table};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Account {
    owner: String,
    balance: i64,
}

const ACCOUNTS: Table<u64, Account> = Table::new("accounts");
const JOURNAL: Table<u64, (u64, u64, i64)> = Table::new("journal");

/// The program's own error. The library's fits in, because a closure passes it on with `?`.
#[derive(Debug)]
enum PayError {
    NoSuchAccount(u64),
    TooPoor {
        has: i64,
    },
    #[expect(dead_code, reason = "shown by Debug only")]
    Db(Error),
}

impl From<Error> for PayError {
    fn from(error: Error) -> Self {
        PayError::Db(error)
    }
}

fn main() -> Result<(), PayError> {
    let db = Db::in_memory()?;
    db.put(ACCOUNTS, 1, Account { owner: "Ada".to_owned(), balance: 100 })?;
    db.put(ACCOUNTS, 2, Account { owner: "Bob".to_owned(), balance: 20 })?;

    let number = pay(&db, 1, 2, 70)?;
    println!("payment {number}: {}", balances(&db)?);
    assert_eq!(balances(&db)?, "Ada 30, Bob 90");

    // An error of the closure undoes all that the closure did, and comes back as it was.
    match pay(&db, 1, 2, 70) {
        Err(PayError::TooPoor { has }) => println!("refused, Ada has {has}: {}", balances(&db)?),
        other => panic!("expected a refusal, got {other:?}"),
    }
    assert!(matches!(pay(&db, 1, 9, 10), Err(PayError::NoSuchAccount(9))));
    assert_eq!(balances(&db)?, "Ada 30, Bob 90");
    assert_eq!(db.len(JOURNAL)?, 1);

    // A transaction reads what it has written, also in scans, before anybody else does.
    let total = db.transact(|tx| {
        tx.put(ACCOUNTS, 3, Account { owner: "Cleo".to_owned(), balance: 5 })?;
        let all = tx.read(ACCOUNTS, |_| true, |account| account.balance)?;
        // This one does not need to be on disk at once.
        tx.durability(Durability::Eventual)?;
        Ok(all.iter().sum::<i64>())
    })?;
    println!("with Cleo {total}");
    assert_eq!(total, 125);

    // A snapshot is the committed state at one moment, for as many reads as wanted, without any lock.
    let before = db.snapshot();
    db.modify(ACCOUNTS, 3, |account| account.balance = 1_000)?;
    println!("Cleo had {} and has {}", cleo(&before.read(ACCOUNTS, |_| true, Account::clone)?), cleo(&rows(&db)?));

    // `insert` refuses a row that is there.
    let again = db.insert(ACCOUNTS, 3, Account { owner: "Cleo".to_owned(), balance: 0 });
    assert_eq!(again.map_err(|error| error.kind()), Err(ErrorKind::Exists));

    // A transaction starts over only where another one held a lock that it could not wait for. The closure runs again
    // then, so it changes nothing but the transaction.
    println!("restarts {}", db.locks().counters().restarts);
    Ok(())
}

/// Moves money and writes it down. Both rows are locked when they are read, so nobody can come between.
fn pay(db: &Db, from: u64, to: u64, amount: i64) -> Result<u64, PayError> {
    db.try_transact(|tx| {
        let mut payer = tx.get_for_update(ACCOUNTS, from)?.ok_or(PayError::NoSuchAccount(from))?.to_owned();
        payer.balance -= amount;
        tx.put(ACCOUNTS, from, &payer)?;
        tx.modify(ACCOUNTS, to, |payee| payee.balance += amount)?.ok_or(PayError::NoSuchAccount(to))?;
        if payer.balance < 0 {
            // Both rows have changed in this transaction. Nobody will ever see it.
            return Err(PayError::TooPoor { has: payer.balance + amount });
        }
        let number = tx.last(JOURNAL)?.map_or(1, |(number, _)| number + 1);
        tx.insert(JOURNAL, number, (from, to, amount))?;
        Ok(number)
    })
}

fn rows(db: &Db) -> Result<Vec<Account>> {
    db.read(ACCOUNTS, |_| true, Account::clone)
}

fn cleo(accounts: &[Account]) -> i64 {
    accounts.iter().find(|account| account.owner == "Cleo").map_or(0, |account| account.balance)
}

fn balances(db: &Db) -> Result<String> {
    let rows = db.read(ACCOUNTS, |_| true, |account| format!("{} {}", account.owner, account.balance))?;
    Ok(rows.join(", "))
}
