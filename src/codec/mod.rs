//! Bytes of keys, rows and pages.

mod key_buf;

pub(crate) use key_buf::KeyBuf;
