//! What the fuzz targets need of the inside: decoders that are fed hostile bytes, and lock sets that are driven step by
//! step. Only in builds with the feature `torture`; promises nothing.

mod entries;
mod journal;
mod locks;
mod page;

pub use entries::{Entry, Identity, decode_row, encode_row, read, seal, show_key};
pub use journal::{JournalFile, JournalRecord, journal_file, replay_journal};
pub use locks::{Locker, Locks};
pub use page::Page;
