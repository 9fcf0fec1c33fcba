//! The store that is tried: does an operation and says what came of it.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt::Debug;
use std::ops::Bound;
use std::path::{Path, PathBuf};

use gangline::{Access, Db, Durability, Error, ErrorKind, Key, Options, Result, Shared, Snapshot, Table, Transaction};

use super::op::{BY_NUMBER, BY_REST, Call, End, NUMBERS, Note, Op, Promise, WORDS, Which, spell};
use super::state::{join, join_transaction, modify, show_entry, show_option, verdict};

/// A database with the snapshots that the run has taken of it.
#[derive(Debug)]
pub struct Store {
    place: Option<PathBuf>,
    durability: Durability,
    db: Db,
    snapshots: HashMap<u8, Snapshot>,
}

impl Store {
    /// Opens the store at `place`, or one in memory.
    pub fn open(place: Option<&Path>, durability: Durability) -> Result<Store> {
        let db = open(place, durability)?;
        Ok(Store { place: place.map(Path::to_owned), durability, db, snapshots: HashMap::new() })
    }

    /// Does one operation. A reply is for comparing with the model; an error is never expected.
    pub fn apply(&mut self, op: &Op) -> Result<String> {
        match op {
            Op::Single(Which::Numbers, call) => any_call(&self.db, NUMBERS, call, &|key| key),
            Op::Single(Which::Words, call) => any_call(&self.db, WORDS, call, &spell),
            Op::Transact { calls, end, durability } => transact(&self.db, calls, *end, *durability),
            Op::TakeSnapshot(at) => {
                self.snapshots.insert(*at, self.db.snapshot());
                Ok(String::new())
            }
            Op::ReadSnapshot(at, which, call) => match self.snapshots.get(at) {
                None => Ok(String::new()),
                Some(snapshot) => snapshot_call(snapshot, *which, call),
            },
            Op::DropSnapshot(at) => {
                self.snapshots.remove(at);
                Ok(String::new())
            }
            Op::Checkpoint if self.place.is_none() => Ok(String::new()),
            Op::Checkpoint => self.db.checkpoint().map(|()| String::new()),
            Op::Sync => self.db.sync().map(|()| String::new()),
            Op::Verify => {
                let report = self.db.verify()?;
                let rows = |name: &str| report.tables.iter().find(|table| table.name == name).map_or(0, |t| t.rows);
                Ok(verdict(report.is_clean(), rows("numbers"), rows("words")))
            }
            Op::Compact => self.db.compact().map(|_| String::new()),
            Op::Backup => self.backup(),
            Op::Dump => Ok(format!("{} / {}", dump(&self.db, NUMBERS)?, dump(&self.db, WORDS)?)),
            Op::Reopen => self.reopen(true).map(|()| String::new()),
            Op::DropAndOpen => self.reopen(false).map(|()| String::new()),
            Op::Kill { during, .. } => {
                if let Some(op) = during {
                    self.apply(op)?;
                }
                self.reopen(false).map(|()| String::new())
            }
        }
    }

    /// What a backup has, opened as any store.
    fn backup(&self) -> Result<String> {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let place = folder.path().join("backup");
        self.db.backup(&place)?;
        let copy = open(Some(&place), self.durability)?;
        Ok(format!("{} / {}", dump(&copy, NUMBERS)?, dump(&copy, WORDS)?))
    }

    /// Closes the store for good.
    pub fn close(self) -> Result<()> {
        drop(self.snapshots);
        self.db.close()
    }

    fn reopen(&mut self, close: bool) -> Result<()> {
        self.snapshots.clear();
        let Some(place) = &self.place else { return Ok(()) };
        // Something has to stand where the database was, since one store cannot be open twice.
        let old = std::mem::replace(&mut self.db, Db::in_memory()?);
        if close {
            old.close()?;
        } else {
            drop(old);
        }
        self.db = open(Some(place), self.durability)?;
        Ok(())
    }
}

/// Small segments, a small cache and frequent checkpoints, so that everything that happens rarely happens often.
fn open(place: Option<&Path>, durability: Durability) -> Result<Db> {
    let options = Options::new()
        .durability(durability)
        .segment_rows(16)
        .cache_bytes(64 << 10)
        .journal_bytes(1 << 20)
        .scan_threads(2)
        .checkpoint_interval(std::time::Duration::from_millis(200));
    match place {
        Some(place) => options.open(place),
        None => options.in_memory(),
    }
}

/// The calls that a database and a transaction have in common, beside those of [`Access`].
trait Calls: Access {
    fn update_for<K: Key>(&self, t: Table<K, Note>, key: K::Ref<'_>) -> Result<Option<Shared<Note>>>;
    fn contains<K: Key>(&self, t: Table<K, Note>, key: K::Ref<'_>) -> Result<bool>;
    fn get_many<K: Key>(&self, t: Table<K, Note>, keys: &[K]) -> Result<Vec<Option<Shared<Note>>>>;
    fn put<K: Key>(&self, t: Table<K, Note>, key: K::Ref<'_>, note: &Note) -> Result<()>;
    fn insert<K: Key>(&self, t: Table<K, Note>, key: K::Ref<'_>, note: &Note) -> Result<()>;
    fn modify<K: Key>(&self, t: Table<K, Note>, key: K::Ref<'_>, add: u64) -> Result<Option<u64>>;
    fn remove<K: Key>(&self, t: Table<K, Note>, key: K::Ref<'_>) -> Result<Option<Shared<Note>>>;
    fn first<K: Key>(&self, t: Table<K, Note>) -> Result<Option<(K, Shared<Note>)>>;
    fn last<K: Key>(&self, t: Table<K, Note>) -> Result<Option<(K, Shared<Note>)>>;
    fn len<K: Key>(&self, t: Table<K, Note>) -> Result<u64>;
    fn update<K: Key>(&self, t: Table<K, Note>, modulus: u64, add: u64) -> Result<u64>;
}

macro_rules! calls {
    ($on:ty, $get_for_update:ident) => {
        impl Calls for $on {
            fn update_for<K: Key>(&self, t: Table<K, Note>, key: K::Ref<'_>) -> Result<Option<Shared<Note>>> {
                <$on>::$get_for_update(self, t, key)
            }
            fn contains<K: Key>(&self, t: Table<K, Note>, key: K::Ref<'_>) -> Result<bool> {
                <$on>::contains(self, t, key)
            }
            fn get_many<K: Key>(&self, t: Table<K, Note>, keys: &[K]) -> Result<Vec<Option<Shared<Note>>>> {
                <$on>::get_many(self, t, keys.iter().map(Key::as_ref))
            }
            fn put<K: Key>(&self, t: Table<K, Note>, key: K::Ref<'_>, note: &Note) -> Result<()> {
                <$on>::put(self, t, key, note)
            }
            fn insert<K: Key>(&self, t: Table<K, Note>, key: K::Ref<'_>, note: &Note) -> Result<()> {
                <$on>::insert(self, t, key, note)
            }
            fn modify<K: Key>(&self, t: Table<K, Note>, key: K::Ref<'_>, add: u64) -> Result<Option<u64>> {
                <$on>::modify(self, t, key, |note| modify(note, add))
            }
            fn remove<K: Key>(&self, t: Table<K, Note>, key: K::Ref<'_>) -> Result<Option<Shared<Note>>> {
                <$on>::remove(self, t, key)
            }
            fn first<K: Key>(&self, t: Table<K, Note>) -> Result<Option<(K, Shared<Note>)>> {
                <$on>::first(self, t)
            }
            fn last<K: Key>(&self, t: Table<K, Note>) -> Result<Option<(K, Shared<Note>)>> {
                <$on>::last(self, t)
            }
            fn len<K: Key>(&self, t: Table<K, Note>) -> Result<u64> {
                <$on>::len(self, t)
            }
            fn update<K: Key>(&self, t: Table<K, Note>, modulus: u64, add: u64) -> Result<u64> {
                <$on>::update(self, t, |note| note.number % modulus == 0, |note| _ = modify(note, add))
            }
        }
    };
}

calls!(Db, get);
calls!(Transaction, get_for_update);

/// How a transaction of a run ends other than by a commit.
enum Ended {
    /// The run wanted it to.
    Aborted,
    /// The library wanted it to.
    Failed(Error),
}

impl From<Error> for Ended {
    fn from(error: Error) -> Self {
        Ended::Failed(error)
    }
}

fn transact(db: &Db, calls: &[(Which, Call)], end: End, durability: Option<Promise>) -> Result<String> {
    // The closure may run more than once; only the replies of its last run count.
    let replies = RefCell::new(Vec::new());
    let outcome = db.try_transact(|tx| {
        if let Some(promise) = durability {
            tx.durability(promise.into())?;
        }
        let run = calls.iter().map(|(which, call)| match which {
            Which::Numbers => any_call(tx, NUMBERS, call, &|key| key),
            Which::Words => any_call(tx, WORDS, call, &spell),
        });
        let run = run.collect::<Result<Vec<String>>>()?;
        *replies.borrow_mut() = run;
        if end == End::Abort { Err(Ended::Aborted) } else { Ok(()) }
    });
    let replies = replies.into_inner();
    match (outcome, end) {
        (Ok(()), End::Commit) | (Err(Ended::Aborted), End::Abort) => Ok(join_transaction(&replies, end)),
        (Err(Ended::Failed(error)), _) => Err(error),
        (Ok(()), End::Abort) => Ok("committed what was to be aborted".to_owned()),
        (Err(Ended::Aborted), End::Commit) => Ok("aborted what was to be committed".to_owned()),
    }
}

fn snapshot_call(snapshot: &Snapshot, which: Which, call: &Call) -> Result<String> {
    if let Call::Len = call {
        let length = match which {
            Which::Numbers => snapshot.len(NUMBERS)?,
            Which::Words => snapshot.len(WORDS)?,
        };
        return Ok(length.to_string());
    }
    let reply = match which {
        Which::Numbers => read_call(snapshot, NUMBERS, call, &|key| key)?,
        Which::Words => read_call(snapshot, WORDS, call, &spell)?,
    };
    // The calls that a snapshot does not have.
    Ok(reply.unwrap_or_default())
}

fn any_call<K: Key + Debug>(
    on: &impl Calls,
    table: Table<K, Note>,
    call: &Call,
    key_of: &dyn Fn(u64) -> K,
) -> Result<String> {
    let done = |result: Result<()>| match result {
        Ok(()) => Ok(String::new()),
        Err(error) if error.kind() == ErrorKind::Exists => Ok("Exists".to_owned()),
        Err(error) => Err(error),
    };
    let entry = |entry: Option<(K, Shared<Note>)>| join(entry.iter().map(|(key, note)| show_entry(key, note)));
    Ok(match call {
        Call::GetForUpdate(key) => show_option(on.update_for(table, key_of(*key).as_ref())?.as_deref()),
        Call::Contains(key) => on.contains(table, key_of(*key).as_ref())?.to_string(),
        Call::GetMany(keys) => {
            let keys: Vec<K> = keys.iter().map(|key| key_of(*key)).collect();
            join(on.get_many(table, &keys)?.iter().map(|note| show_option(note.as_deref())))
        }
        Call::Put(key, note) => done(on.put(table, key_of(*key).as_ref(), note))?,
        Call::Insert(key, note) => done(on.insert(table, key_of(*key).as_ref(), note))?,
        Call::Modify(key, add) => {
            on.modify(table, key_of(*key).as_ref(), *add)?.map_or_else(|| "-".to_owned(), |number| number.to_string())
        }
        Call::Remove(key) => show_option(on.remove(table, key_of(*key).as_ref())?.as_deref()),
        Call::First => entry(on.first(table)?),
        Call::Last => entry(on.last(table)?),
        Call::Len => on.len(table)?.to_string(),
        Call::Update { modulus, add } => on.update(table, *modulus, *add)?.to_string(),
        read => read_call(on, table, read, key_of)?.expect("every other call is one of reading"),
    })
}

/// The calls that snapshots have too; `None` for another call.
fn read_call<K: Key + Debug>(
    on: &impl Access,
    table: Table<K, Note>,
    call: &Call,
    key_of: &dyn Fn(u64) -> K,
) -> Result<Option<String>> {
    Ok(Some(match call {
        Call::Get(key) => show_option(on.get(table, key_of(*key).as_ref())?.as_deref()),
        Call::Range { low, high, limit } => {
            let (low, high) = (low.map(key_of), high.map(key_of));
            let query = on.query(table).range(between(&low, &high));
            let shown = query.project_keyed(show_row::<K>);
            shown.limit(limit.unwrap_or(usize::MAX)).collect()?.join(",")
        }
        Call::Keys { low, high } => {
            let (low, high) = (low.map(key_of), high.map(key_of));
            join(on.query(table).range(between(&low, &high)).keys()?.iter().map(|key| format!("{key:?}")))
        }
        Call::ByNumber { low, high, limit } => {
            let query = on.query(table).by(&BY_NUMBER).range(*low..*high);
            let shown = query.project_keyed(show_row::<K>);
            shown.limit(limit.unwrap_or(usize::MAX)).collect()?.join(",")
        }
        Call::ByRest { low, high } => {
            let query = on.query(table).by(&BY_REST).range((*low, false)..(*high, false));
            join(query.keys()?.iter().map(|key| format!("{key:?}")))
        }
        Call::Read { modulus } => {
            let numbers = on.read(table, |note| note.number % modulus == 0, |note| note.number)?;
            join(numbers.iter().map(u64::to_string))
        }
        Call::Rows { modulus, limit } => {
            let query = on.query(table).select(|note| note.number % modulus == 0);
            join(query.limit(limit.unwrap_or(usize::MAX)).rows()?.iter().map(|note| note.show()))
        }
        Call::Count { modulus } => on.query(table).select(|note| note.number % modulus == 0).count()?.to_string(),
        Call::Fold => {
            let add =
                |(sum, bytes): (u64, usize), note: &Note| (sum.wrapping_add(note.number), bytes + note.text.len());
            let merge = |a: (u64, usize), b: (u64, usize)| (a.0.wrapping_add(b.0), a.1 + b.1);
            let (sum, bytes) = on.query(table).fold(|| (0, 0), add, merge)?;
            format!("{sum} {bytes}")
        }
        _ => return Ok(None),
    }))
}

fn between<'k, K: Key>(low: &'k Bound<K>, high: &'k Bound<K>) -> (Bound<K::Ref<'k>>, Bound<K::Ref<'k>>) {
    (low.as_ref().map(Key::as_ref), high.as_ref().map(Key::as_ref))
}

fn show_key<K: Key + Debug>(key: K::Ref<'_>) -> String {
    let mut bytes = Vec::new();
    K::encode(key, &mut bytes);
    K::decode(&mut bytes.as_slice()).map_or_else(|| format!("cannot decode {bytes:?}"), |key| format!("{key:?}"))
}

/// As [`show_entry`] shows it.
fn show_row<K: Key + Debug>(key: K::Ref<'_>, note: &Note) -> String {
    format!("{}={}", show_key::<K>(key), note.show())
}

fn dump<K: Key + Debug>(db: &Db, table: Table<K, Note>) -> Result<String> {
    let rows = db.query(table).project_keyed(show_row::<K>).collect()?;
    Ok(rows.join(","))
}
