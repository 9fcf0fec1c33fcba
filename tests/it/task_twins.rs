//! Each call for tasks gives what its twin for threads gives; and streams of rows.

use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use futures_core::Stream;
use gangline::{Db, ErrorKind, Index, Options, Table};
use smol::block_on;

use crate::support::{ITEMS, Item, ids, item, kind, place, small, with_items};

const GROUP: Index<u64, Item> = Index::new("group", |item: &Item, out| out.key(item.group));
const GROUPED: Table<u64, Item> = Table::new("grouped").indexes(&[&GROUP]);

#[test]
fn reads_are_as_those_of_threads() {
    let db = with_items(100);
    let snapshot = db.snapshot();
    block_on(async {
        assert_eq!(db.get_async(ITEMS, 5).await.unwrap(), db.get(ITEMS, 5).unwrap());
        assert_eq!(db.get_many_async(ITEMS, &[5, 500]).await.unwrap(), db.get_many(ITEMS, [5, 500]).unwrap());
        assert!(db.contains_async(ITEMS, 5).await.unwrap() && !db.contains_async(ITEMS, 500).await.unwrap());
        assert_eq!(db.len_async(ITEMS).await.unwrap(), 100);
        assert_eq!(db.first_async(ITEMS).await.unwrap().unwrap().0, 0);
        assert_eq!(db.last_async(ITEMS).await.unwrap().unwrap().0, 99);
        assert_eq!(db.read_async(ITEMS, |item| item.id > 97, |item| item.id).await.unwrap(), [98, 99]);
        assert_eq!(db.query_async(ITEMS, |query| query.range(3..6).keys()).await.unwrap(), [3, 4, 5]);
        db.remove_async(ITEMS, 0).await.unwrap().unwrap();
        assert_eq!(snapshot.get_async(ITEMS, 0).await.unwrap().as_deref(), Some(&item(0)));
        assert_eq!(snapshot.len_async(ITEMS).await.unwrap(), 100);
        assert_eq!(snapshot.first_async(ITEMS).await.unwrap().unwrap().0, 0);
        assert_eq!(snapshot.last_async(ITEMS).await.unwrap().unwrap().0, 99);
        assert_eq!(snapshot.read_async(ITEMS, |item| item.id < 2, |item| item.id).await.unwrap(), [0, 1]);
        assert_eq!(snapshot.query_async(ITEMS, |query| query.range(..2).count()).await.unwrap(), 2);
        assert_eq!(db.get_async(ITEMS, 0).await.unwrap(), None);
    });
}

#[test]
fn statements_are_as_those_of_threads() {
    let db = with_items(10);
    block_on(async {
        db.put_async(ITEMS, 20, item(20)).await.unwrap();
        assert_eq!(kind(db.insert_async(ITEMS, 20, item(20)).await), Err(ErrorKind::Exists));
        db.insert_async(ITEMS, 21, item(21)).await.unwrap();
        assert_eq!(db.modify_async(ITEMS, 21, |item| item.amount * 2).await.unwrap(), Some(42));
        assert_eq!(db.modify_async(ITEMS, 22, |item| item.amount).await.unwrap(), None);
        assert_eq!(db.remove_async(ITEMS, 21).await.unwrap().as_deref(), Some(&item(21)));
        assert!(db.compare_and_swap_async(ITEMS, 21, None, Some(item(21))).await.unwrap().is_ok());
        let there = db.compare_and_swap_async(ITEMS, 21, None, None).await.unwrap().unwrap_err();
        assert_eq!(there.as_deref(), Some(&item(21)));
        let raise = |item: &mut Item| item.amount += 1_000;
        assert_eq!(db.update_async(ITEMS, |item| item.id < 3, raise).await.unwrap(), 3);
        assert_eq!(db.put_many_async(ITEMS, (30..35).map(|id| (id, item(id)))).await.unwrap(), 5);
        assert_eq!(db.bulk_load_async(ITEMS, (40..45).map(|id| (id, item(id)))).await.unwrap(), 5);
        assert_eq!(db.remove_range_async(ITEMS, 30..43).await.unwrap(), 8);
        assert_eq!(db.next_id_async(ITEMS).await.unwrap(), 1);
        db.skip_ids_async(ITEMS, 7).await.unwrap();
        assert_eq!(db.next_id_async(ITEMS).await.unwrap(), 8);
        assert_eq!(db.remove_expired_async(ITEMS).await.unwrap(), 0);
        assert_eq!(ids(&db), (0..10).chain([20, 21, 43, 44]).collect::<Vec<_>>());
        assert_eq!(db.clear_async(ITEMS).await.unwrap(), 14);
        assert!(db.drop_table_async("items").await.unwrap() && !db.drop_table_async("items").await.unwrap());
    });
}

#[test]
fn calls_of_a_transaction_are_as_those_of_threads() {
    let db = small().in_memory().unwrap();
    db.put_many(GROUPED, (0..50).map(|id| (id, item(id)))).unwrap();
    block_on(db.transact_async(|tx| async move {
        tx.put(GROUPED, 50, item(50)).await?;
        assert_eq!(kind(tx.insert(GROUPED, 50, item(50)).await), Err(ErrorKind::Exists));
        tx.insert(GROUPED, 51, item(51)).await?;
        assert!(tx.contains(GROUPED, 51).await? && !tx.contains(GROUPED, 52).await?);
        assert_eq!(tx.get_many(GROUPED, &[51, 52]).await?.iter().flatten().count(), 1);
        assert_eq!(tx.modify(GROUPED, 51, |item| std::mem::replace(&mut item.amount, 7)).await?, Some(51));
        assert!(tx.compare_and_swap(GROUPED, 52, None, Some(item(52))).await?.is_ok());
        assert_eq!(tx.remove(GROUPED, 52).await?.as_deref(), Some(&item(52)));
        assert_eq!(tx.len(GROUPED).await?, 52);
        assert_eq!((tx.first(GROUPED).await?.unwrap().0, tx.last(GROUPED).await?.unwrap().0), (0, 51));
        assert_eq!(tx.read(GROUPED, |item| item.amount == 7, |item| item.id).await?, [7, 51]);
        let of_group = tx.query(GROUPED, |query| query.by(&GROUP).equal(3).count()).await?;
        assert_eq!(of_group, 7);
        assert_eq!(tx.update(GROUPED, |item| item.group == 3, |item| item.amount = 0).await?, 7);
        tx.declare(gangline::Footprint::new().write(GROUPED)).await?;
        assert_eq!(tx.next_id(GROUPED).await?, 1);
        assert_eq!(tx.put_many(GROUPED, (60..64).map(|id| (id, item(id)))).await?, 4);
        assert_eq!(tx.remove_range(GROUPED, 62..).await?, 2);
        assert_eq!(tx.clear(ITEMS).await?, 0);
        tx.durability(gangline::Durability::Eventual).await?;
        Ok(())
    }))
    .unwrap();
    assert_eq!(db.query(GROUPED).select(|item| item.amount == 0).count().unwrap(), 8);
    assert_eq!(db.query(GROUPED).range(60..).keys().unwrap(), [60, 61]);
    assert!(db.verify().unwrap().is_clean());
}

#[test]
fn whole_databases_are_handled_by_tasks() {
    let (folder, path) = place();
    let (copy, again) = (folder.path().join("copy"), folder.path().join("again"));
    block_on(async {
        let db = Db::open_async(&path).await.unwrap();
        assert_eq!(kind(Options::new().open_async(&path).await), Err(ErrorKind::AlreadyOpen));
        db.put_many_async(GROUPED, (0..50).map(|id| (id, item(id)))).await.unwrap();
        db.checkpoint_async().await.unwrap();
        assert_eq!(db.status_async().await.unwrap().checkpoints, 1);
        assert!(db.drop_index_async("grouped", "group").await.unwrap());
        assert_eq!(db.build_indexes_async(GROUPED, |_| {}).await.unwrap(), 1);
        assert!(db.verify_async().await.unwrap().is_clean());
        db.backup_async(&copy).await.unwrap();
        db.compact_async().await.unwrap();
        db.close_async().await.unwrap();
        assert!(Db::restore_async(&copy, &again).await.unwrap().is_clean());
        assert_eq!(gangline::repair_async(&copy, folder.path().join("mended")).await.unwrap().rows(), 50);
        let db = Db::open_async(&again).await.unwrap();
        assert_eq!(db.len_async(GROUPED).await.unwrap(), 50);
        db.close_async().await.unwrap();
        Options::new().temporary_async().await.unwrap().close_async().await.unwrap();
    });
}

#[test]
fn a_stream_gives_the_rows_of_its_instant_in_order() {
    let db = with_items(3_000);
    let mut all = db.stream(ITEMS, |query| query.iter());
    let mut backwards =
        db.stream(ITEMS, |query| query.reverse().select(|item| item.id < 5).project(|item| item.id).iter());
    db.remove_range(ITEMS, ..).unwrap();
    block_on(async {
        for id in 0..3_000 {
            let (key, row) = all.next().await.unwrap().unwrap();
            assert_eq!((key, row.to_owned()), (id, item(id)));
        }
        assert!(all.next().await.is_none() && all.next().await.is_none(), "it stays ended");
        for id in (0..5).rev() {
            assert_eq!(backwards.next().await.unwrap().unwrap(), id);
        }
        assert!(backwards.next().await.is_none());
        let unread = db.stream(ITEMS, |query| query.iter());
        drop(unread);
        const OTHERWISE: Table<u64, String> = Table::new("items");
        let mut refused = db.stream(OTHERWISE, |query| query.iter());
        assert_eq!(kind(refused.next().await.unwrap()), Err(ErrorKind::SchemaMismatch));
        assert!(refused.next().await.is_none());
    });
    drop((all, backwards));
    assert_eq!(db.status().unwrap().readers, 0);
}

#[test]
fn a_stream_by_an_index_goes_in_its_order() {
    let db = small().in_memory().unwrap();
    db.put_many(GROUPED, (0..2_500).map(|id| (id, item(id)))).unwrap();
    let found = block_on(async {
        let mut rows =
            db.stream(GROUPED, |query| query.by(&GROUP).range(2..4).project(|item| (item.group, item.id)).iter());
        let mut found = Vec::new();
        while let Some(row) = rows.next().await {
            found.push(row.unwrap());
        }
        found
    });
    let mut sorted: Vec<_> = (0..2_500).map(|id| (id % 7, id)).filter(|(group, _)| (2..4).contains(group)).collect();
    sorted.sort_unstable();
    assert_eq!(found, sorted);
}

#[test]
fn a_stream_that_is_dropped_while_it_reads_lets_its_snapshot_go() {
    let db = with_items(100);
    let mut rows = Box::pin(db.stream(ITEMS, |query| query.iter()));
    let first = Pin::as_mut(&mut rows).poll_next(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(first, Poll::Pending));
    drop(rows);
    crate::support::until("the thread has ended", || db.status().unwrap().readers == 0);
}
