//! Where a lock set keeps what it holds, so that others can look at it.
//!
//! The lock words count holders but do not name them. Instead each lock set in use has a slot, known to the manager,
//! with its list of locks behind a latch that only its owner takes: a dump, and the text of a time-out, walk the slots.
//! That costs the owner one uncontended latch a call; holder lists at the granules would cost every take and give-back a
//! latched list.
//!
//! A slot stays registered when its lock set ends, and the thread uses it again for the next one: so a transaction
//! neither allocates nor registers anything.

use std::cell::RefCell;
use std::fmt;
use std::sync::Arc;
use std::sync::Weak;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::sync::{Mutex, thread, thread_local};

use super::held::{Held, Owner};

/// Slots that a thread keeps for its next lock sets.
const IDLE_SLOTS: usize = 4;

pub(crate) struct Slot {
    number: u64,
    /// Which registry knows it.
    registry: usize,
    /// Which thread made it, as a number that is never used again.
    thread_number: u64,
    pub(crate) thread_name: Arc<str>,
    pub(crate) held: Mutex<Held>,
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slot").field("number", &self.number).field("thread", &self.thread_name).finish_non_exhaustive()
    }
}

struct Thread {
    number: u64,
    name: Arc<str>,
    idle: RefCell<Vec<Arc<Slot>>>,
}

static NEXT_THREAD: AtomicU64 = AtomicU64::new(1);
static NEXT_SLOT: AtomicU64 = AtomicU64::new(1);

thread_local! {
    static THREAD: Thread = Thread {
        number: NEXT_THREAD.fetch_add(1, Ordering::Relaxed),
        name: thread_name(),
        idle: const { RefCell::new(Vec::new()) },
    };
}

fn thread_name() -> Arc<str> {
    let thread = thread::current();
    thread.name().map_or_else(|| format!("{:?}", thread.id()).into(), Arc::from)
}

impl Slot {
    /// The id of the lock set that uses the slot now. Takes the latch.
    pub(crate) fn id(&self) -> u64 {
        self.held.lock().owner.as_ref().map_or(0, |owner| self.holder_id(owner))
    }

    /// The same, for one who has the latch.
    pub(crate) fn holder_id(&self, owner: &Owner) -> u64 {
        self.number << 32 | u64::from(owner.use_count)
    }
}

/// All slots of one lock manager.
#[derive(Debug)]
pub(crate) struct Registry {
    id: usize,
    slots: Mutex<Slots>,
}

#[derive(Debug, Default)]
struct Slots {
    slots: Vec<Weak<Slot>>,
    /// Length at which the slots of ended threads are thrown out.
    sweep_at: usize,
}

impl Drop for Registry {
    /// No lock set is left, but idle slots still note the tables that they were used for last.
    fn drop(&mut self) {
        for slot in self.slots() {
            // Dropped with no latch held, since rows of the program may go with a table.
            let tables = std::mem::take(&mut slot.held.lock().tables);
            drop(tables);
        }
    }
}

impl Registry {
    pub(crate) fn new(id: usize) -> Self {
        Registry { id, slots: Mutex::default() }
    }

    /// A slot for a lock set that takes its first lock on this thread. Its owner is to be noted in it next.
    #[inline]
    pub(crate) fn take(&self) -> Arc<Slot> {
        let idle = THREAD.try_with(|thread| {
            let mut idle = thread.idle.borrow_mut();
            let index = idle.iter().rposition(|slot| slot.registry == self.id)?;
            Some(idle.swap_remove(index))
        });
        idle.ok().flatten().unwrap_or_else(|| self.register())
    }

    /// Takes a slot back, with nothing held in it. It goes to its own thread or away.
    #[inline]
    pub(crate) fn give_back(slot: Arc<Slot>) {
        // While a thread ends its state is gone, and so are its slots. A slot that has to go is dropped outside: with the
        // tables noted in it go rows of the program, whose end may take a lock.
        let gone = THREAD.try_with(|thread| {
            if thread.number != slot.thread_number {
                return Some(slot);
            }
            let mut idle = thread.idle.borrow_mut();
            let gone = (idle.len() == IDLE_SLOTS).then(|| idle.remove(0));
            idle.push(slot);
            gone
        });
        drop(gone);
    }

    #[cold]
    fn register(&self) -> Arc<Slot> {
        let (thread_number, thread_name) =
            THREAD.try_with(|thread| (thread.number, thread.name.clone())).unwrap_or_else(|_| (0, thread_name()));
        let slot = Arc::new(Slot {
            number: NEXT_SLOT.fetch_add(1, Ordering::Relaxed),
            registry: self.id,
            thread_number,
            thread_name,
            held: Mutex::new(Held::default()),
        });
        let mut slots = self.slots.lock();
        if slots.slots.len() >= slots.sweep_at {
            slots.slots.retain(|slot| slot.strong_count() > 0);
            slots.sweep_at = 2 * slots.slots.len() + 16;
        }
        slots.slots.push(Arc::downgrade(&slot));
        slot
    }

    /// The slots that exist, in the order of their making.
    pub(crate) fn slots(&self) -> Vec<Arc<Slot>> {
        self.slots.lock().slots.iter().filter_map(Weak::upgrade).collect()
    }
}
