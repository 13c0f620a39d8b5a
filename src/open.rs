//! The spans under way: what has been collected of each so far.
//!
//! Not in the registry's extensions: reaching those costs a look-up of the span, a lock, a hash map and an
//! allocation at every step of a span's life. Here a span's place follows from its id. The registry hands out
//! ids as a thread and a small number, lowest free first, so a span is found by indexing, under a lock that
//! hardly ever two threads want. Ids of any other make are found too, only slower.
//!
//! Never are two locks held at once, and no code of the user's runs under one.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use smallvec::SmallVec;
use tracing::span::Id;

use crate::record::{Fields, Record, Tally};
use crate::rules::plan::Plan;

/// Shards, a power of two: more than most services have busy threads.
const SHARDS: usize = 64;
/// Ids below this are indexed directly, so that no odd id makes a table of its size.
const DIRECT: usize = 1 << 16;
/// Where the number of the thread begins in an id of `sharded_slab` on 64-bit machines. Only speed depends on it.
const THREAD_SHIFT: u32 = 38;

/// A span that is followed.
#[derive(Debug)]
pub(crate) struct Open {
    /// The nearest enclosing span that is followed too.
    pub(crate) parent: Option<Id>,
    pub(crate) kind: Kind,
}

#[derive(Debug)]
pub(crate) enum Kind {
    /// It becomes a row.
    Row(Call),
    /// No rule names it, but its fields are inherited.
    Carrier { plan: &'static Plan, fields: Fields },
}

/// A span with a rule, while it is open.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) record: Record,
    /// Entered while the thread was already unwinding: the panic is not this span's.
    pub(crate) entered_unwinding: u32,
    /// The call has told its outcome and left; a later enter and exit is only its future being dropped.
    pub(crate) left: bool,
    /// What is numbered or collected within it; few spans have any.
    pub(crate) within: Option<Box<Within>>,
}

/// The book a job keeps on the calls within it.
#[derive(Debug, Default)]
pub(crate) struct Within {
    /// Next number by event type of the spans numbered within this one.
    pub(crate) numbers: SmallVec<[(std::sync::Arc<str>, u32); 1]>,
    /// What has ended within this span so far, one for each of the rule's `collect`.
    pub(crate) tallies: Vec<Tally>,
}

/// All spans that are followed, by id.
#[derive(Debug)]
pub(crate) struct OpenSpans {
    shards: Box<[Shard]>,
}

/// A cache line of its own, and the neighbour that processors fetch along with it.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Shard(Mutex<Slots>);

#[derive(Debug, Default)]
struct Slots {
    direct: Vec<Option<(Id, Open)>>,
    others: HashMap<Id, Open>,
}

impl Default for OpenSpans {
    fn default() -> Self {
        Self { shards: (0..SHARDS).map(|_| Shard::default()).collect() }
    }
}

impl OpenSpans {
    pub(crate) fn insert(&self, id: &Id, open: Open) {
        let replaced = self.slots(id).insert(id, open);
        // A span that never closed: dropped here, outside of the lock.
        drop(replaced);
    }

    pub(crate) fn remove(&self, id: &Id) -> Option<Open> {
        self.slots(id).remove(id)
    }

    /// Runs `f`, which must not call back, on a span that is followed.
    pub(crate) fn with<T>(&self, id: &Id, f: impl FnOnce(&mut Open) -> T) -> Option<T> {
        self.slots(id).get(id).map(f)
    }

    fn slots(&self, id: &Id) -> MutexGuard<'_, Slots> {
        let shard = (id.into_u64() >> THREAD_SHIFT) as usize & (SHARDS - 1);
        // Nothing panics under the lock; if it did, the slots would still be whole.
        self.shards[shard].0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of an id, where it has one of its own.
fn index(id: &Id) -> Option<usize> {
    let within_thread = id.into_u64() & ((1 << THREAD_SHIFT) - 1);
    usize::try_from(within_thread).ok().filter(|index| *index < DIRECT)
}

impl Slots {
    fn insert(&mut self, id: &Id, open: Open) -> Option<Open> {
        let Some(index) = index(id) else { return self.others.insert(id.clone(), open) };
        if index >= self.direct.len() {
            self.direct.resize_with(index + 1, || None);
        }
        match &mut self.direct[index] {
            // Another live span in the same place: not with the registry's ids.
            Some((other, _)) if other != id => self.others.insert(id.clone(), open),
            slot => slot.replace((id.clone(), open)).map(|(_, replaced)| replaced),
        }
    }

    fn get(&mut self, id: &Id) -> Option<&mut Open> {
        match index(id).and_then(|index| self.direct.get_mut(index)) {
            Some(Some((at, open))) if at == id => Some(open),
            _ if self.others.is_empty() => None,
            _ => self.others.get_mut(id),
        }
    }

    fn remove(&mut self, id: &Id) -> Option<Open> {
        let slot = index(id).and_then(|index| self.direct.get_mut(index));
        match slot.and_then(|slot| slot.take_if(|(at, _)| at == id)) {
            Some((_, open)) => Some(open),
            None if self.others.is_empty() => None,
            None => self.others.remove(id),
        }
    }
}
