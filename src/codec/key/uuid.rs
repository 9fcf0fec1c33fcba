//! `uuid::Uuid` as a key: its sixteen bytes, which is its order.

use uuid::Uuid;

use super::Key;
use super::numbers::take_array;

impl Key for Uuid {
    type Ref<'a> = Uuid;

    #[inline]
    fn encode(key: Uuid, out: &mut Vec<u8>) {
        out.extend_from_slice(key.as_bytes());
    }

    #[inline]
    fn decode(bytes: &mut &[u8]) -> Option<Self> {
        take_array(bytes).map(Uuid::from_bytes)
    }

    #[inline]
    fn as_ref(&self) -> Uuid {
        *self
    }

    fn shape(out: &mut String) {
        out.push_str("uuid");
    }
}
