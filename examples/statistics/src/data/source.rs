//! Where rows come from: the built-in sample, or a folder of Olist's CSV files.
//!
//! A folder may hold any of the tables, plain or as `.gz`, under Olist's long names or the short ones of the sample.
//! The files are read whole and hashed, so that a store can tell whether it holds just this data; the hash covers
//! what the tables say and not what their files are called.

use std::fs;
use std::io::{self, Read};
use std::path::Path;
use std::time::{Duration, SystemTime};

use flate2::read::MultiGzDecoder;
use xxhash_rust::xxh3::Xxh3;

use super::archive;
use crate::error::{Error, Result};

/// Fingerprint of the built-in sample.
const SAMPLE_FINGERPRINT: &str = "4686fde9e97855b836b0a0107b4b1c10";

/// A file that is older is not written again in the same tick of the file system's clock.
const SETTLED: Duration = Duration::from_secs(3);

/// The tables of the data set, one file each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sheet {
    Customers,
    Items,
    Orders,
    Payments,
    Products,
    Reviews,
    Sellers,
    Translation,
}

impl Sheet {
    const ALL: [Sheet; 8] = [
        Sheet::Customers,
        Sheet::Items,
        Sheet::Orders,
        Sheet::Payments,
        Sheet::Products,
        Sheet::Reviews,
        Sheet::Sellers,
        Sheet::Translation,
    ];

    /// File names without `.gz`: that of the sample, then Olist's.
    fn names(self) -> &'static [&'static str] {
        match self {
            Sheet::Customers => &["customers.csv", "olist_customers_dataset.csv"],
            Sheet::Items => &["order_items.csv", "olist_order_items_dataset.csv"],
            Sheet::Orders => &["orders.csv", "olist_orders_dataset.csv"],
            Sheet::Payments => &["order_payments.csv", "olist_order_payments_dataset.csv"],
            Sheet::Products => &["products.csv", "olist_products_dataset.csv"],
            Sheet::Reviews => &["order_reviews.csv", "olist_order_reviews_dataset.csv"],
            Sheet::Sellers => &["sellers.csv", "olist_sellers_dataset.csv"],
            Sheet::Translation => &["product_category_name_translation.csv"],
        }
    }

    fn of_file(name: &str) -> Option<Sheet> {
        let name = name.strip_suffix(".gz").unwrap_or(name);
        Sheet::ALL.into_iter().find(|sheet| sheet.names().contains(&name))
    }
}

/// The text of one table.
#[derive(Debug)]
struct File {
    sheet: Sheet,
    name: String,
    bytes: Vec<u8>,
}

/// All tables of one data set, unpacked.
#[derive(Debug)]
pub struct Source {
    label: String,
    fingerprint: String,
    files: Vec<File>,
}

impl Source {
    /// The sample that is built into the program.
    ///
    /// # Errors
    ///
    /// Only if the archive in the program is damaged.
    pub fn built_in() -> Result<Self> {
        let named = |(name, bytes): (String, Vec<u8>)| Sheet::of_file(&name).map(|sheet| File { sheet, name, bytes });
        let files = archive::unpack()?.into_iter().filter_map(named).collect();
        Ok(Source::new(archive::LABEL.to_owned(), files))
    }

    /// The CSV files of a folder.
    ///
    /// # Errors
    ///
    /// If the folder or a file of it cannot be read, if it holds none of the tables, or one of them twice.
    pub fn folder(folder: &Path) -> Result<Self> {
        if !folder.exists() {
            return Err(Error::NoData(format!("the data folder {} does not exist", folder.display())));
        }
        let mut files: Vec<File> = Vec::new();
        for entry in fs::read_dir(folder).map_err(Error::file("read the data folder", folder))? {
            let path = entry.map_err(Error::file("read the data folder", folder))?.path();
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            let Some(sheet) = Sheet::of_file(&name) else { continue };
            if let Some(other) = files.iter().find(|file| file.sheet == sheet) {
                return Err(Error::Data(format!(
                    "the data folder {} holds one table twice, as {} and as {name}; remove one of them",
                    folder.display(),
                    other.name,
                )));
            }
            files.push(File { sheet, bytes: read(&path).map_err(Error::file("read", &path))?, name });
        }
        if files.iter().all(|file| file.sheet == Sheet::Translation) {
            let known: Vec<&str> = Sheet::ALL.iter().map(|sheet| sheet.names()[0]).collect();
            return Err(Error::NoData(format!(
                "the data folder {} holds no table; expected any of {} (or Olist's own names), plain or as .gz",
                folder.display(),
                known.join(", "),
            )));
        }
        Ok(Source::new(label(folder), files))
    }

    fn new(label: String, mut files: Vec<File>) -> Self {
        files.sort_by_key(|file| file.sheet as u8);
        let mut hash = Xxh3::new();
        for file in &files {
            hash.update(&[file.sheet as u8]);
            hash.update(&(file.bytes.len() as u64).to_le_bytes());
            hash.update(&file.bytes);
        }
        Source { label, fingerprint: format!("{:032x}", hash.digest128()), files }
    }

    /// What the data is called in messages.
    pub fn label(&self) -> &str {
        &self.label
    }

    /// A hash of everything that the tables say.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Name and text of a table, if it is there.
    pub(crate) fn sheet(&self, sheet: Sheet) -> Option<(&str, &[u8])> {
        let file = self.files.iter().find(|file| file.sheet == sheet)?;
        Some((&file.name, &file.bytes))
    }
}

/// What a folder is called: its real path, so that it means the same from everywhere, and also once it is gone.
pub(crate) fn label(folder: &Path) -> String {
    let absolute = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
    let by_parent = || Some(absolute.parent()?.canonicalize().ok()?.join(absolute.file_name()?));
    absolute.canonicalize().ok().or_else(by_parent).unwrap_or_else(|| absolute.clone()).display().to_string()
}

/// What the files of a folder look like from outside: names, sizes and times. None where that proves nothing: a file
/// that was written just now may be written again within the same tick of the clock.
pub(crate) fn stamp(folder: &Path) -> Option<String> {
    let mut lines = Vec::new();
    for entry in fs::read_dir(folder).ok()? {
        let entry = entry.ok()?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if Sheet::of_file(&name).is_none() {
            continue;
        }
        let about = fs::metadata(entry.path()).ok()?;
        let written = about.modified().ok()?;
        if written.elapsed().ok()? < SETTLED {
            return None;
        }
        let since = written.duration_since(SystemTime::UNIX_EPOCH).ok()?;
        lines.push(format!("{name} {} {}", about.len(), since.as_nanos()));
    }
    lines.sort();
    Some(lines.join("\n"))
}

/// Whether a fingerprint is that of the built-in sample, however it came to the store.
pub(crate) fn is_sample(fingerprint: &str) -> bool {
    fingerprint == SAMPLE_FINGERPRINT
}

/// Whose the data are, for whoever looks at them.
pub(crate) fn credit(sample: bool) -> &'static str {
    match sample {
        true => {
            "Data: Olist, from its repository work-at-olist-data, under that repository's MIT licence, copyright 2019 Olist."
        }
        false => "Data: in the form in which Olist publishes its marketplace; its terms are those of its publisher.",
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let bytes = fs::read(path)?;
    if path.extension().is_none_or(|extension| extension != "gz") {
        return Ok(bytes);
    }
    let mut text = Vec::new();
    MultiGzDecoder::new(bytes.as_slice()).read_to_end(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    #[test]
    fn a_stamp_changes_with_the_files_and_is_not_taken_too_early() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sellers.csv");
        let now = SystemTime::now();
        let write = |text: &str, seconds: u64| {
            fs::write(&path, text).unwrap();
            let time = now - Duration::from_secs(seconds);
            fs::File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
            stamp(folder.path())
        };
        let old = write("a", 1_000);
        assert!(old.is_some() && old == stamp(folder.path()));
        assert_ne!(write("ab", 1_000), old, "another size");
        assert_ne!(write("b", 900), old, "another time");
        assert_eq!(write("b", 0), None);
        assert_eq!(stamp(&folder.path().join("missing")), None);
    }

    #[test]
    fn the_sample_has_its_fingerprint_and_all_tables() {
        let sample = Source::built_in().unwrap();
        assert_eq!(sample.fingerprint(), SAMPLE_FINGERPRINT);
        for sheet in Sheet::ALL {
            assert!(sample.sheet(sheet).is_some_and(|(_, text)| !text.is_empty()), "{sheet:?}");
        }
    }

    #[test]
    fn a_folder_means_the_same_plain_packed_and_under_olist_names() {
        let text = b"seller_id,seller_zip_code_prefix,seller_city,seller_state\n";
        let plain = tempfile::tempdir().unwrap();
        fs::write(plain.path().join("sellers.csv"), text).unwrap();
        fs::write(plain.path().join("notes.txt"), "not a table").unwrap();
        let packed = tempfile::tempdir().unwrap();
        let file = fs::File::create(packed.path().join("olist_sellers_dataset.csv.gz")).unwrap();
        let mut gz = GzEncoder::new(file, Compression::fast());
        gz.write_all(text).unwrap();
        gz.finish().unwrap();
        let (plain, packed) = (Source::folder(plain.path()).unwrap(), Source::folder(packed.path()).unwrap());
        assert_eq!(plain.fingerprint(), packed.fingerprint());
        assert_ne!(plain.label(), packed.label());
        assert_eq!(packed.sheet(Sheet::Sellers), Some(("olist_sellers_dataset.csv.gz", text.as_slice())));
        assert_eq!(packed.sheet(Sheet::Orders), None);
    }

    #[test]
    fn a_folder_that_is_gone_keeps_its_name() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("csv");
        fs::create_dir(&folder).unwrap();
        let there = label(&root.path().join("csv/../csv"));
        fs::remove_dir(&folder).unwrap();
        assert_eq!(label(&folder), there);
        assert!(Path::new(&label(Path::new("gone"))).is_absolute());
    }

    #[test]
    fn a_folder_without_tables_or_with_one_twice_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let text = Source::folder(folder.path()).unwrap_err().to_string();
        assert!(text.contains("holds no table") && text.contains("order_items.csv"), "{text}");
        fs::write(folder.path().join("sellers.csv"), "").unwrap();
        fs::write(folder.path().join("olist_sellers_dataset.csv"), "").unwrap();
        let text = Source::folder(folder.path()).unwrap_err().to_string();
        assert!(text.contains("twice") && text.contains("olist_sellers_dataset.csv"), "{text}");
        let text = Source::folder(&folder.path().join("missing")).unwrap_err().to_string();
        assert!(text.contains("missing"), "{text}");
    }

    #[test]
    fn a_packed_file_that_is_cut_off_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let mut gz = GzEncoder::new(Vec::new(), Compression::fast());
        gz.write_all(&[b'x'; 10_000]).unwrap();
        let whole = gz.finish().unwrap();
        fs::write(folder.path().join("orders.csv.gz"), &whole[..whole.len() - 6]).unwrap();
        let text = Source::folder(folder.path()).unwrap_err().to_string();
        assert!(text.contains("orders.csv.gz"), "{text}");
    }
}
