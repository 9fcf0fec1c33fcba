//! Rows of a range of keys whose pages nothing names any more: searched for in all pages that the table ever had.
//!
//! The pages of one commit have no keys in common, and each holds all rows between its first and its last key. So the
//! newest page with keys in the range speaks for all keys between its own, an older one only for those that no newer
//! page spoke for. A row that was removed comes back only where it stood between two pages.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use super::carve::{Carved, Owner, Place};
use crate::codec::frame::FrameKind;
use crate::codec::{KeyBuf, PageBytes, PageIdentity, chunk};
use crate::error::Result;
use crate::table::page::PageAddress;

/// A range of keys: from the first on, up to the second, or to the end.
pub(super) type Range<'a> = (&'a [u8], Option<&'a [u8]>);

/// What rows are shown to.
type Each<'a> = dyn FnMut(&[u8], &[u8]) -> Result<()> + 'a;

/// The pages of a table that are left, the newest first, each with its first and last key.
#[derive(Debug)]
pub(super) struct Versions {
    pages: Vec<Version>,
}

#[derive(Debug)]
struct Version {
    owner: Owner,
    commit: u64,
    /// The only place, or those of the chunks.
    places: Vec<Place>,
    first: KeyBuf,
    last: KeyBuf,
}

/// A part of a page: its rows between two keys, neither included.
struct Piece<'a> {
    version: &'a Version,
    after: Option<KeyBuf>,
    before: Option<KeyBuf>,
}

impl Versions {
    /// Reads all pages of a table, which takes as long as it sounds.
    pub(super) fn new(carved: &Carved, table: u32) -> Versions {
        let mut pages = Vec::new();
        for (owner, places) in carved.all().filter(|((of, _), _)| *of == table) {
            let commits: BTreeSet<u64> = places.iter().map(|place| place.commit).collect();
            for commit in commits {
                for places in whole_pages(places, commit) {
                    let Some(page) = read(carved, owner, &places) else { continue };
                    let Some(last) = page.len().checked_sub(1) else { continue };
                    let (first, last) = (KeyBuf::from(page.key(0)), KeyBuf::from(page.key(last)));
                    pages.push(Version { owner, commit, places, first, last });
                }
            }
        }
        pages.sort_by_key(|version| std::cmp::Reverse((version.commit, version.owner.1.page)));
        Versions { pages }
    }

    /// Shows the rows of a range, out of pages that were written for a segment of which `of_segment` is true.
    pub(super) fn rows(
        &self,
        carved: &Carved,
        (low, high): Range<'_>,
        of_segment: &dyn Fn(u64) -> bool,
        each: &mut Each<'_>,
    ) -> Result<()> {
        let mut spoken_for: BTreeMap<KeyBuf, KeyBuf> = BTreeMap::new();
        let mut pieces = Vec::new();
        let touches = |version: &&Version| &*version.last >= low && high.is_none_or(|high| &*version.first < high);
        for version in self.pages.iter().filter(touches).filter(|version| of_segment(version.owner.1.segment)) {
            speak(&mut spoken_for, version, &mut pieces);
        }
        // In the order of keys, as far as pages go: then the new pages become full ones.
        pieces.sort_by(|a, b| a.start().cmp(b.start()));
        for piece in pieces {
            let Some(page) = read(carved, piece.version.owner, &piece.version.places) else { continue };
            for (key, row) in page.iter() {
                let inside = key >= low
                    && high.is_none_or(|high| key < high)
                    && piece.after.as_deref().is_none_or(|after| key > after)
                    && piece.before.as_deref().is_none_or(|before| key < before);
                if inside {
                    each(key, row)?;
                }
            }
        }
        Ok(())
    }
}

impl Piece<'_> {
    fn start(&self) -> &KeyBuf {
        self.after.as_ref().map_or(&self.version.first, |after| after.max(&self.version.first))
    }
}

/// Gives a page what no newer one has spoken for, and notes that it has spoken for all between its first and last key.
fn speak<'a>(spoken_for: &mut BTreeMap<KeyBuf, KeyBuf>, version: &'a Version, pieces: &mut Vec<Piece<'a>>) {
    // The stretches that it touches, in order; none of them touches another.
    let below = spoken_for.range(..version.first.clone()).next_back().filter(|(_, last)| **last >= version.first);
    let within = spoken_for.range((Bound::Included(version.first.clone()), Bound::Included(version.last.clone())));
    let touched: Vec<(KeyBuf, KeyBuf)> = below.into_iter().chain(within).map(|(a, b)| (a.clone(), b.clone())).collect();
    let mut after = None;
    for (first, last) in &touched {
        if *first > version.first {
            pieces.push(Piece { version, after: after.take(), before: Some(first.clone()) });
        }
        after = Some(last.clone());
        spoken_for.remove(first);
    }
    if after.as_ref().is_none_or(|after| *after < version.last) {
        pieces.push(Piece { version, after, before: None });
    }
    let first = touched.first().map_or(&version.first, |(first, _)| first.min(&version.first));
    let last = touched.last().map_or(&version.last, |(_, last)| last.max(&version.last));
    spoken_for.insert(first.clone(), last.clone());
}

/// The places of one owner as whole pages of a commit: each page by itself, chunks together.
fn whole_pages(places: &[Place], commit: u64) -> Vec<Vec<Place>> {
    let of_commit = || places.iter().filter(move |place| place.commit == commit);
    let mut pages: Vec<Vec<Place>> =
        of_commit().filter(|place| place.kind == FrameKind::Page).map(|place| vec![*place]).collect();
    let counts: BTreeSet<u32> =
        of_commit().filter(|place| place.kind == FrameKind::Chunk).map(|place| place.chunk.1).collect();
    for count in counts {
        let chunk = |number| of_commit().find(|place| place.kind == FrameKind::Chunk && place.chunk == (number, count));
        pages.extend((0..count).map(|number| chunk(number).copied()).collect::<Option<Vec<Place>>>());
    }
    pages
}

/// Reads a page from its places.
fn read(carved: &Carved, (table, address): Owner, places: &[Place]) -> Option<PageBytes> {
    let identity = PageIdentity { table, segment: address.segment, page: address.page, commit: 0 };
    let bytes = match places {
        [place] if place.kind == FrameKind::Page => carved.bytes(place),
        chunks => {
            let mut whole = Vec::new();
            for place in chunks {
                let (number, count) = place.chunk;
                whole.extend_from_slice(chunk::open(&identity, number, count, &carved.bytes(place)).ok()?);
            }
            whole
        }
    };
    let (found, page) = PageBytes::decode(&bytes).ok()?;
    found.is_of(table, address.segment, address.page).then_some(page)
}

/// The page that a list names, if a version of it is left that has these rows.
pub(super) fn listed_page(
    carved: &Carved,
    table: u32,
    address: PageAddress,
    (rows, checksum): (u32, u64),
) -> Option<PageBytes> {
    let owner = (table, address);
    let places = carved.places(owner);
    let commits: BTreeSet<u64> = places.iter().map(|place| place.commit).collect();
    let pages = commits.into_iter().rev().flat_map(|commit| whole_pages(&places, commit));
    pages
        .filter_map(|places| read(carved, owner, &places))
        .find(|page| (page.len(), page.checksum()) == (rows as usize, checksum))
}
