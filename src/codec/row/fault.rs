//! Why a row could not be stored or read.

use std::any::type_name;
use std::fmt;

use crate::error::{Error, ErrorKind};

/// Why a row could not be stored or read, with the type and the field.
pub(crate) struct RowFault(Box<Repr>);

struct Repr {
    kind: RowFaultKind,
    type_name: &'static str,
    place: Option<(&'static str, &'static str)>,
    what: String,
}

/// Who is to blame for a [`RowFault`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RowFaultKind {
    /// The type, or this value of it, cannot be stored so that it can be read again.
    Unsupported,
    /// The bytes are no row of this type.
    Damaged,
}

impl RowFault {
    #[cold]
    pub(crate) fn unsupported(what: impl Into<String>) -> Self {
        Self::new(RowFaultKind::Unsupported, what.into())
    }

    #[cold]
    pub(crate) fn damaged(what: impl Into<String>) -> Self {
        Self::new(RowFaultKind::Damaged, what.into())
    }

    fn new(kind: RowFaultKind, what: String) -> Self {
        RowFault(Box::new(Repr { kind, type_name: "", place: None, what }))
    }

    /// Names the type of the row.
    #[cold]
    pub(crate) fn of_type<V: ?Sized>(mut self) -> Self {
        self.0.type_name = type_name::<V>();
        self
    }

    /// Names the field or variant of a type in which it happened; the innermost one stays.
    #[cold]
    pub(crate) fn within(mut self, container: &'static str, part: &'static str) -> Self {
        self.0.place.get_or_insert((container, part));
        self
    }

    #[cfg(test)]
    pub(super) fn kind(&self) -> RowFaultKind {
        self.0.kind
    }

    /// The reason alone, without type and field.
    pub(crate) fn what(&self) -> &str {
        &self.0.what
    }

    /// The error that a program sees, for a row of `table`.
    pub(crate) fn into_error(self, table: &str) -> Error {
        let (kind, action) = match self.0.kind {
            RowFaultKind::Unsupported => (ErrorKind::UnsupportedRow, "cannot store"),
            RowFaultKind::Damaged => (ErrorKind::Corrupted, "cannot read"),
        };
        Error::new(kind, format!("table `{table}`: {action} {self}"))
    }
}

impl fmt::Display for RowFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a row of type `{}`", self.0.type_name)?;
        if let Some((container, part)) = self.0.place {
            write!(f, ", at `{part}` of `{container}`")?;
        }
        write!(f, ": {}", self.0.what)
    }
}

impl fmt::Debug for RowFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RowFault({:?}, {self})", self.0.kind)
    }
}

impl std::error::Error for RowFault {}

impl serde::ser::Error for RowFault {
    fn custom<T: fmt::Display>(message: T) -> Self {
        RowFault::unsupported(message.to_string())
    }
}
