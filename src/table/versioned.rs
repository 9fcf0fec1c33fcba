//! A value with the older versions of it that registered readers still need.

use super::registry::Registry;

/// The newest version of something, made by some commit, and older ones in ascending order. A reader of commit number
/// `n` takes the newest version not above `n`.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Versioned<T> {
    commit: u64,
    newest: T,
    older: Vec<(u64, T)>,
}

impl<T> Versioned<T> {
    pub(crate) fn new(commit: u64, value: T) -> Self {
        Versioned { commit, newest: value, older: Vec::new() }
    }

    #[inline]
    pub(crate) fn newest(&self) -> &T {
        &self.newest
    }

    /// The newest version, for changes that do not change what it says.
    #[inline]
    pub(crate) fn newest_mut(&mut self) -> &mut T {
        &mut self.newest
    }

    /// The commit that made the newest version.
    #[inline]
    pub(crate) fn commit(&self) -> u64 {
        self.commit
    }

    /// Whether a reader of this commit number sees the newest version.
    #[inline]
    pub(crate) fn is_newest_at(&self, number: u64) -> bool {
        self.commit <= number
    }

    /// The version that a reader of this commit number sees. None when nothing was there yet.
    #[inline]
    pub(crate) fn at(&self, number: u64) -> Option<&T> {
        if self.commit <= number {
            return Some(&self.newest);
        }
        self.older.iter().rev().find(|(commit, _)| *commit <= number).map(|(_, value)| value)
    }

    /// Drops the older versions that no registered reader needs. True when some stay.
    pub(crate) fn prune(&mut self, registry: &Registry) -> bool {
        let mut next = self.commit;
        let mut kept = Vec::new();
        for (commit, value) in self.older.drain(..).rev() {
            if registry.any_in(commit, next) {
                kept.push((commit, value));
            }
            next = commit;
        }
        kept.reverse();
        self.older = kept;
        !self.older.is_empty()
    }
}

impl<T: Clone> Versioned<T> {
    /// The value, to be changed by `commit`. True in the second place when an older version was set aside and there was
    /// none before: the registry has to learn of it. It forgets who has none left, so it knows of all others.
    pub(crate) fn edit(&mut self, commit: u64, registry: &Registry) -> (&mut T, bool) {
        let keep = self.commit < commit && registry.needs_since(self.commit);
        let first = keep && self.older.is_empty();
        if keep {
            // Where readers come and go all the time there is never a moment without one, so whoever adds to a growing
            // pile looks through it. Each doubling is looked through once.
            if self.older.len() > 1 && self.older.len().is_power_of_two() {
                self.prune(registry);
            }
            self.older.push((self.commit, self.newest.clone()));
        }
        self.commit = self.commit.max(commit);
        (&mut self.newest, first)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn the_registry_is_told_once_however_many_versions_are_set_aside() {
        let registry = Arc::new(Registry::default());
        let long = registry.register(1);
        let mut value = Versioned::new(1, 1);
        let mut told = 0;
        for commit in 2..100 {
            let _short = registry.register(commit - 1);
            let (newest, first) = value.edit(commit, &registry);
            *newest = commit;
            told += u32::from(first);
            assert_eq!((value.at(1), value.at(commit - 1)), (Some(&1), Some(&(commit - 1))));
        }
        assert_eq!(told, 1);
        assert!(value.prune(&registry), "the long reader needs its version");
        drop(long);
        assert!(!value.prune(&registry));
        let _reader = registry.register(99);
        assert!(value.edit(100, &registry).1, "the registry has forgotten it");
    }

    #[test]
    fn versions_do_not_pile_up_under_readers_that_take_turns() {
        let registry = Arc::new(Registry::default());
        let _long = registry.register(1);
        let mut value = Versioned::new(1, 1);
        let mut reader = registry.register(1);
        for commit in 2..1_000 {
            *value.edit(commit, &registry).0 = commit;
            // The next one comes before the last one goes.
            let next = registry.register(commit);
            drop(std::mem::replace(&mut reader, next));
            assert!(value.older.len() <= 4, "{} older versions for 2 readers", value.older.len());
            assert_eq!((value.at(1), value.at(commit)), (Some(&1), Some(&commit)));
        }
    }
}
