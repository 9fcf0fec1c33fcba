//! The map of the locks that exist only while somebody wants them.
//!
//! In a normal build it is a `DashMap`. Its shards are latches of its own, which a model checker does not see and would
//! block on for ever; so under one this is a plain map behind one latch, with the few calls that are made.

#[cfg(not(any(loom, shuttle)))]
pub(super) use dashmap::mapref::entry::Entry;

#[cfg(not(any(loom, shuttle)))]
pub(super) type Map<K, V> = dashmap::DashMap<K, V, ahash::RandomState>;

/// Many more shards than threads, so that two threads rarely meet in one.
#[cfg(not(any(loom, shuttle)))]
const SHARDS: usize = 64;

#[cfg(not(any(loom, shuttle)))]
pub(super) fn new<K: Eq + std::hash::Hash, V>() -> Map<K, V> {
    Map::with_capacity_and_hasher_and_shard_amount(0, ahash::RandomState::new(), SHARDS)
}

#[cfg(any(loom, shuttle))]
pub(super) use modelled::{Entry, Map, new};

#[cfg(any(loom, shuttle))]
mod modelled {
    use std::collections::HashMap;
    use std::hash::Hash;
    use std::ops::{Deref, DerefMut};

    use crate::sync::{Mutex, MutexGuard};

    #[derive(Debug)]
    pub(in crate::lock) struct Map<K, V>(Mutex<HashMap<K, V>>);

    pub(in crate::lock) fn new<K, V>() -> Map<K, V> {
        Map(Mutex::new(HashMap::new()))
    }

    /// The place of a key, with the whole map latched.
    pub(in crate::lock) struct Place<'a, K, V> {
        map: MutexGuard<'a, HashMap<K, V>>,
        key: K,
    }

    pub(in crate::lock) enum Entry<'a, K, V> {
        Occupied(Place<'a, K, V>),
        Vacant(Place<'a, K, V>),
    }

    impl<K: Eq + Hash + Clone, V> Map<K, V> {
        pub(in crate::lock) fn entry(&self, key: K) -> Entry<'_, K, V> {
            let map = self.0.lock();
            match map.contains_key(&key) {
                true => Entry::Occupied(Place { map, key }),
                false => Entry::Vacant(Place { map, key }),
            }
        }

        #[cfg(test)]
        pub(in crate::lock) fn len(&self) -> usize {
            self.0.lock().len()
        }
    }

    impl<'a, K: Eq + Hash + Clone, V: Default> Entry<'a, K, V> {
        pub(in crate::lock) fn or_default(self) -> Place<'a, K, V> {
            match self {
                Entry::Occupied(place) => place,
                Entry::Vacant(mut place) => {
                    place.map.insert(place.key.clone(), V::default());
                    place
                }
            }
        }
    }

    impl<K: Eq + Hash + Clone, V> Place<'_, K, V> {
        pub(in crate::lock) fn insert(mut self, value: V) {
            self.map.insert(self.key.clone(), value);
        }

        pub(in crate::lock) fn get_mut(&mut self) -> &mut V {
            self
        }

        pub(in crate::lock) fn remove(mut self) {
            self.map.remove(&self.key);
        }
    }

    impl<K: Eq + Hash, V> Deref for Place<'_, K, V> {
        type Target = V;

        fn deref(&self) -> &V {
            self.map.get(&self.key).expect("an occupied place has a value")
        }
    }

    impl<K: Eq + Hash, V> DerefMut for Place<'_, K, V> {
        fn deref_mut(&mut self) -> &mut V {
            self.map.get_mut(&self.key).expect("an occupied place has a value")
        }
    }
}
