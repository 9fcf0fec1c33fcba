//! The `gangline` command, as a user and a script call it.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod fixture;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use gangline::{Db, Durability, Index, Options, Table};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Runs the command with this input.
fn fed(arguments: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_gangline"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    std::thread::scope(|scope| {
        // A command that refuses its input does not read it to the end.
        scope.spawn(move || stdin.write_all(input).map_or((), drop));
        child.wait_with_output().unwrap()
    })
}

fn run(arguments: &[&str]) -> Output {
    fed(arguments, b"")
}

/// What a command that ends with this code writes: nothing but JSON objects, one a line.
fn lines_with(code: i32, arguments: &[&str]) -> Vec<Value> {
    let output = run(arguments);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {output:?}");
    objects(&output.stdout)
}

fn objects(text: &[u8]) -> Vec<Value> {
    let lines = std::str::from_utf8(text).unwrap().lines();
    let objects: Vec<Value> = lines.map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(objects.iter().all(Value::is_object));
    objects
}

fn lines(arguments: &[&str]) -> Vec<Value> {
    lines_with(0, arguments)
}

/// What a command that fails says.
fn refusal(code: i32, output: &Output) -> String {
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    String::from_utf8(output.stderr.clone()).unwrap()
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Folder(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn name(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Role {
    Buyer,
    Seller { since: Option<Option<u16>> },
    Admin(u128, String),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct User {
    name: String,
    nick: Option<String>,
    roles: Vec<Role>,
    rating: f32,
    balance: i128,
    by_year: BTreeMap<u16, Option<char>>,
    joined: chrono::NaiveDate,
    seen: jiff::Timestamp,
    token: uuid::Uuid,
    page: url::Url,
    blob: Vec<u8>,
}

const USERS: Table<u64, User> = Table::new("users").indexes(&[&BY_NAME]);
const BY_NAME: Index<String, User> = Index::new("by_name", |user, out| out.key(&user.name));
const NOTES: Table<(String, i32), Option<String>> = Table::new("notes");
const EMPTY: Table<bool, u8> = Table::new("empty");

fn user(id: u64) -> User {
    let names = ["ann", "=1+1", "+a", "-b", "@c", "'d", "\t=e", "f,\"g\"\r\nh", "", "ü"];
    let role = match id % 3 {
        0 => Role::Buyer,
        1 => Role::Seller { since: [None, Some(None), Some(Some(1999))][id as usize % 9 / 3] },
        _ => Role::Admin(u128::MAX - u128::from(id), "x".repeat(id as usize % 5)),
    };
    User {
        name: names[id as usize % 10].to_owned(),
        nick: (id % 4 > 1).then(|| names[id as usize / 4 % 10].to_owned()),
        roles: vec![role; id as usize % 3],
        rating: [0.1, -0.0, f32::NAN, f32::NEG_INFINITY, 7.038531e-26][id as usize % 5],
        balance: i128::MIN + i128::from(id),
        by_year: (0..id as u16 % 4).map(|year| (year, (year % 2 == 0).then_some('é'))).collect(),
        joined: chrono::NaiveDate::from_ymd_opt(2000 + id as i32 % 20, 2, 28).unwrap(),
        seen: jiff::Timestamp::from_second(id as i64 * 1_000).unwrap(),
        token: uuid::Uuid::from_u128(u128::from(id) << 64 | 7),
        page: url::Url::parse(&format!("https://example.org/{id}?q=a")).unwrap(),
        blob: vec![id as u8; id as usize % 50],
    }
}

/// More than a pipe holds, and than the page store reads when it is opened.
fn texts(db: &Db) {
    let row = |id: u64| (id, format!("{id} {}", "x".repeat(200)));
    db.bulk_load(Table::<u64, String>::new("texts"), (0..TEXT_COUNT).map(row)).unwrap();
}

const TEXT_COUNT: u64 = 20_000;
const USER_COUNT: u64 = 1_000;

/// A store with all that is awkward to write down.
fn store(path: &Path) {
    let db = Options::new().durability(Durability::Eventual).segment_rows(100).open(path).unwrap();
    db.bulk_load(USERS, (0..USER_COUNT).map(|id| (id, user(id)))).unwrap();
    for at in -3..3 {
        db.put(NOTES, ("=a\0\"b", at), (at > 0).then(|| format!("{at}"))).unwrap();
    }
    db.put(EMPTY, true, 1).unwrap();
    db.remove(EMPTY, true).unwrap();
    for _ in 0..20 {
        db.next_id(USERS).unwrap();
    }
    db.close().unwrap();
}

/// Rows and checksum of each table, as the command's `verify` tells them.
fn checksums(store: &str) -> Vec<(String, u64, String)> {
    let mut found = lines(&["verify", store]);
    let summary = found.pop().unwrap();
    assert_eq!((summary["clean"].as_bool(), summary["errors"].as_u64()), (Some(true), Some(0)));
    let tables = found.iter().filter(|table| table["name"] != "users.by_name" && table["name"] != "towns.by_name");
    let tables = tables.filter(|table| table["name"] != "towns.by_letter");
    tables
        .map(|table| {
            let text = |field: &str| table[field].as_str().unwrap().to_owned();
            (text("name"), table["rows"].as_u64().unwrap(), text("checksum"))
        })
        .collect()
}

const FIXTURES: [&str; 6] =
    ["format-1-closed", "format-1-open", "format-2-closed", "format-2-open", "format-3-closed", "format-3-open"];

fn unpacked(folder: &Folder, name: &str) -> String {
    fixture::unpack(&fs::read_to_string(fixture::path(name)).unwrap(), &folder.path(name));
    folder.name(name)
}

#[test]
fn every_fixture_is_dumped_by_what_is_stored_of_its_types() {
    let folder = Folder::new();
    for name in FIXTURES {
        let store = unpacked(&folder, name);
        let tables = lines(&["tables", &store]);
        assert!(tables.len() >= 3, "{tables:?}");
        for table in &tables {
            let (table, rows) = (table["name"].as_str().unwrap(), table["rows"].as_u64().unwrap());
            let dumped = lines(&["dump", &store, table]);
            assert_eq!(dumped.len() as u64, rows, "{name} {table}");
            assert!(dumped.iter().all(|line| line.as_object().unwrap().keys().eq(["key", "row"])));
            let csv = run(&["dump", &store, table, "--csv"]);
            let records = csv::Reader::from_reader(&csv.stdout[..]).into_records().map(Result::unwrap).count();
            assert_eq!((csv.status.code(), records as u64), (Some(0), rows), "{name} {table}");
        }
        let seven = run(&["dump", &store, "people", "--from", "8", "--limit", "2"]).stdout;
        let expected = concat!(
            r#"{"key":8,"row":{"name":"person 8","roles":[{"Admin":"level 8"}],"balance":-56,"rating":2.0,"tags":{"id":8}}}"#,
            "\n",
            r#"{"key":9,"row":{"name":"person 9","roles":["Buyer"],"balance":-63,"rating":null,"tags":{"id":9}}}"#,
            "\n"
        );
        assert_eq!(String::from_utf8(seven).unwrap(), expected, "{name}");
    }
}

#[test]
fn exports_are_imported_bit_for_bit() {
    let folder = Folder::new();
    store(&folder.path("shop"));
    let fixtures = FIXTURES.map(|name| unpacked(&folder, name));
    for (at, store) in fixtures.iter().chain([&folder.name("shop")]).enumerate() {
        let before = checksums(store);
        // Through a pipe.
        let exported = run(&["export", store]);
        assert_eq!(exported.status.code(), Some(0), "{exported:?}");
        objects(&exported.stdout);
        let copy = folder.name(&format!("copy-{at}"));
        let imported = fed(&["import", &copy], &exported.stdout);
        assert_eq!(imported.status.code(), Some(0), "{imported:?}");
        assert_eq!(checksums(&copy), before);
        // Through a packed file.
        let (packed, again) = (folder.name(&format!("all-{at}.gz")), folder.name(&format!("again-{at}")));
        lines(&["export", store, "--out", &packed]);
        assert!(fs::read(&packed).unwrap().starts_with(&[0x1f, 0x8b]));
        lines(&["import", &again, "--file", &packed]);
        assert_eq!(checksums(&again), before);
        // Table by table through CSV.
        let (cells, schema) = (folder.name("cells.csv"), folder.name("schema.json"));
        let sheet = folder.name(&format!("sheet-{at}"));
        for (table, rows, _) in &before {
            lines(&["export", store, table, "--csv", "--schema", &schema, "--out", &cells]);
            let report = lines(&["import", &sheet, table, "--csv", "--schema", &schema, "--file", &cells]);
            assert_eq!(report[0]["tables"][0]["rows"].as_u64(), Some(*rows));
        }
        assert_eq!(checksums(&sheet), before);
    }
    // The program opens the copy, once its index is built, and goes on with its ids.
    let db = Db::open(folder.path("copy-6")).unwrap();
    db.build_indexes(USERS, |_| ()).unwrap();
    assert_eq!(db.get(USERS, 17).unwrap().map(|user| user.page.clone()), Some(user(17).page));
    assert_eq!(db.query(USERS).by(&BY_NAME).equal("ü").count().unwrap(), USER_COUNT / 10);
    assert!(db.next_id(USERS).unwrap() > 20);
}

#[test]
fn cells_that_a_spreadsheet_would_run_are_harmless() {
    let folder = Folder::new();
    store(&folder.path("shop"));
    let csv = run(&["dump", &folder.name("shop"), "users", "--csv"]).stdout;
    let mut reader = csv::Reader::from_reader(&csv[..]);
    let names: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    assert_eq!(names[..3], ["key", "name", "nick"]);
    let mut marked = 0;
    for record in reader.records().map(Result::unwrap) {
        for cell in record.iter() {
            assert!(!cell.starts_with(['=', '+', '@', '\t', '\r']), "{cell:?}");
            assert!(!cell.starts_with('-') || cell.parse::<f64>().is_ok(), "{cell:?}");
            marked += usize::from(cell.starts_with('\''));
        }
    }
    assert!(marked > 500, "{marked}");
}

#[test]
fn bad_rows_are_named_and_nothing_of_them_is_left() {
    let folder = Folder::new();
    let store = folder.name("store");
    let schema = r#"{"table":"t","version":1,"key":"u8","row":{"struct":{"name":"T","fields":{"named":[["a","u8"],["b",{"option":"text"}]]}}}}"#;
    let text = |rows: &str, count: u32| format!("{schema}\n{rows}{{\"end\":\"t\",\"rows\":{count}}}\n");
    let import = |text: &str| fed(&["import", &store], text.as_bytes());
    let tables = || lines(&["tables", &store]).len();
    for (rows, count, says) in [
        (
            "{\"key\":1,\"row\":{\"a\":1}}\n{\"key\":2,\"row\":{\"a\":300}}\n",
            2,
            "line 3, column 21, field row.a: expected a whole number from 0 to 255",
        ),
        ("{\"key\":-1,\"row\":{\"a\":1}}\n", 1, "line 2, column 8, field key: expected a whole number"),
        ("{\"key\":1,\"row\":{\"a\":1}\n", 1, "line 2, column 22: this is no JSON"),
        ("{\"key\":1}\n", 1, "line 2, column 1: expected {\"key\":...,\"row\":...}"),
        ("{\"key\":1,\"row\":{\"a\":1,\"c\":2}}\n", 1, "there is no field \"c\""),
        ("{\"key\":1,\"row\":{\"a\":1}}\n{\"key\":1,\"row\":{\"a\":2}}\n", 2, "under key 1 already"),
        ("{\"key\":1,\"row\":{\"a\":1}}\n", 2, "lines are lost"),
        ("{\"key\":1,\"bytes\":\"01\"}\n", 1, "the bytes are no row of the table"),
    ] {
        let said = refusal(3, &import(&text(rows, count)));
        assert!(said.contains(says), "{said}");
        assert_eq!(tables(), 0, "{said}");
    }
    let cut_off = format!("{schema}\n{{\"key\":1,\"row\":{{\"a\":1}}}}\n");
    assert!(refusal(3, &import(&cut_off)).contains("was cut off"));
    assert!(refusal(3, &import("{\"key\":1,\"row\":1}\n")).contains("there is no table to import into"));
    for hostile in [
        r#"{"table":"t","version":1,"key":"u8","row":{"recursive":3}}"#.to_owned(),
        r#"{"table":"gangline.x","version":1,"key":"u8","row":"u8"}"#.to_owned(),
        format!(r#"{{"table":"t","version":1,"key":"u8","row":{}"u8"{}}}"#, r#"{"list":"#.repeat(500), "}".repeat(500)),
    ] {
        refusal(3, &import(&hostile));
        assert_eq!(tables(), 0);
    }

    // With leave to go on, the good rows come in.
    let rows = "{\"key\":1,\"row\":{\"a\":1}}\nno\n{\"key\":2,\"row\":{\"a\":2,\"b\":\"x\"}}\n";
    let output = fed(&["import", &store, "--skip-bad"], text(rows, 3).as_bytes());
    assert!(refusal(1, &output).contains("left out: line 3, column 2: this is no JSON"));
    assert_eq!(objects(&output.stdout)[0]["bad_rows"].as_u64(), Some(1));
    assert_eq!(lines(&["dump", &store, "t"]).len(), 2);
    // A second import adds, and does not replace, unless it is told to.
    let rows = "{\"key\":2,\"row\":{\"a\":9}}\n{\"key\":3,\"row\":{\"a\":9}}\n";
    assert!(refusal(3, &import(&text(rows, 2))).contains("under key 2 already"));
    assert_eq!(lines(&["dump", &store, "t"]).len(), 2);
    assert_eq!(fed(&["import", &store, "--replace"], text(rows, 2).as_bytes()).status.code(), Some(0));
    assert_eq!(lines(&["get", &store, "t", "2"])[0]["row"]["a"].as_u64(), Some(9));
    // Into another type it does not go.
    let other = text("", 0).replace("\"u8\"],[\"b\"", "\"u16\"],[\"b\"");
    assert!(refusal(3, &import(&other)).contains("have another shape"));

    let csv = |cells: &str| fed(&["import", &store, "t", "--csv"], cells.as_bytes());
    for (cells, says) in [
        ("key,a,b\n7,1\n", "line 2: expected 3 cells, found 2"),
        ("key,a,b\n7,1,\n8,x,\n", "line 3, field a: expected a whole number"),
        ("key,b\n7,\n", "field a: the column is missing"),
        ("key,a,z\n", "there is no field \"z\""),
        ("a,b\n", "the first of which is key"),
        ("key,a,a\n", "there twice"),
    ] {
        let said = refusal(3, &csv(cells));
        assert!(said.contains(says), "{said}");
    }
    assert_eq!(csv("key,b,a\n7,'=x,1\n8,',2\n9,,3\n").status.code(), Some(0));
    let row = |key: &str| lines(&["get", &store, "t", key])[0]["row"]["b"].clone();
    assert_eq!((row("7"), row("8"), row("9")), ("=x".into(), "".into(), Value::Null));
}

#[test]
fn what_is_too_long_or_too_much_is_refused() {
    let folder = Folder::new();
    let (store, packed) = (folder.name("store"), folder.name("in.gz"));
    let schema = r#"{"table":"t","version":1,"key":"u8","row":"text"}"#;
    let text = format!("{schema}\n{{\"key\":1,\"row\":\"{}\"}}\n{{\"end\":\"t\",\"rows\":1}}\n", "a".repeat(3_000_000));
    let mut packing = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packing.write_all(text.as_bytes()).unwrap();
    let bytes = packing.finish().unwrap();
    assert!(bytes.len() < 10_000);
    fs::write(&packed, &bytes).unwrap();
    let import = |more: &[&str]| run(&[&["import", &store, "--file", &packed], more].concat());
    assert!(refusal(3, &import(&["--max-unpacked-bytes", "1000000"])).contains("--max-unpacked-bytes"));
    assert!(refusal(3, &import(&["--max-line-bytes", "1000000"])).contains("line 2 has more than 1000000 bytes"));
    let csv = format!("key,row\n1,{}\n", "a".repeat(3_000_000));
    fs::write(folder.path("schema"), schema).unwrap();
    let arguments = ["import", &store, "--csv", "--schema", &folder.name("schema"), "--max-line-bytes", "1000000"];
    assert!(refusal(3, &fed(&arguments, csv.as_bytes())).contains("line 2 has more than 1000000 bytes"));
    fs::write(&packed, &bytes[..bytes.len() / 2]).unwrap();
    assert!(refusal(3, &import(&[])).contains("cannot read"));
    assert_eq!(lines(&["tables", &store]).len(), 0);
    assert_eq!(fed(&["import", &store], &bytes).status.code(), Some(0));
    assert_eq!(lines(&["tables", &store])[0]["rows"].as_u64(), Some(1));
}

#[test]
fn rows_are_found_by_the_text_of_their_key() {
    let folder = Folder::new();
    store(&folder.path("shop"));
    let shop = folder.name("shop");
    assert_eq!(lines(&["get", &shop, "users", "7"])[0]["row"]["page"], "https://example.org/7?q=a");
    assert_eq!(lines(&["get", &shop, "notes", "[\"=a\\u0000\\\"b\", 2]"])[0]["row"], "2");
    assert!(lines_with(1, &["get", &shop, "users", "5000"]).is_empty());
    assert!(refusal(3, &run(&["get", &shop, "users", "x"])).contains("is no key of table \"users\" (u64)"));
    assert!(refusal(3, &run(&["get", &shop, "user", "7"])).contains("there is no table \"user\""));
    let some = lines(&["dump", &shop, "users", "--from", "990", "--to", "995"]);
    assert_eq!(some.iter().map(|line| line["key"].as_u64().unwrap()).collect::<Vec<_>>(), [990, 991, 992, 993, 994]);
    assert!(lines(&["dump", &shop, "users", "--from", "5", "--to", "5"]).is_empty());
}

#[test]
fn damage_is_told_by_the_exit_code() {
    let folder = Folder::new();
    store(&folder.path("shop"));
    let db = Db::open(folder.path("shop")).unwrap();
    texts(&db);
    db.close().unwrap();
    let shop = folder.name("shop");
    let (backup, restored, mended) = (folder.name("backup"), folder.name("restored"), folder.name("mended"));
    let rows = lines(&["backup", &shop, &backup])[0]["rows"].as_u64().unwrap();
    assert!(rows > USER_COUNT);
    lines(&["restore", &backup, &restored]);
    let before = checksums(&shop);
    assert_eq!(checksums(&restored), before);
    lines(&["compact", &shop]);
    assert_eq!(checksums(&shop), before);
    assert!(lines(&["status", &shop])[0]["live_bytes"].as_u64().unwrap() > 0);

    // A byte of some pages: of most there is more than one copy. The page store reads the end of its file when it is opened.
    let data = folder.path("restored/sled-000001/db");
    let mut bytes = fs::read(&data).unwrap();
    let pages: Vec<usize> = (0..bytes.len() - 44).filter(|at| bytes[*at..].starts_with(b"GnLn\x01\x01")).collect();
    pages[pages.len() / 4..pages.len() / 2].iter().step_by(25).for_each(|at| bytes[at + 44] ^= 0x20);
    fs::write(&data, bytes).unwrap();
    let found = lines_with(1, &["verify", &restored]);
    assert_eq!(found.last().unwrap()["clean"], false);
    assert!(found.iter().any(|table| table["name"] == "texts" && table["errors"][0].is_string()), "{found:?}");
    refusal(1, &run(&["dump", &restored, "texts"]));
    let report = lines_with(1, &["repair", &restored, &mended]);
    assert!(report[0]["tables"].as_array().is_some_and(|tables| tables.len() >= 4), "{report:?}");
    assert!(checksums(&mended).iter().any(|(name, rows, _)| name == "texts" && *rows > TEXT_COUNT / 2));

    fs::write(folder.path("backup").join("root"), b"no root").unwrap();
    assert!(refusal(1, &run(&["verify", &backup])).contains("run repair"));
    assert!(refusal(3, &run(&["verify", &folder.name("nowhere")])).contains("there is no store"));
    assert!(!folder.path("nowhere").exists());
}

#[test]
fn the_command_line_is_checked_and_explained() {
    for arguments in
        [&[][..], &["look"], &["get", "a"], &["dump", "a", "b", "--csv", "--json"], &["export", "a", "--schema", "b"]]
    {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(output.stdout.is_empty());
    }
    let folder = Folder::new();
    store(&folder.path("shop"));
    let several = run(&["export", &folder.name("shop"), "--csv"]);
    assert!(refusal(2, &several).contains("name one"));
    let help = String::from_utf8(run(&["--help"]).stdout).unwrap();
    for word in [
        "Exit codes",
        "status",
        "tables",
        "get",
        "dump",
        "verify",
        "repair",
        "backup",
        "restore",
        "compact",
        "export",
        "import",
        "locks",
    ] {
        assert!(help.contains(word), "{word}");
    }
}

#[test]
fn a_reader_that_goes_away_ends_the_command_quietly() {
    let folder = Folder::new();
    let db = Db::open(folder.path("shop")).unwrap();
    texts(&db);
    db.close().unwrap();
    let shop = folder.name("shop");
    for arguments in [&["dump", &shop, "texts"][..], &["dump", &shop, "texts", "--csv"], &["export", &shop]] {
        let mut child = Command::new(env!("CARGO_BIN_EXE_gangline"))
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut first = String::new();
        stdout.read_line(&mut first).unwrap();
        assert!(!first.is_empty());
        drop(stdout);
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert_eq!((child.wait().unwrap().code(), said.as_str()), (Some(0), ""), "{arguments:?}");
    }
    assert!(lines(&["verify", &shop]).last().unwrap()["clean"].as_bool().unwrap());
}

#[test]
fn a_store_in_use_is_refused_but_for_what_its_program_serves() {
    let folder = Folder::new();
    store(&folder.path("shop"));
    let shop = folder.name("shop");
    assert!(refusal(3, &run(&["locks", &shop])).contains("no program has the store open"));
    let db = Options::new().create(false).open(folder.path("shop")).unwrap();
    for arguments in [&["tables", &shop][..], &["locks", &shop], &["verify", &shop], &["dump", &shop, "users"]] {
        assert!(refusal(3, &run(arguments)).contains("open"), "{arguments:?}");
    }
    let said = refusal(3, &fed(&["import", &shop], b""));
    assert!(said.contains("open"), "{said}");
    #[cfg(unix)]
    {
        let socket = db.serve_status().unwrap();
        assert!(db.serve_status().is_err(), "it is served already");
        let _guard = db.lock("renderer").unwrap();
        let locks = lines(&["locks", &shop]);
        assert!(locks[0]["granules"][1]["granule"].to_string().contains("renderer"), "{locks:?}");
        assert!(String::from_utf8(run(&["locks", &shop, "--text"]).stdout).unwrap().contains("held"));
        assert_eq!(lines(&["tables", &shop]).len(), 3);
        assert!(lines(&["status", &shop])[0]["locks"]["wait_time"]["count"].as_u64().is_some());
        drop(socket);
        refusal(3, &run(&["locks", &shop]));
        assert!(!folder.path("shop").join("status.socket").exists());
        // One that is left from a process that is gone is in nobody's way.
        drop(std::os::unix::net::UnixListener::bind(folder.path("shop").join("status.socket")).unwrap());
        let _socket = db.serve_status().unwrap();
        lines(&["locks", &shop]);
        // It does not keep the database open.
        drop((_guard, db));
        assert_eq!(lines(&["tables", &shop]).len(), 3);
    }
}
