//! The checkers' mutex with the face of parking_lot's: a latch is never poisoned.

#[cfg(loom)]
use loom::sync as checked;
#[cfg(shuttle)]
use shuttle::sync as checked;

pub(crate) use checked::MutexGuard;

/// As `parking_lot::Mutex`.
#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(checked::Mutex<T>);

impl<T> Mutex<T> {
    #[cfg(shuttle)]
    pub(crate) const fn new(value: T) -> Self {
        Mutex(checked::Mutex::new(value))
    }

    #[cfg(loom)]
    pub(crate) fn new(value: T) -> Self {
        Mutex(checked::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        self.0.try_lock().ok()
    }
}
