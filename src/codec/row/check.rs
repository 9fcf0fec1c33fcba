//! What is checked once, when a type is first stored.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{RowFault, decode_row, encode_row};

/// Whether `row`, which was encoded as `encoded`, comes back. For the first row of a type: attributes that make a type write
/// other than it reads (`skip_serializing` alone, `untagged`, internal tags, `flatten`) show here before anything is stored.
pub(crate) fn check_row<V: Serialize + DeserializeOwned>(encoded: &[u8]) -> Result<(), RowFault> {
    let refused = |what: String| {
        RowFault::unsupported(format!(
            "it does not come back from its stored form ({what}); serde's `untagged`, `tag`, `flatten` and one-sided skips \
             cannot be stored"
        ))
        .of_type::<V>()
    };
    let again: V = decode_row(encoded).map_err(|fault| refused(fault.what().to_string()))?;
    let mut bytes = Vec::with_capacity(encoded.len());
    encode_row(&again, &mut bytes)?;
    if bytes == encoded {
        return Ok(());
    }
    // Sets and maps with a random order come back in another one, so the order of bytes says nothing.
    let sorted = |bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        bytes.sort_unstable();
        bytes
    };
    if sorted(&bytes) == sorted(encoded) { Ok(()) } else { Err(refused("it comes back as another row".to_string())) }
}
