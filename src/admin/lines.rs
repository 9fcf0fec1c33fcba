//! Lines of a text of unknown origin: none is kept that is longer than allowed.

use std::cell::Cell;
use std::io::{self, BufRead, Read};
use std::rc::Rc;

use crate::error::{Error, ErrorKind, Result};

/// See the module's text.
pub(super) struct Lines<R> {
    input: R,
    buffer: Vec<u8>,
    most: usize,
    number: u64,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(input: R, most: usize) -> Self {
        Lines { input, buffer: Vec::new(), most, number: 0 }
    }

    /// The next line that is not empty, and its number, from 1.
    ///
    /// # Errors
    /// `BadInput` for one that is too long; what reading gives.
    pub(super) fn next(&mut self) -> Result<Option<(u64, &[u8])>> {
        loop {
            self.buffer.clear();
            let most = self.most as u64 + 1;
            let read = (&mut self.input).take(most).read_until(b'\n', &mut self.buffer).map_err(unreadable)?;
            if read == 0 {
                return Ok(None);
            }
            self.number += 1;
            if self.buffer.last() == Some(&b'\n') {
                self.buffer.pop();
            }
            if self.buffer.len() > self.most {
                return Err(too_long(self.number, self.most));
            }
            if self.number == 1 && self.buffer.starts_with("\u{feff}".as_bytes()) {
                self.buffer.drain(..3);
            }
            if !self.buffer.trim_ascii().is_empty() {
                return Ok(Some((self.number, &self.buffer)));
            }
        }
    }
}

/// A reader that gives no byte beyond an end that moves with what was read of it: so that nobody behind it keeps more.
pub(super) struct Fenced<R> {
    input: R,
    given: u64,
    end: Rc<Cell<u64>>,
}

impl<R> Fenced<R> {
    pub(super) fn new(input: R, end: &Rc<Cell<u64>>) -> Self {
        Fenced { input, given: 0, end: Rc::clone(end) }
    }
}

impl<R: Read> Read for Fenced<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end.get().saturating_sub(self.given)).unwrap_or(usize::MAX);
        let most = left.min(buffer.len());
        if most == 0 && !buffer.is_empty() {
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, "a line is too long"));
        }
        let read = self.input.read(&mut buffer[..most])?;
        self.given += read as u64;
        Ok(read)
    }
}

pub(super) fn too_long(line: u64, most: usize) -> Error {
    let text =
        format!("line {line} has more than {most} bytes: allow longer ones (Import::max_line_bytes), or cut the row");
    Error::new(ErrorKind::BadInput, text)
}

pub(super) fn unreadable(error: io::Error) -> Error {
    Error::new(ErrorKind::Io, "cannot read what is to be imported").with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_and_bounded() {
        let mut lines = Lines::new(&b"\xef\xbb\xbfone\n\n \r\ntwo\r\nthree"[..], 8);
        assert_eq!(lines.next().unwrap(), Some((1, &b"one"[..])));
        assert_eq!(lines.next().unwrap(), Some((4, &b"two\r"[..])));
        assert_eq!(lines.next().unwrap(), Some((5, &b"three"[..])));
        assert_eq!(lines.next().unwrap(), None);
        let mut lines = Lines::new(&b"12345\n123456\n"[..], 5);
        assert!(lines.next().unwrap().is_some());
        let error = lines.next().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BadInput);
        assert!(error.to_string().starts_with("line 2 has more than 5 bytes"), "{error}");
    }

    #[test]
    fn a_fence_moves() {
        let end = Rc::new(Cell::new(3));
        let mut fenced = Fenced::new(&b"abcdef"[..], &end);
        let mut buffer = [0; 10];
        assert_eq!(fenced.read(&mut buffer).unwrap(), 3);
        assert_eq!(fenced.read(&mut buffer).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        end.set(10);
        assert_eq!(fenced.read(&mut buffer).unwrap(), 3);
        assert_eq!(fenced.read(&mut buffer).unwrap(), 0);
    }
}
