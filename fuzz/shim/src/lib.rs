//! A library to be preloaded: it stands between a process and the C library, and writes down every change to the files
//! below one folder, bytes included. It can also make a chosen call fail.
//!
//! What a process does to a file is only known here: an engine that keeps its own files, as sled does, cannot be
//! watched from a trait of ours. The environment says what to do:
//!
//! - `GANGLINE_SHIM_ROOT`: the folder whose files are watched, as an absolute path. Without it nothing is done.
//! - `GANGLINE_SHIM_TRACE`: the file that events are appended to, outside of that folder. The module `event` has its format.
//! - `GANGLINE_SHIM_SYNC_US`: how much longer each sync takes, in microseconds, so that a file system in memory can stand
//!   for a slow disk.
//! - `GANGLINE_SHIM_FAULT`: which call fails, and how: see the module `fault`.
//!
//! A change and its event happen under one latch, so the trace has the order in which things happened. A sync has two
//! events: what was written before its first is on disk once its second is there.

#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod calls;
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod event;
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod fault;
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod raw;
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
mod recorder;
