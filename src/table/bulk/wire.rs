//! A splice in a record of the journal:
//!
//! | part | what |
//! | --- | --- |
//! | range | table, low key, 0 or 1 and the high key |
//! | spare | the id of a segment for what stays above the range |
//! | count | number of the new segments |
//! | each segment | id, low key, rows, and 0 with count and frames of its pages, or 1 with checksum (u64), count and ids of its page lists |
//!
//! Numbers are varints, and keys and frames have their length before them.

use std::sync::Arc;

use super::builder::{Made, MadePages, Run};
use super::splice::Splice;
use crate::codec::wire::{Reader, WireFault, put_bytes, put_u64, put_varint};
use crate::codec::{KeyBuf, PageBytes, PageIdentity};
use crate::error::Result;
use crate::table::pager::Pager;
use crate::table::segment::StoredSegment;
use crate::table::table_core::TableCore;

const IN_RECORD: u8 = 0;
const IN_STORE: u8 = 1;

impl Splice<'_> {
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let table = self.table.id();
        put_varint(out, u64::from(table));
        put_bytes(out, &self.low);
        out.push(u8::from(self.high.is_some()));
        self.high.iter().for_each(|high| put_bytes(out, high));
        put_varint(out, self.spare);
        put_varint(out, self.run.made().len() as u64);
        for made in self.run.made() {
            put_varint(out, made.id);
            put_bytes(out, &made.low);
            put_varint(out, made.rows);
            match &made.pages {
                MadePages::Memory(pages) => {
                    out.push(IN_RECORD);
                    put_varint(out, pages.len() as u64);
                    for page in pages {
                        put_varint(out, page.encoded_len() as u64);
                        page.encode(&PageIdentity { table, segment: made.id, page: 0, commit: 0 }, out);
                    }
                }
                MadePages::Stored(stored) => {
                    out.push(IN_STORE);
                    put_u64(out, stored.checksum);
                    put_varint(out, stored.lists.len() as u64);
                    stored.lists.iter().for_each(|id| put_varint(out, *id));
                }
            }
        }
    }

    /// About how many bytes [`encode`](Self::encode) appends.
    pub(crate) fn record_bytes(&self) -> usize {
        let of_pages = |made: &Made| match &made.pages {
            MadePages::Memory(pages) => pages.iter().map(|page| page.encoded_len() + 3).sum(),
            MadePages::Stored(stored) => 16 + stored.lists.len() * 10,
        };
        let made = self.run.made().iter().map(|made| 32 + made.low.len() + of_pages(made));
        64 + self.low.len() + made.sum::<usize>()
    }
}

/// A splice as read back.
#[derive(Debug)]
pub(crate) struct StoredSplice {
    pub(crate) table: u32,
    pub(crate) low: KeyBuf,
    pub(crate) high: Option<KeyBuf>,
    spare: u64,
    pub(crate) made: Vec<Made>,
}

impl StoredSplice {
    /// The page lists of the page store that it refers to: segment, and ids of each.
    pub(crate) fn lists(&self) -> impl Iterator<Item = (u64, &[u64])> {
        self.made.iter().filter_map(|made| match &made.pages {
            MadePages::Memory(_) => None,
            MadePages::Stored(stored) => Some((made.id, &stored.lists[..])),
        })
    }

    /// The keys that it covers: from the first, inclusive, up to the second, if there is an end.
    pub(crate) fn bounds(self) -> (KeyBuf, Option<KeyBuf>) {
        (self.low, self.high)
    }

    /// Whether nothing comes in the place of what goes.
    pub(crate) fn is_empty(&self) -> bool {
        self.made.is_empty()
    }

    /// Makes ready for what it says.
    ///
    /// # Errors
    /// As [`Splice::prepare`].
    pub(crate) fn prepare<'a>(self, pager: &'a Pager, table: &Arc<TableCore>) -> Result<Splice<'a>> {
        let run = Run::new(pager, self.table, self.made);
        Splice::prepare_with(pager, table, (self.low, self.high), run, self.spare)
    }
}

/// Reads what [`Splice::encode`] wrote.
pub(crate) fn read_splice(reader: &mut Reader<'_>) -> Result<StoredSplice, WireFault> {
    let table = reader.varint_u32()?;
    let low = KeyBuf::from(reader.bytes()?);
    let high = match reader.u8()? {
        0 => None,
        _ => Some(KeyBuf::from(reader.bytes()?)),
    };
    let spare = reader.varint()?;
    let count = reader.count(4)?;
    let made = (0..count).map(|_| read_made(reader)).collect::<Result<_, WireFault>>()?;
    Ok(StoredSplice { table, low, high, spare, made })
}

fn read_made(reader: &mut Reader<'_>) -> Result<Made, WireFault> {
    let id = reader.varint()?;
    let low = KeyBuf::from(reader.bytes()?);
    let rows = reader.varint()?;
    let at = reader.at();
    let pages = match reader.u8()? {
        IN_RECORD => {
            let count = reader.count(1)?;
            let page = |reader: &mut Reader<'_>| PageBytes::decode(reader.bytes()?).map(|(_, page)| page);
            MadePages::Memory((0..count).map(|_| page(reader)).collect::<Result<_, WireFault>>()?)
        }
        IN_STORE => {
            let checksum = reader.u64()?;
            let count = reader.count(1)?;
            let lists = (0..count).map(|_| reader.varint()).collect::<Result<_, WireFault>>()?;
            MadePages::Stored(StoredSegment { lists, rows, checksum })
        }
        _ => return Err(WireFault::new(at, "a segment in an unknown place")),
    };
    Ok(Made { id, low, rows, pages })
}
