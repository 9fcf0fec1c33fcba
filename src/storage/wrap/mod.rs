//! File layers for tests: one records, one fails on purpose, one loses power, one stands still. Each exists once.

mod fault;
mod gate;
mod power;
mod recording;

pub(crate) use fault::{Fault, FaultFiles};
pub(crate) use gate::GateFiles;
pub(crate) use power::PowerFiles;
pub(crate) use recording::{Call, RecordingFiles};
