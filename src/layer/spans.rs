//! The spans under way: what has been collected of each so far.
//!
//! They are not in the registry's extensions: those cost a look-up of the span, a lock, a hash map and an allocation at
//! every step of a span's life. Here a span's place follows from its id. The registry's ids are a thread and a small
//! number, lowest free first. So a span is found by indexing, under a lock that two threads hardly ever want, in memory
//! that the span before it has warmed. Ids of any other make are found too, only slower.
//!
//! Two of these locks are never held at once, and no user code runs under one: [`Collector`] lets go of its lock before
//! it formats. A chunk's lock may be taken under one of them, never the other way round.

use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;

use tracing::field::{Field, Visit};
use tracing::span::Id;

use super::span::OpenSpan;
use crate::record::Fields;
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
    /// A power of two of them.
    shards: Arc<[Shard]>,
    /// Two to this power are the shards.
    shard_bits: u32,
}

/// A cache line of its own, and the neighbour that processors fetch along with it.
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
    others: HashMap<Id, OpenSpan>,
}

/// Where the slot of an id is, within its shard.
#[derive(Clone, Copy)]
struct Place {
    /// Among the threads of the shard.
    thread: usize,
    /// Within the thread.
    index: usize,
}

/// A place that outlives its spans: each span takes over what the one before it left. It is small, because spans of
/// other layers have one too.
#[derive(Debug, Default)]
struct Slot {
    id: Option<Id>,
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

    /// A view for the guard.
    pub(super) fn calls(&self) -> OpenCalls {
        OpenCalls(Arc::downgrade(&self.shards))
    }

    /// Whether the span may be followed; `false` for most that are not, and then at once.
    #[inline]
    pub(super) fn may_follow(&self, id: &Id) -> bool {
        self.shard(id).is_used()
    }

    /// Takes more fields for a span, if it may be followed.
    #[inline]
    pub(super) fn collect<'a>(&'a self, id: &'a Id) -> Option<Collector<'a>> {
        let shard = self.shard(id);
        shard.is_used().then(|| Collector { shard, place: self.place(id), id, slots: None })
    }

    /// Runs `f` on a span that is followed.
    #[inline]
    pub(super) fn with<T>(&self, id: &Id, f: impl FnOnce(&mut OpenSpan) -> T) -> Option<T> {
        self.shard(id).lock().get(id, self.place(id)).map(f)
    }

    /// To go from span to span.
    #[inline]
    pub(super) fn cursor(&self) -> Cursor<'_> {
        Cursor { spans: self, at: None }
    }

    #[inline]
    fn shard(&self, id: &Id) -> &Shard {
        &self.shards[(id.into_u64() >> THREAD_SHIFT) as usize & (self.shards.len() - 1)]
    }

    #[inline]
    fn place(&self, id: &Id) -> Place {
        let id = id.into_u64();
        let thread = (id >> THREAD_SHIFT & ((1 << THREAD_BITS) - 1)) as usize >> self.shard_bits;
        Place { thread, index: (id & ((1 << THREAD_SHIFT) - 1)) as usize }
    }
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
        shards.iter().filter_map(|shard| shard.slots.try_lock().ok()).map(|slots| slots.calls()).sum()
    }

    /// Follows them no longer, so that their ends are not counted; how many there were.
    pub(crate) fn abandon(&self) -> u64 {
        let Some(shards) = self.0.upgrade() else { return 0 };
        let abandoned = shards.iter().map(|shard| {
            let mut slots = shard.lock();
            let calls = slots.abandon_calls();
            let followed = shard.followed.load(Ordering::Relaxed);
            shard.followed.store(followed - calls as usize, Ordering::Relaxed);
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

    #[inline]
    fn lock(&self) -> MutexGuard<'_, Slots> {
        // Nothing panics under the lock; if it did, the slots would still be whole.
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Goes from span to span, under the lock of the one it is at. It keeps the lock where the next span is of the same
/// shard, as those of one thread are.
pub(super) struct Cursor<'a> {
    spans: &'a Spans,
    at: Option<(&'a Shard, MutexGuard<'a, Slots>)>,
}

impl<'a> Cursor<'a> {
    /// Goes to a span; `None` where it is not followed.
    #[inline]
    pub(super) fn get(&mut self, id: &Id) -> Option<&mut OpenSpan> {
        let place = self.spans.place(id);
        self.slots(id).1.get(id, place)
    }

    /// Begins to follow a span; what is returned is as new.
    #[inline]
    pub(super) fn begin(&mut self, id: &Id, plan: &'static Plan) -> &mut OpenSpan {
        let place = self.spans.place(id);
        let (shard, slots) = self.slots(id);
        let (added, open) = slots.vacant(id, place, plan);
        if added {
            let followed = shard.followed.load(Ordering::Relaxed);
            shard.followed.store(followed + 1, Ordering::Relaxed);
        }
        open
    }

    /// Runs `f` on a span that ends, and follows the span no longer.
    #[inline]
    pub(super) fn end<T>(&mut self, id: &Id, f: impl FnOnce(&mut OpenSpan) -> T) -> Option<T> {
        let place = self.spans.place(id);
        let (shard, slots) = self.slots(id);
        let result = slots.vacate(id, place, f)?;
        let followed = shard.followed.load(Ordering::Relaxed);
        shard.followed.store(followed - 1, Ordering::Relaxed);
        Some(result)
    }

    /// Holds no lock until it goes on.
    #[inline]
    pub(super) fn rest(&mut self) {
        self.at = None;
    }

    #[inline]
    fn slots(&mut self, id: &Id) -> (&'a Shard, &mut Slots) {
        let shard = self.spans.shard(id);
        if self.at.as_ref().is_some_and(|(at, _)| !ptr::eq(*at, shard)) {
            // Before the next is taken: never are two held.
            self.rest();
        }
        let (_, slots) = self.at.get_or_insert_with(|| (shard, shard.lock()));
        (shard, slots)
    }
}

/// Puts fields straight where they belong, under the lock of the span's shard.
///
/// Values that are to be formatted are formatted apart and without the lock: their `Debug` is the user's, and may
/// take its time, emit spans, or panic.
pub(super) struct Collector<'a> {
    shard: &'a Shard,
    place: Place,
    id: &'a Id,
    slots: Option<MutexGuard<'a, Slots>>,
}

impl Collector<'_> {
    fn put(&mut self, put: impl FnOnce(&mut Fields)) {
        let slots = self.slots.get_or_insert_with(|| self.shard.lock());
        if let Some(open) = slots.get(self.id, self.place) {
            put(open.fields_mut());
        }
    }

    fn format(&mut self, format: impl FnOnce(&mut Fields)) {
        self.slots = None;
        let mut apart = Fields::of_thread();
        format(&mut apart);
        self.put(|fields| fields.merge(&apart));
        apart.give_back();
    }
}

impl Visit for Collector<'_> {
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(|fields| fields.record_bool(field, value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(|fields| fields.record_i64(field, value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(|fields| fields.record_u64(field, value));
    }

    fn record_i128(&mut self, field: &Field, value: i128) {
        self.put(|fields| fields.record_i128(field, value));
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        self.put(|fields| fields.record_u128(field, value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(|fields| fields.record_f64(field, value));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(|fields| fields.record_str(field, value));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.format(|apart| apart.record_error(field, value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.format(|apart| apart.record_debug(field, value));
    }
}

impl Slots {
    /// The place of a span that begins, and whether it is one more.
    #[inline]
    fn vacant(&mut self, id: &Id, place: Place, plan: &'static Plan) -> (bool, &mut OpenSpan) {
        let slot = self.threads.get(place.thread).and_then(|thread| thread.get(place.index));
        if !slot.is_some_and(|slot| slot.id.is_none() && slot.open.is_some()) {
            return self.new_place(id, place, plan);
        }
        let slot = &mut self.threads[place.thread][place.index];
        slot.id = Some(id.clone());
        let open = slot.open.get_or_insert_with(|| Box::new(OpenSpan::new(plan)));
        open.reset(plan);
        (true, open)
    }

    #[cold]
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
        if self.threads[place.thread][place.index].id.as_ref().is_some_and(|other| other != id) {
            return self.other(id, plan);
        }
        let slot = &mut self.threads[place.thread][place.index];
        let added = slot.id.replace(id.clone()).is_none();
        let open = slot.open.get_or_insert_with(|| Box::new(OpenSpan::new(plan)));
        open.reset(plan);
        (added, open)
    }

    fn other(&mut self, id: &Id, plan: &'static Plan) -> (bool, &mut OpenSpan) {
        let added = self.others.remove(id).is_none();
        (added, self.others.entry(id.clone()).or_insert_with(|| OpenSpan::new(plan)))
    }

    #[inline]
    fn get(&mut self, id: &Id, place: Place) -> Option<&mut OpenSpan> {
        let slot = self.threads.get_mut(place.thread).and_then(|thread| thread.get_mut(place.index));
        match slot {
            Some(slot) if slot.id.as_ref() == Some(id) => slot.open.as_deref_mut(),
            _ if self.others.is_empty() => None,
            _ => self.others.get_mut(id),
        }
    }

    /// Runs `f` on the span and makes its place free.
    #[inline]
    fn vacate<T>(&mut self, id: &Id, place: Place, f: impl FnOnce(&mut OpenSpan) -> T) -> Option<T> {
        let slot = self.threads.get_mut(place.thread).and_then(|thread| thread.get_mut(place.index));
        let Some(slot) = slot.filter(|slot| slot.id.as_ref() == Some(id)) else {
            return self.others.remove(id).map(|mut open| f(&mut open));
        };
        slot.id = None;
        let open = slot.open.as_deref_mut()?;
        let result = f(open);
        open.clear();
        Some(result)
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

impl Slot {
    fn is_call(&self) -> bool {
        self.id.is_some() && self.open.as_ref().is_some_and(|open| open.is_call())
    }
}
