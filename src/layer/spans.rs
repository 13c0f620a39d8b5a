//! The spans under way: what has been collected of each so far.
//!
//! They are not in the registry's extensions: those cost a look-up of the span, a lock, a hash map and an allocation at
//! every step of a span's life. Here a span's place follows from its id. The registry's ids are a thread and a small
//! number, lowest free first. So a span is found by indexing, under a lock that two threads hardly ever want, in memory
//! that the span before it has warmed. Ids of any other make are found too, only slower.
//!
//! Two of these locks are never held at once, and no user code runs under one: [`FieldVisitor`](super::visitor::FieldVisitor) lets
//! go of its lock before it formats. A chunk's lock may be taken under one of them, never the other way round.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::thread;

use parking_lot::{Mutex, MutexGuard};
use tracing::span::Id;

use super::span::OpenSpan;
use crate::rules::plan::Plan;

/// Shards for each processor. Threads are assigned by number, so few threads that run at once share a shard.
const SHARDS_PER_PROCESSOR: usize = 4;
/// Ids below this are indexed directly, so that no odd id makes a table of its size.
const DIRECT: usize = 1 << 16;
/// Where the number of the thread lies in an id of `sharded_slab` on 64-bit machines. Only speed depends on it.
const THREAD_SHIFT: u32 = 38;
const THREAD_BITS: u32 = 13;

/// All spans that are followed, by id.
#[derive(Debug)]
pub(super) struct Spans {
    /// Their number is a power of two.
    shards: Arc<[Shard]>,
    /// The binary logarithm of the number of shards.
    shard_bits: u32,
}

/// The spans of some threads. It has cache lines of its own, two of them, because processors fetch lines in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Shard {
    /// The number of followed spans, read without the lock: if it is zero, a span of another layer costs two
    /// instructions. A thread that has a span's id has seen the span begin, and so sees it counted.
    followed: AtomicUsize,
    slots: Mutex<Slots>,
}

#[derive(Debug, Default)]
struct Slots {
    /// By thread and by number within the thread.
    threads: Vec<Vec<Slot>>,
    others: HashMap<Id, Box<OpenSpan>>,
}

/// Where the slot of an id is, within its shard.
#[derive(Clone, Copy)]
pub(super) struct Place {
    /// Among the threads of the shard.
    thread: usize,
    /// Within the thread.
    index: usize,
}

/// A place that outlives its spans: each span takes over what the one before it left. It is small, because spans of
/// other layers have one too.
#[derive(Debug, Default)]
struct Slot {
    /// Zero if no span is here.
    id: u64,
    open: Option<Box<OpenSpan>>,
}

impl Default for Spans {
    fn default() -> Self {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        Self::with_shards((SHARDS_PER_PROCESSOR * processors).next_power_of_two())
    }
}

impl Spans {
    fn with_shards(count: usize) -> Self {
        Self { shards: (0..count).map(|_| Shard::default()).collect(), shard_bits: count.ilog2() }
    }

    /// A view of the calls under way, for the guard.
    pub(super) fn calls(&self) -> OpenCalls {
        OpenCalls(Arc::downgrade(&self.shards))
    }

    /// A cursor at a span, if the span may be followed; `None` for most that are not, and then at once.
    #[inline]
    pub(super) fn at(&self, id: &Id) -> Option<Cursor<'_>> {
        let cursor = self.cursor(id);
        cursor.shard.is_used().then_some(cursor)
    }

    /// Runs `f` on a span that is followed.
    #[inline]
    pub(super) fn with<T>(&self, id: &Id, f: impl FnOnce(&mut OpenSpan) -> T) -> Option<T> {
        self.cursor(id).get(id).map(f)
    }

    /// A cursor at a span, to go on from there.
    #[inline]
    pub(super) fn cursor(&self, id: &Id) -> Cursor<'_> {
        let thread = thread_of(id);
        Cursor { spans: self, thread, shard: self.shard(thread), slots: None }
    }

    #[inline]
    fn shard(&self, thread: usize) -> &Shard {
        &self.shards[thread & (self.shards.len() - 1)]
    }

    #[inline]
    pub(super) fn place(&self, id: &Id) -> Place {
        let index = id.into_u64() & ((1 << THREAD_SHIFT) - 1);
        Place { thread: thread_of(id) >> self.shard_bits, index: index as usize }
    }
}

/// The thread that an id of the registry names.
#[inline]
fn thread_of(id: &Id) -> usize {
    (id.into_u64() >> THREAD_SHIFT) as usize & ((1 << THREAD_BITS) - 1)
}

/// The calls under way: spans that will have a row when they end. None once the layer is gone.
#[derive(Debug)]
pub(crate) struct OpenCalls(Weak<[Shard]>);

impl OpenCalls {
    #[cfg(all(test, ledger_loom))]
    pub(crate) fn none() -> Self {
        Self(Weak::<[Shard; 0]>::new())
    }

    /// How many there are. It neither waits nor allocates: a shard whose lock is held counts for nothing.
    pub(crate) fn count(&self) -> u64 {
        let Some(shards) = self.0.upgrade() else { return 0 };
        shards.iter().filter_map(|shard| shard.slots.try_lock()).map(|slots| slots.calls()).sum()
    }

    /// Stops following them, so that their ends are not counted. Returns how many there were.
    pub(crate) fn abandon(&self) -> u64 {
        let Some(shards) = self.0.upgrade() else { return 0 };
        let abandoned = shards.iter().map(|shard| {
            let mut slots = shard.slots.lock();
            let calls = slots.abandon_calls();
            shard.follow(-(calls as isize));
            calls
        });
        abandoned.sum()
    }
}

impl Shard {
    #[inline]
    fn is_used(&self) -> bool {
        self.followed.load(Ordering::Relaxed) > 0
    }

    /// Changes the number of followed spans by `more`. Call it only under the lock.
    #[inline]
    fn follow(&self, more: isize) {
        let followed = self.followed.load(Ordering::Relaxed);
        self.followed.store(followed.wrapping_add_signed(more), Ordering::Relaxed);
    }
}

/// Goes from span to span, under the lock of the one it is at. It keeps the lock where the next span is of the same
/// shard, as those of one thread are.
pub(super) struct Cursor<'a> {
    spans: &'a Spans,
    /// The thread in the id of the span, and the shard of that thread.
    thread: usize,
    shard: &'a Shard,
    slots: Option<MutexGuard<'a, Slots>>,
}

impl Cursor<'_> {
    /// Goes to a span; `None` where it is not followed.
    #[inline(always)]
    pub(super) fn get(&mut self, id: &Id) -> Option<&mut OpenSpan> {
        let place = self.spans.place(id);
        self.slots(id).get(id, place)
    }

    /// Goes to the span that the cursor was made for, and that has this place.
    #[inline(always)]
    pub(super) fn stay(&mut self, id: &Id, place: Place) -> Option<&mut OpenSpan> {
        let shard = self.shard;
        self.slots.get_or_insert_with(|| shard.slots.lock()).get(id, place)
    }

    /// Begins to follow a span in a place that an earlier one has left; `None` where there is no such place.
    #[inline]
    pub(super) fn reuse(&mut self, id: &Id) -> Option<&mut OpenSpan> {
        let place = self.spans.place(id);
        let shard = self.shard_of(id);
        let open = self.slots(id).reuse(id, place)?;
        shard.follow(1);
        Some(open)
    }

    /// Begins to follow a span in a new place.
    #[cold]
    pub(super) fn begin(&mut self, id: &Id, plan: &'static Plan) -> &mut OpenSpan {
        let place = self.spans.place(id);
        let shard = self.shard_of(id);
        let (is_new, open) = self.slots(id).new_place(id, place, plan);
        if is_new {
            shard.follow(1);
        }
        // A span that never ended may have left something.
        open.clear();
        open
    }

    /// Takes a span that ends out of its place, and follows it no longer.
    #[inline]
    pub(super) fn take(&mut self, id: &Id) -> Option<Box<OpenSpan>> {
        let place = self.spans.place(id);
        let open = self.slots(id).take(id, place)?;
        self.shard.follow(-1);
        Some(open)
    }

    /// Puts a span that has ended back into its place, for the next one there.
    #[inline]
    pub(super) fn put_back(&mut self, id: &Id, open: Box<OpenSpan>) {
        let place = self.spans.place(id);
        self.slots(id).put_back(place, open);
    }

    /// Holds no lock until it goes on.
    #[inline]
    pub(super) fn rest(&mut self) {
        self.slots = None;
    }

    #[inline(always)]
    fn slots(&mut self, id: &Id) -> &mut Slots {
        let shard = self.shard_of(id);
        self.slots.get_or_insert_with(|| shard.slots.lock())
    }
}

impl<'a> Cursor<'a> {
    /// The shard of the span, to which it goes.
    #[inline(always)]
    fn shard_of(&mut self, id: &Id) -> &'a Shard {
        let thread = thread_of(id);
        if thread != self.thread {
            self.go(thread);
        }
        self.shard
    }

    #[cold]
    #[inline(never)]
    fn go(&mut self, thread: usize) {
        // Before the next lock is taken, because two are never held at once.
        self.rest();
        (self.thread, self.shard) = (thread, self.spans.shard(thread));
    }
}

impl Slots {
    /// Begins a span in a place that an earlier one has left.
    #[inline]
    fn reuse(&mut self, id: &Id, place: Place) -> Option<&mut OpenSpan> {
        let slot = self.threads.get_mut(place.thread).and_then(|thread| thread.get_mut(place.index));
        let Some(Slot { id: free @ 0, open: Some(open) }) = slot else { return None };
        *free = id.into_u64();
        Some(open)
    }

    /// A new place for a span that begins, and whether it is one more.
    fn new_place(&mut self, id: &Id, place: Place, plan: &'static Plan) -> (bool, &mut OpenSpan) {
        if place.index >= DIRECT {
            return self.other(id, plan);
        }
        if place.thread >= self.threads.len() {
            self.threads.resize_with(place.thread + 1, Vec::new);
        }
        let thread = &mut self.threads[place.thread];
        if place.index >= thread.len() {
            thread.resize_with(place.index + 1, Slot::default);
        }
        // No other live span of the registry has this place.
        if ![0, id.into_u64()].contains(&self.threads[place.thread][place.index].id) {
            return self.other(id, plan);
        }
        let slot = &mut self.threads[place.thread][place.index];
        let is_new = std::mem::replace(&mut slot.id, id.into_u64()) == 0;
        (is_new, slot.open.get_or_insert_with(|| Box::new(OpenSpan::new(plan))))
    }

    fn other(&mut self, id: &Id, plan: &'static Plan) -> (bool, &mut OpenSpan) {
        let is_new = self.others.remove(id).is_none();
        (is_new, self.others.entry(id.clone()).or_insert_with(|| Box::new(OpenSpan::new(plan))))
    }

    #[inline(always)]
    fn get(&mut self, id: &Id, place: Place) -> Option<&mut OpenSpan> {
        let slot = self.threads.get_mut(place.thread).and_then(|thread| thread.get_mut(place.index));
        match slot {
            Some(slot) if slot.id == id.into_u64() => slot.open.as_deref_mut(),
            _ => get_other(&mut self.others, id),
        }
    }

    /// Takes the span out and makes its place free.
    #[inline]
    fn take(&mut self, id: &Id, place: Place) -> Option<Box<OpenSpan>> {
        let slot = self.threads.get_mut(place.thread).and_then(|thread| thread.get_mut(place.index));
        match slot {
            Some(slot) if slot.id == id.into_u64() => {
                slot.id = 0;
                slot.open.take()
            }
            _ => take_other(&mut self.others, id),
        }
    }

    #[inline]
    fn put_back(&mut self, place: Place, open: Box<OpenSpan>) {
        let slot = self.threads.get_mut(place.thread).and_then(|thread| thread.get_mut(place.index));
        if let Some(Slot { id: 0, open: empty }) = slot {
            *empty = Some(open);
        }
    }

    fn calls(&self) -> u64 {
        let direct = self.threads.iter().flatten().filter(|slot| slot.is_call()).count();
        (direct + self.others.values().filter(|open| open.is_call()).count()) as u64
    }

    fn abandon_calls(&mut self) -> u64 {
        let calls = self.calls();
        for slot in self.threads.iter_mut().flatten().filter(|slot| slot.is_call()) {
            *slot = Slot::default();
        }
        self.others.retain(|_, open| !open.is_call());
        calls
    }
}

/// Out of line, like all code that spans rarely need. The code that every span needs is then small enough to be inlined.
#[cold]
#[inline(never)]
fn get_other<'a>(others: &'a mut HashMap<Id, Box<OpenSpan>>, id: &Id) -> Option<&'a mut OpenSpan> {
    others.get_mut(id).map(|open| &mut **open)
}

#[cold]
#[inline(never)]
fn take_other(others: &mut HashMap<Id, Box<OpenSpan>>, id: &Id) -> Option<Box<OpenSpan>> {
    others.remove(id)
}

impl Slot {
    fn is_call(&self) -> bool {
        self.id != 0 && self.open.as_ref().is_some_and(|open| open.is_call())
    }
}
