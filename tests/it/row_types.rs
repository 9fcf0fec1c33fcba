//! The row types of every day: those of other crates, those that refuse made-up values, and those that cannot be stored.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use gangline::{Db, ErrorKind, Migration, Options, Row, Table};
use serde::{Deserialize, Serialize};

use crate::support::{place, small};

/// A type that takes only some of the values that its stored form could have.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
struct Even(u32);

impl TryFrom<u32> for Even {
    type Error = String;

    fn try_from(number: u32) -> Result<Self, String> {
        if number.is_multiple_of(2) { Ok(Even(number)) } else { Err(format!("{number} is odd")) }
    }
}

impl From<Even> for u32 {
    fn from(even: Even) -> u32 {
        even.0
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Note {
    Nothing,
    Text(Cow<'static, str>),
    Link { url: url::Url, title: Option<Cow<'static, str>> },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Everyday {
    id: uuid::Uuid,
    chrono: chrono::DateTime<chrono::Utc>,
    date: chrono::NaiveDate,
    jiff: jiff::Timestamp,
    zoned: Option<jiff::civil::DateTime>,
    url: url::Url,
    number: NonZeroU32,
    even: Even,
    notes: Vec<Note>,
    address: IpAddr,
    path: PathBuf,
    took: Duration,
    at: SystemTime,
    words: BTreeMap<String, Vec<Even>>,
}

const EVERYDAY: Table<u32, Everyday> = Table::new("everyday");

fn everyday(n: u32) -> Everyday {
    let url = |text: String| url::Url::parse(&text).expect("a URL");
    Everyday {
        id: uuid::Uuid::from_u128(u128::from(n) << 90 | 7),
        chrono: chrono::DateTime::from_timestamp(1_700_000_000 + i64::from(n), n).expect("a time"),
        date: chrono::NaiveDate::from_ymd_opt(2026, 1 + n % 12, 1 + n % 28).expect("a day"),
        jiff: jiff::Timestamp::new(1_700_000_000 + i64::from(n), 5).expect("a time"),
        zoned: n.is_multiple_of(3).then(|| jiff::civil::date(2026, 2, 3).at(4, 5, 6, 7)),
        url: url(format!("https://example.org/{n}?a=b#c")),
        number: NonZeroU32::MIN.saturating_add(n),
        even: Even(n * 2),
        notes: vec![
            Note::Nothing,
            Note::Text(Cow::Borrowed("fixed")),
            Note::Text(Cow::Owned(format!("note {n}"))),
            Note::Link {
                url: url(format!("ftp://example.org/{n}")),
                title: n.is_multiple_of(2).then(|| "even".into()),
            },
        ],
        address: if n.is_multiple_of(2) { IpAddr::from([10, 0, 0, 1]) } else { IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]) },
        path: PathBuf::from(format!("/srv/{n}")),
        took: Duration::new(u64::from(n), 3),
        at: SystemTime::UNIX_EPOCH + Duration::from_secs(u64::from(n)),
        words: BTreeMap::from([(format!("word {n}"), vec![Even(4)])]),
    }
}

#[expect(clippy::unwrap_used, reason = "a test helper")]
fn check(db: &Db, rows: u32) {
    assert_eq!(db.len(EVERYDAY).unwrap(), u64::from(rows));
    for n in 0..rows {
        assert_eq!(*db.get(EVERYDAY, n).unwrap().unwrap(), everyday(n));
    }
    check_stored(db, rows);
    let report = db.verify().unwrap();
    assert!(report.is_clean(), "{report}");
}

/// Reads the rows by what is stored of their type alone.
#[expect(clippy::unwrap_used, reason = "a test helper")]
fn check_stored(db: &Db, rows: u32) {
    let stored: Vec<String> =
        db.stored_rows("everyday").unwrap().map(|entry| entry.map(|(_, row)| row.to_string()).unwrap()).collect();
    let expected = (0..rows).map(|n| {
        let row = everyday(n);
        let title = if n.is_multiple_of(2) { r#""even""# } else { "null" };
        let zoned = row.zoned.map_or("null".to_owned(), |zoned| format!("\"{zoned}\""));
        let address = match row.address {
            IpAddr::V4(address) => format!("{{\"V4\":{:?}}}", address.octets()),
            IpAddr::V6(address) => format!("{{\"V6\":{:?}}}", address.octets()),
        };
        format!(
            "{{\"id\":\"{}\",\"chrono\":\"{:?}\",\"date\":\"{}\",\"jiff\":\"{}\",\"zoned\":{zoned},\"url\":\"{}\",\"number\":{},\
             \"even\":{},\"notes\":[\"Nothing\",{{\"Text\":\"fixed\"}},{{\"Text\":\"note {n}\"}},{{\"Link\":{{\"url\":\"{}\",\
             \"title\":{title}}}}}],\"address\":{},\"path\":\"/srv/{n}\",\"took\":{{\"secs\":{n},\"nanos\":3}},\
             \"at\":{{\"secs_since_epoch\":{n},\"nanos_since_epoch\":0}},\"words\":{{\"word {n}\":[4]}}}}",
            row.id.simple(),
            row.chrono,
            row.date,
            row.jiff,
            row.url,
            row.number,
            n * 2,
            format_args!("ftp://example.org/{n}"),
            address.replace(' ', ""),
        )
    });
    assert_eq!(stored, expected.collect::<Vec<_>>());
}

#[test]
fn the_types_of_every_day_are_stored_put_by_put_and_at_once() {
    let (_folder, path) = place();
    let db = small().open(&path).unwrap();
    db.put(EVERYDAY, 0, everyday(0)).unwrap();
    db.put_many(EVERYDAY, (1..50).map(|n| (n, everyday(n)))).unwrap();
    db.bulk_load(EVERYDAY, (50..300).map(|n| (n, everyday(n)))).unwrap();
    check(&db, 300);
    drop(db);
    // From the journal, and from pages.
    let db = small().open(&path).unwrap();
    check(&db, 300);
    db.close().unwrap();
    let db = small().open(&path).unwrap();
    check(&db, 300);
    let copy = path.with_extension("copy");
    db.backup(&copy).unwrap();
    check(&small().open(&copy).unwrap(), 300);
}

#[test]
fn the_types_of_every_day_are_migrated() {
    const OLD: Table<u32, (u32, Everyday)> = Table::new("everyday");
    const NEW: Table<u32, Everyday> = Table::new("everyday").version(2);
    let (_folder, path) = place();
    let db = small().open(&path).unwrap();
    db.bulk_load(OLD, (0..100).map(|n| (n, (n, everyday(n))))).unwrap();
    drop(db);
    let migration = Migration::new(NEW).from(1, |(n, row): (u32, Everyday)| {
        assert_eq!(row, everyday(n));
        row
    });
    let db = Options::new().migrate(migration).open(&path).unwrap();
    assert_eq!(db.query(NEW).rows().unwrap().len(), 100);
    assert_eq!(*db.get(NEW, 77).unwrap().unwrap(), everyday(77));
    assert!(db.verify().unwrap().is_clean());
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Skips {
    id: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    last: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Flat {
    id: u32,
    #[serde(flatten)]
    rest: HashMap<String, u32>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Untagged {
    Number(u32),
    Text(String),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind")]
enum Tagged {
    Number { value: u32 },
    Nothing,
}

/// The row is refused by every way in, and nothing of it is there afterwards.
#[expect(clippy::unwrap_used, reason = "a test helper")]
fn refused<V: Row + Debug>(row: V) {
    let table: Table<u32, V> = Table::new("refused");
    let (_folder, path) = place();
    let db = Db::open(&path).unwrap();
    let errors = [
        db.put(table, 1, row.clone()).unwrap_err(),
        db.bulk_load(table, [(1, row.clone())]).unwrap_err(),
        db.put_many(table, [(1, row)]).unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::UnsupportedRow, "{error}");
        assert!(error.to_string().contains("refused"), "the table is named: {error}");
    }
    assert!(db.verify().unwrap().tables.is_empty(), "nothing was written");
    drop(db);
    assert!(Db::open(&path).unwrap().verify().unwrap().tables.is_empty());
}

#[test]
fn types_that_do_not_come_back_are_refused_by_puts_and_loads() {
    refused(Skips { id: 1, name: None, last: 2 });
    refused(Flat { id: 1, rest: HashMap::from([("a".to_owned(), 1)]) });
    refused(Untagged::Number(1));
    refused(Untagged::Text("a".to_owned()));
    refused(Tagged::Number { value: 1 });
    refused(serde_json::json!({ "a": [1, 2, null] }));
}
