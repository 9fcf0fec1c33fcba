//! What is too large for a transaction: a key, a row, or all that it writes together.

use super::transaction::Transaction;
use crate::codec::{Key, KeyBuf, encode_key};
use crate::error::{Error, ErrorKind, Result};
use crate::options::{MAX_KEY_BYTES, Options};
use crate::table::table_core::TableCore;
use crate::table::typed::hex;
use crate::table::{Row, Table};

impl Transaction {
    /// Refuses a row that no transaction could write.
    pub(super) fn check_row_size(&self, core: &TableCore, key: &[u8], bytes: usize) -> Result<()> {
        let Options { max_row_bytes, max_transaction_bytes, .. } = self.engine.options;
        let help = if bytes > max_row_bytes {
            return check_row_bytes(core, key, bytes, max_row_bytes);
        } else if bytes + key.len() > max_transaction_bytes {
            format!(
                "max_row_bytes allows {max_row_bytes}, but max_transaction_bytes is {max_transaction_bytes}, which a row \
                 has to fit too: raise max_transaction_bytes"
            )
        } else {
            return Ok(());
        };
        Err(row_too_large(core, key, bytes, &help))
    }

    /// Refuses a write that would make the transaction too large. The transaction can go on without it.
    pub(super) fn check_size(&self, bytes: usize, rows: usize) -> Result<()> {
        let limit = self.engine.options.max_transaction_bytes;
        if bytes <= limit {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::TransactionTooLarge,
            format!(
                "the transaction of {} has written {rows} rows, and more would be over {limit} bytes; commit in parts, \
                 or raise max_transaction_bytes",
                self.site
            ),
        ))
    }
}

/// The bytes of a key, if it is not too long.
pub(crate) fn checked_key<K: Key, V: Row>(table: Table<K, V>, key: K::Ref<'_>) -> Result<KeyBuf> {
    let key = encode_key::<K>(key);
    check_key_length(table.name(), &key)?;
    Ok(key)
}

#[inline]
pub(crate) fn check_key_length(table: &str, key: &[u8]) -> Result<()> {
    if key.len() > MAX_KEY_BYTES {
        return Err(Error::new(
            ErrorKind::KeyTooLarge,
            format!("a key of table {table:?} has {} bytes encoded; the most is {MAX_KEY_BYTES}", key.len()),
        ));
    }
    Ok(())
}

/// Refuses a row of more bytes than the options allow.
#[inline]
pub(crate) fn check_row_bytes(core: &TableCore, key: &[u8], bytes: usize, most: usize) -> Result<()> {
    if bytes <= most {
        return Ok(());
    }
    Err(row_too_large(core, key, bytes, &format!("the most is {most}: cut it, or raise max_row_bytes")))
}

#[cold]
fn row_too_large(core: &TableCore, key: &[u8], bytes: usize, help: &str) -> Error {
    let text = format!("the row of table {:?} under key {} has {bytes} bytes; {help}", core.name(), hex(key));
    Error::new(ErrorKind::RowTooLarge, text)
}
