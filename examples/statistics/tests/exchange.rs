//! The store of the marketplace goes out as text and comes back, row for row.

use gangline::{Db, Export, Import};
use gangline_statistics::data::load::load;
use gangline_statistics::data::source::Source;

#[test]
fn the_sample_comes_back_from_json_lines_and_from_csv() {
    let db = Db::in_memory().unwrap();
    load(&db, "memory", &Source::built_in().unwrap(), |_| ()).unwrap();
    let (by_json, by_csv) = (Db::in_memory().unwrap(), Db::in_memory().unwrap());
    let names = db.exported_tables().unwrap();
    assert!(names.len() >= 7, "{names:?}");
    for name in &names {
        let (mut lines, mut cells) = (Vec::new(), Vec::new());
        let rows = db.export(name, Export::json(), &mut lines).unwrap();
        by_json.import(Import::json(), &lines[..]).unwrap();
        assert_eq!(db.export(name, Export::csv(), &mut cells).unwrap(), rows);
        by_csv.import(Import::csv().schema(db.schema(name).unwrap()), &cells[..]).unwrap();
    }
    let sums = |db: &Db| -> Vec<_> {
        db.verify().unwrap().tables.into_iter().map(|table| (table.name, table.rows, table.checksum)).collect()
    };
    assert_eq!(sums(&by_json), sums(&db));
    assert_eq!(sums(&by_csv), sums(&db));
}
