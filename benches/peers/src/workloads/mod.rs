//! The workloads, one subject a file. Each checks what it finds and gives one number.

pub(crate) mod aggregate;
pub(crate) mod beside;
pub(crate) mod commit;
pub(crate) mod get;
pub(crate) mod load;
pub(crate) mod mixed;
pub(crate) mod remove;
pub(crate) mod scan;
pub(crate) mod size;
pub(crate) mod threads;
pub(crate) mod transfer;
