//! Which of the frames that are left are in force: directory, page lists, and so for each range of keys its page.
//!
//! Everything names what is below it, with a checksum: the root the directory, a directory entry its page list, a page
//! list its pages. Where all of that fits, the structure is *proved*: it is the one of the root, whatever else lies
//! about. Where the root is lost, or an entry is, the newest entry of each segment counts, unless a newer segment has
//! taken its keys over since.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::carve::{Carved, Entry};
use super::commits::Commits;
use crate::codec::KeyBuf;
use crate::codec::frame::FrameKind;
use crate::recovery::directory_state::{DirectoryState, Subject};
use crate::storage::{Root, Slots};
use crate::table::entry::{
    ListedPage, catalog_key, counts, decode_definition, directory_key, open_catalog_part, open_page_list,
};
use crate::table::page::{PageAddress, StoredPage};
use crate::table::segment::StoredSegment;
use crate::table::table_core::Definition;

/// Versions of a page list that are tried: ids are given again after a crash.
const MAX_VERSIONS: usize = 16;

/// What is in force.
#[derive(Debug)]
pub(super) struct Structure {
    pub(super) tables: Vec<TablePlan>,
    /// The directory is that of the root.
    pub(super) is_proved: bool,
    /// Commits up to this one are in the pages. None without a root: then as much of the journal as there is counts.
    pub(super) last_commit: Option<u64>,
    /// The root says that the store was closed.
    pub(super) is_closed: bool,
}

/// One table: its definition, if it is left, and parts that cover all keys.
#[derive(Debug)]
pub(super) struct TablePlan {
    pub(super) id: u32,
    pub(super) definition: Option<Definition>,
    pub(super) parts: Vec<Part>,
}

/// A range of keys and where its rows are.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) low: KeyBuf,
    /// None: to the end.
    pub(super) high: Option<KeyBuf>,
    pub(super) holds: Holds,
}

#[derive(Debug)]
pub(super) enum Holds {
    Page(StoredPage),
    /// The last page of a segment, behind which a segment may be that no entry names any more.
    LastPage(StoredPage),
    /// What named the pages is lost, for this reason; rows and checksum, where the directory still has them.
    Unknown(String, Option<(u64, u64)>),
}

impl Holds {
    /// Rows and checksum, where they are known.
    pub(super) fn counts(&self) -> Option<(u64, u64)> {
        match self {
            Holds::Page(stored) | Holds::LastPage(stored) => Some((u64::from(stored.rows), stored.checksum)),
            Holds::Unknown(_, counts) => *counts,
        }
    }
}

/// A directory entry with its page list, if that is whole.
struct Chosen<'a> {
    entry: &'a Entry,
    pages: Result<Vec<ListedPage>, String>,
}

type Segments<'a> = BTreeMap<u32, Vec<Chosen<'a>>>;

impl Structure {
    pub(super) fn new(carved: &Carved, slots: &Slots, commits: &Commits) -> Structure {
        // With a slot damaged, the root that is left may be an older one, whose pages are gone by now.
        let root = slots.roots.first().filter(|_| slots.damaged.is_empty());
        for candidate in &slots.roots {
            // An older one is as good where the journal has all that followed.
            let counts = Some(candidate) == root || commits.go_on_from(candidate.last_commit, carved.newest_commit());
            let entries = newest(carved, candidate.number);
            if counts && state_of(carved, candidate.number, entries.values().copied()).is_of(candidate) {
                return Self::of(carved, Some(candidate), true, with_lists(carved, entries.into_values()));
            }
        }
        let limit = root.map_or(u64::MAX, |root| root.number);
        let mut segments = with_lists(carved, newest(carved, limit).into_values());
        segments.values_mut().for_each(drop_superseded);
        let is_proved = root.is_some_and(|root| fit(carved, root, &mut segments));
        if !is_proved {
            doubt_stale(carved, &mut segments);
        }
        Self::of(carved, root, is_proved, segments)
    }

    fn of(carved: &Carved, root: Option<&Root>, is_proved: bool, mut segments: Segments<'_>) -> Structure {
        let limit = root.map_or(u64::MAX, |root| root.number);
        let ids = if is_proved {
            let named =
                carved.catalog.keys().filter(|(_, checkpoint, _)| *checkpoint <= limit).map(|(table, ..)| *table);
            named.chain(segments.keys().copied()).collect::<BTreeSet<u32>>().into_iter().collect()
        } else {
            carved.tables()
        };
        let plan = |id| TablePlan {
            id,
            definition: definition(carved, id, limit),
            parts: parts(segments.remove(&id).unwrap_or_default(), is_proved),
        };
        let tables = ids.into_iter().map(plan).collect();
        let (last_commit, is_closed) = (root.map(|root| root.last_commit), root.is_some_and(|root| root.clean));
        Structure { tables, is_proved, last_commit, is_closed }
    }
}

/// The newest entry of each segment up to a checkpoint, but for those that a note ends.
fn newest(carved: &Carved, limit: u64) -> BTreeMap<(u32, u64), &Entry> {
    let mut newest = BTreeMap::new();
    for (key, entries) in &carved.entries {
        let Some(checkpoint) = entries.iter().map(|entry| entry.entry.checkpoint).filter(|at| *at <= limit).max()
        else {
            continue;
        };
        let notes = carved.gone.get(key).map_or(&[][..], Vec::as_slice);
        if notes.iter().any(|gone| *gone > checkpoint && *gone <= limit) {
            continue;
        }
        // A checkpoint that was cut off has a number that is given again: what has its page list is the one that counts.
        let same = || entries.iter().filter(|entry| entry.entry.checkpoint == checkpoint);
        let whole = same().find(|entry| same().count() == 1 || list_of(carved, entry).is_ok());
        newest.extend(whole.or(same().next()).map(|entry| (*key, entry)));
    }
    newest
}

/// The directory that these entries and the newest definitions make.
fn state_of<'a>(carved: &Carved, limit: u64, entries: impl Iterator<Item = &'a Entry>) -> DirectoryState {
    let mut state = DirectoryState::default();
    for ((table, checkpoint, part), value) in carved.catalog.iter().filter(|((_, at, _), _)| *at <= limit) {
        // In ascending order of checkpoints, so the newest of each part stays.
        state.put(&catalog_key(*table, *checkpoint, *part), value);
    }
    for Entry { entry, value } in entries {
        state.put(&directory_key(entry.table, entry.segment, entry.checkpoint), value);
    }
    state
}

fn with_lists<'a>(carved: &Carved, entries: impl Iterator<Item = &'a Entry>) -> Segments<'a> {
    let mut segments = Segments::new();
    for entry in entries {
        let pages = list_of(carved, entry);
        segments.entry(entry.entry.table).or_default().push(Chosen { entry, pages });
    }
    segments.values_mut().for_each(|segments| segments.sort_by(|a, b| a.low().cmp(b.low())));
    segments
}

impl Chosen<'_> {
    fn low(&self) -> &KeyBuf {
        &self.entry.entry.low
    }

    fn checkpoint(&self) -> u64 {
        self.entry.entry.checkpoint
    }

    /// Whether its page list takes a key in for certain: it has a page that begins at it or behind.
    fn covers(&self, key: &KeyBuf) -> bool {
        self.low() <= key && self.pages.as_ref().is_ok_and(|pages| pages.last().is_some_and(|last| last.low >= *key))
    }
}

/// The page list of a segment, if all of it is left and counts what is said of the segment.
fn page_list(carved: &Carved, (table, segment): (u32, u64), stored: &StoredSegment) -> Result<Vec<ListedPage>, String> {
    let mut versions = vec![Vec::new()];
    for id in &stored.lists {
        let owner = (table, PageAddress { segment, page: *id });
        let mut longer = Vec::new();
        for place in carved.places(owner) {
            let bytes = carved.bytes(&place);
            for before in &versions {
                let mut pages = before.clone();
                if open_page_list(table, segment, *id, &bytes, &mut pages).is_ok() {
                    longer.push(pages);
                }
            }
        }
        if longer.is_empty() {
            let place = carved.damage_of(owner);
            let place = place.map_or_else(String::new, |(file, at)| format!(", {} offset {at}", file.display()));
            return Err(format!("page list {id} of segment {segment} is damaged or missing{place}"));
        }
        longer.truncate(MAX_VERSIONS);
        versions = longer;
    }
    let counts_right = |pages: &Vec<ListedPage>| counts(pages) == (stored.rows, stored.checksum) && !pages.is_empty();
    let right = versions.into_iter().find(counts_right);
    right.ok_or_else(|| format!("the page list of segment {segment} is not the one that was written last"))
}

fn list_of(carved: &Carved, Entry { entry, .. }: &Entry) -> Result<Vec<ListedPage>, String> {
    page_list(carved, (entry.table, entry.segment), &entry.stored)
}

/// The parts of a segment that is in no directory yet, and of which the journal says what it has.
pub(super) fn stored_parts(
    carved: &Carved,
    segment: (u32, u64),
    stored: &StoredSegment,
    low: KeyBuf,
    high: Option<KeyBuf>,
) -> Vec<Part> {
    match page_list(carved, segment, stored) {
        Ok(pages) => page_parts(pages, low, high).collect(),
        Err(why) => vec![Part { low, high, holds: Holds::Unknown(why, Some((stored.rows, stored.checksum))) }],
    }
}

/// One part a page.
fn page_parts(pages: Vec<ListedPage>, low: KeyBuf, high: Option<KeyBuf>) -> impl Iterator<Item = Part> {
    let highs: Vec<Option<KeyBuf>> = pages.iter().skip(1).map(|page| Some(page.low.clone())).chain([high]).collect();
    pages.into_iter().zip(highs).enumerate().map(move |(number, (page, high))| {
        // The first page takes all keys from the segment's low key on.
        let low = if number == 0 { low.clone() } else { page.low };
        Part { low, high, holds: Holds::Page(page.stored) }
    })
}

/// Takes out the entries of segments whose keys a newer one has: those of segments that were merged, where the note is
/// lost.
fn drop_superseded(segments: &mut Vec<Chosen<'_>>) {
    let mut in_force: BTreeMap<KeyBuf, Chosen<'_>> = BTreeMap::new();
    segments.sort_by_key(|segment| std::cmp::Reverse(segment.checkpoint()));
    for segment in segments.drain(..) {
        let newer = in_force.range(..=segment.low().clone()).next_back().map(|(_, newer)| newer);
        if newer.is_none_or(|newer| newer.low() < segment.low() && !newer.covers(segment.low())) {
            in_force.insert(segment.low().clone(), segment);
        }
    }
    segments.extend(in_force.into_values());
}

/// Whether the entries are those of the root, without one of them if need be, which is then taken out.
fn fit(carved: &Carved, root: &Root, segments: &mut Segments<'_>) -> bool {
    let mut state = state_of(carved, root.number, segments.values().flatten().map(|segment| segment.entry));
    if state.is_of(root) {
        return true;
    }
    for chosen in segments.values_mut() {
        let superfluous = chosen.iter().position(|segment| {
            let Entry { entry, value } = segment.entry;
            state.remove(Subject::Segment(entry.table, entry.segment));
            let fits = state.is_of(root);
            state.put(&directory_key(entry.table, entry.segment, entry.checkpoint), value);
            fits
        });
        if let Some(at) = superfluous {
            chosen.remove(at);
            return true;
        }
    }
    false
}

/// Gives up page lists of segments of which there are newer pages: their newest entry is lost.
fn doubt_stale(carved: &Carved, segments: &mut Segments<'_>) {
    let (mut pages, mut lists) = (HashMap::new(), HashMap::new());
    for ((table, address), places) in carved.all() {
        for place in places {
            let newest = match place.kind {
                FrameKind::PageList | FrameKind::ChunkedPageList => lists.entry((table, address)),
                _ => pages.entry((table, PageAddress { page: 0, ..address })),
            };
            let newest = newest.or_insert(0);
            *newest = place.commit.max(*newest);
        }
    }
    for segment in segments.values_mut().flatten() {
        let entry = &segment.entry.entry;
        let address = |page| (entry.table, PageAddress { segment: entry.segment, page });
        let listed = entry.stored.lists.iter().filter_map(|id| lists.get(&address(*id))).max();
        if segment.pages.is_ok() && pages.get(&address(0)) > listed {
            segment.pages = Err(format!("the newest page list of segment {} is lost", entry.segment));
        }
    }
}

/// The definition of a table, the newest that is whole.
fn definition(carved: &Carved, table: u32, limit: u64) -> Option<Definition> {
    let parts = |limit| carved.catalog.range((table, 0, 0)..=(table, limit, u16::MAX));
    let checkpoints: BTreeSet<u64> = parts(limit).map(|((_, checkpoint, _), _)| *checkpoint).collect();
    checkpoints.into_iter().rev().find_map(|checkpoint| {
        let mut bytes = Vec::new();
        for ((.., part), value) in carved.catalog.range((table, checkpoint, 0)..=(table, checkpoint, u16::MAX)) {
            bytes.extend(open_catalog_part(table, checkpoint, *part, value).ok()?);
        }
        decode_definition(&bytes).ok()
    })
}

/// The parts of a table. Together they cover all keys.
fn parts(segments: Vec<Chosen<'_>>, is_proved: bool) -> Vec<Part> {
    let mut parts = Vec::new();
    let lows: Vec<KeyBuf> = segments.iter().map(|segment| segment.low().clone()).collect();
    if lows.first().is_none_or(|low| !low.is_empty()) {
        let holds = Holds::Unknown("no directory entry says where the rows are".to_owned(), None);
        parts.push(Part { low: KeyBuf::empty(), high: lows.first().cloned(), holds });
    }
    for (at, segment) in segments.into_iter().enumerate() {
        let high = lows.get(at + 1);
        match segment.pages {
            Err(why) => {
                let stored = &segment.entry.entry.stored;
                let holds = Holds::Unknown(why, is_proved.then_some((stored.rows, stored.checksum)));
                parts.push(Part { low: lows[at].clone(), high: high.cloned(), holds });
            }
            Ok(mut pages) => {
                // Of an old entry, what a newer segment has since is not its own any more.
                pages.retain(|page| high.is_none_or(|high| page.low < *high));
                parts.extend(page_parts(pages, lows[at].clone(), high.cloned()));
                if !is_proved
                    && let Some(Part { holds, .. }) = parts.last_mut()
                    && let Holds::Page(stored) = *holds
                {
                    *holds = Holds::LastPage(stored);
                }
            }
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::table::entry::{DirectoryEntry, page_list_bodies, seal_directory_entry, seal_page_list};

    /// The frames of a segment: its directory entry and its page list, of pages with these low keys.
    fn segment(id: u64, checkpoint: u64, lows: &[&[u8]]) -> Vec<u8> {
        let page = |(low, page): (&&[u8], u64)| {
            let address = PageAddress { segment: id, page };
            ListedPage { low: KeyBuf::from(*low), stored: StoredPage { address, entries: 1, rows: 1, checksum: page } }
        };
        let pages: Vec<ListedPage> = lows.iter().zip(id * 10..).map(page).collect();
        let checksum = pages.iter().map(|page| page.stored.checksum).sum();
        let stored = StoredSegment { lists: vec![id * 100], rows: lows.len() as u64, checksum };
        let entry = DirectoryEntry { table: 7, segment: id, checkpoint, low: KeyBuf::from(lows[0]), stored };
        let list = seal_page_list(7, id, id * 100, checkpoint, &page_list_bodies(&pages)[0]);
        [seal_directory_entry(&entry), list].concat()
    }

    #[test]
    fn a_newer_segment_has_the_keys_of_an_older_one_that_it_covers() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("db");
        // The second was merged into the first, the note of it is lost; the third is beside both.
        let frames = [segment(1, 9, &[b"", b"m"]), segment(2, 5, &[b"g", b"k"]), segment(3, 5, &[b"p"])];
        std::fs::write(&path, frames.concat()).unwrap();
        let structure = Structure::new(&Carved::new(vec![path]), &Slots::default(), &Commits::default());
        let lows: Vec<&[u8]> = structure.tables[0].parts.iter().map(|part| &*part.low).collect();
        assert_eq!(lows, [&b""[..], b"m", b"p"]);
        assert!(!structure.is_proved);
    }
}
