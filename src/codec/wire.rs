//! Bounded reading and writing of the small parts that stored bytes are made of.
//!
//! Numbers of fixed width are little-endian. A varint is LEB128: seven bits a byte, the lowest first, the top bit set on
//! all but the last byte. Everything read here may come from a damaged disk, so the reader never indexes without a
//! check, never allocates, and says at which offset it stopped.

use std::fmt;

/// Why stored bytes could not be read, and at which offset of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WireFault {
    /// Offset of the part that is wrong, from the start of the bytes that were handed in.
    pub(crate) at: usize,
    /// What is wrong with it, in lower case.
    pub(crate) what: &'static str,
}

impl WireFault {
    pub(crate) fn new(at: usize, what: &'static str) -> Self {
        WireFault { at, what }
    }
}

impl fmt::Display for WireFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.what, self.at)
    }
}

impl std::error::Error for WireFault {}

/// Reads parts off the front of a slice.
#[derive(Debug, Clone)]
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    #[inline]
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Reader { bytes, at: 0 }
    }

    /// How many bytes were read so far, which is the offset of the next part.
    #[inline]
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    #[inline]
    pub(crate) fn remaining(&self) -> usize {
        self.bytes.len() - self.at
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.at == self.bytes.len()
    }

    /// What was not read yet.
    #[inline]
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// A fault at the present offset.
    #[cold]
    pub(crate) fn fault(&self, what: &'static str) -> WireFault {
        WireFault::new(self.at, what)
    }

    /// Exactly `count` bytes, borrowed.
    #[inline]
    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], WireFault> {
        let Some(part) = self.rest().get(..count) else { return Err(self.fault("the bytes end too early")) };
        self.at += count;
        Ok(part)
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], WireFault> {
        let Some(part) = self.rest().first_chunk::<N>() else { return Err(self.fault("the bytes end too early")) };
        self.at += N;
        Ok(*part)
    }

    #[inline]
    pub(crate) fn u8(&mut self) -> Result<u8, WireFault> {
        self.array::<1>().map(|[byte]| byte)
    }

    #[inline]
    pub(crate) fn u16(&mut self) -> Result<u16, WireFault> {
        self.array().map(u16::from_le_bytes)
    }

    #[inline]
    pub(crate) fn u32(&mut self) -> Result<u32, WireFault> {
        self.array().map(u32::from_le_bytes)
    }

    #[inline]
    pub(crate) fn u64(&mut self) -> Result<u64, WireFault> {
        self.array().map(u64::from_le_bytes)
    }

    /// A varint in its shortest form; a longer form of the same number is refused, so that equal values have equal
    /// bytes.
    #[inline]
    pub(crate) fn varint(&mut self) -> Result<u64, WireFault> {
        if let Some(&byte) = self.bytes.get(self.at)
            && byte < 0x80
        {
            self.at += 1;
            return Ok(u64::from(byte));
        }
        self.long_varint()
    }

    fn long_varint(&mut self) -> Result<u64, WireFault> {
        let start = self.at;
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return Err(WireFault::new(start, "a number is larger than 64 bits"));
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return if byte == 0 && shift > 0 {
                    Err(WireFault::new(start, "a number is not in its shortest form"))
                } else {
                    Ok(value)
                };
            }
        }
        Err(WireFault::new(start, "a number is larger than 64 bits"))
    }

    /// A varint that has to fit a `u32`.
    #[inline]
    pub(crate) fn varint_u32(&mut self) -> Result<u32, WireFault> {
        let start = self.at;
        u32::try_from(self.varint()?).map_err(|_| WireFault::new(start, "a number is larger than 32 bits"))
    }

    /// A count of parts that take at least `least` bytes each. A count that the remaining bytes cannot hold is refused
    /// before anything is allocated for it.
    pub(crate) fn count(&mut self, least: usize) -> Result<usize, WireFault> {
        let start = self.at;
        let count = usize::try_from(self.varint()?).ok();
        match count.filter(|&count| count.checked_mul(least.max(1)).is_some_and(|bytes| bytes <= self.remaining())) {
            Some(count) => Ok(count),
            None => Err(WireFault::new(start, "a count is larger than the bytes that follow")),
        }
    }

    /// A length as a varint, then as many bytes: what [`put_bytes`] writes.
    #[inline]
    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], WireFault> {
        let start = self.at;
        let length = usize::try_from(self.varint()?)
            .map_err(|_| WireFault::new(start, "a length is larger than the bytes that follow"))?;
        if length > self.remaining() {
            return Err(WireFault::new(start, "a length is larger than the bytes that follow"));
        }
        self.take(length)
    }

    /// Text written by [`put_bytes`].
    pub(crate) fn text(&mut self) -> Result<&'a str, WireFault> {
        let start = self.at;
        std::str::from_utf8(self.bytes()?).map_err(|_| WireFault::new(start, "a text is not utf-8"))
    }

    /// Fails when bytes are left over.
    pub(crate) fn finish(&self) -> Result<(), WireFault> {
        if self.is_empty() { Ok(()) } else { Err(self.fault("bytes follow where the end should be")) }
    }
}

/// Appends a varint.
#[inline]
pub(crate) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// How many bytes [`put_varint`] appends for `value`.
#[inline]
pub(crate) fn varint_len(value: u64) -> usize {
    (70 - (value | 1).leading_zeros() as usize) / 7
}

/// Appends a length as a varint and the bytes.
#[inline]
pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Appends a little-endian number.
#[inline]
pub(crate) fn put_u32(out: &mut Vec<u8>, value: u32) {
    out.extend_from_slice(&value.to_le_bytes());
}

/// Appends a little-endian number.
#[inline]
pub(crate) fn put_u64(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(&value.to_le_bytes());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_varint_comes_back_and_has_the_length_foretold(value: u64, shift in 0u32..64) {
            let value = value >> shift;
            let mut out = Vec::new();
            put_varint(&mut out, value);
            prop_assert_eq!(out.len(), varint_len(value));
            let mut reader = Reader::new(&out);
            prop_assert_eq!(reader.varint(), Ok(value));
            prop_assert!(reader.is_empty());
        }

        #[test]
        fn bytes_and_numbers_come_back(bytes: Vec<u8>, a: u32, b: u64, text: String) {
            let mut out = Vec::new();
            put_bytes(&mut out, &bytes);
            put_u32(&mut out, a);
            put_u64(&mut out, b);
            put_bytes(&mut out, text.as_bytes());
            let mut reader = Reader::new(&out);
            prop_assert_eq!(reader.bytes(), Ok(&bytes[..]));
            prop_assert_eq!(reader.u32(), Ok(a));
            prop_assert_eq!(reader.u64(), Ok(b));
            prop_assert_eq!(reader.text(), Ok(&text[..]));
            prop_assert_eq!(reader.finish(), Ok(()));
        }

        #[test]
        fn any_varint_that_is_accepted_is_the_one_that_would_be_written(bytes: Vec<u8>) {
            let mut reader = Reader::new(&bytes);
            if let Ok(value) = reader.varint() {
                let mut out = Vec::new();
                put_varint(&mut out, value);
                prop_assert_eq!(&out[..], &bytes[..reader.at()]);
            }
        }
    }

    #[test]
    fn faults_name_the_offset() {
        let mut reader = Reader::new(&[1, 2, 0xff]);
        assert_eq!(reader.u16(), Ok(0x0201));
        assert_eq!(reader.u32().map_err(|fault| fault.at), Err(2));
        assert_eq!(reader.finish().map_err(|fault| fault.at), Err(2));
        assert_eq!(Reader::new(&[0x80, 0]).varint().map_err(|fault| fault.at), Err(0));
        assert_eq!(Reader::new(&[0xff; 11]).varint().map_err(|fault| fault.at), Err(0));
        assert_eq!(Reader::new(&[0xff, 0xff, 3]).count(1).map_err(|fault| fault.at), Err(0));
        assert_eq!(Reader::new(&[9, 1]).bytes().map_err(|fault| fault.at), Err(0));
    }
}
