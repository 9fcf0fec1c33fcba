//! File layers for tests: one records, one fails or stands still on purpose, one loses power. Each exists once.

mod fault;
mod gate;
mod power;
mod recording;

pub(crate) use fault::{Fault, FaultFiles};
pub(crate) use power::PowerFiles;
pub(crate) use recording::{Call, RecordingFiles};
