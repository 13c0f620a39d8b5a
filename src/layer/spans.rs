//! The spans under way: what has been collected of each so far.
//!
//! Not in the registry's extensions: reaching those costs a look-up of the span, a lock, a hash map and an
//! allocation at every step of a span's life. Here a span's place follows from its id. The registry hands out
//! ids as a thread and a small number, lowest free first, so a span is found by indexing, under a lock that
//! hardly ever two threads want, in memory that the span before it has warmed. Ids of any other make are found
//! too, only slower.
//!
//! Never are two of these locks held at once, and no code of the user's runs under one: [`Collector`] lets go of it
//! before it formats.

use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tracing::field::{Field, Visit};
use tracing::span::Id;

use crate::record::{Fields, Record, Scratch, Tally};
use crate::rules::plan::{NameSet, Plan};

/// Shards, a power of two: more than most services have busy threads.
const SHARDS: usize = 64;
/// Ids below this are indexed directly, so that no odd id makes a table of its size.
const DIRECT: usize = 1 << 16;
/// Where the number of the thread begins in an id of `sharded_slab` on 64-bit machines. Only speed depends on it.
const THREAD_SHIFT: u32 = 38;

/// A span that is followed: one with a rule, or one whose fields are inherited.
#[derive(Debug)]
pub(crate) struct OpenSpan {
    /// The nearest enclosing span that is followed too.
    pub(crate) parent: Option<Id>,
    pub(crate) record: Record,
    /// Entered while the thread was already unwinding: the panic is not this span's.
    pub(crate) entered_unwinding: u32,
    /// The call has told its outcome and left; a later enter and exit is only its future being dropped.
    pub(crate) left: bool,
    /// The span that was current when the call was made, for a call that an enclosing span collects.
    pub(crate) home: Option<Id>,
    /// It was left to that span: a thread that enters it elsewhere, as a database driver's may, is not the call.
    pub(crate) was_home: bool,
    /// What is numbered or collected within it; few spans have any. Empty where a span had one in the same place
    /// before.
    pub(crate) within: Option<Box<Children>>,
    /// What it gives to spans below; few spans have any below that ask.
    pub(crate) gift: Option<Box<Inherited>>,
}

/// Values for the records of spans below, as they are packed there.
#[derive(Debug, Default)]
pub(crate) struct Inherited {
    /// The inherited names that it is for; none where the values may be old.
    pub(crate) lacking: NameSet,
    /// Those among them that it has no value for.
    pub(crate) left: NameSet,
    pub(crate) fields: Fields,
}

/// The book a job keeps on the calls within it.
#[derive(Debug, Default)]
pub(crate) struct Children {
    /// Next number by event type of the spans numbered within this one.
    pub(crate) numbers: Vec<(Arc<str>, u32)>,
    /// What has ended within this span so far, one for each of the rule's `collect`.
    pub(crate) tallies: Vec<Tally>,
}

/// All spans that are followed, by id.
#[derive(Debug)]
pub(crate) struct Spans {
    shards: Box<[Shard]>,
}

/// A cache line of its own, and the neighbour that processors fetch along with it.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Shard {
    /// How many spans are followed, to be read without the lock: spans of other layers pass by in two instructions
    /// where there is none. A thread that has a span's id has seen it begin, and so that it is counted.
    followed: AtomicUsize,
    slots: Mutex<Slots>,
}

#[derive(Debug, Default)]
struct Slots {
    /// Spans in `direct`.
    count: usize,
    direct: Vec<Slot>,
    others: HashMap<Id, OpenSpan>,
}

/// A place that outlives its spans: each takes it over as the one before it left it. Small, as spans of other layers
/// have one too.
#[derive(Debug, Default)]
struct Slot {
    id: Option<Id>,
    open: Option<Box<OpenSpan>>,
}

impl Default for Spans {
    fn default() -> Self {
        Self { shards: (0..SHARDS).map(|_| Shard::default()).collect() }
    }
}

impl Spans {
    /// Whether the span may be followed; `false` for most that are not, and then at once.
    #[inline]
    pub(crate) fn may_follow(&self, id: &Id) -> bool {
        self.shard(id).followed.load(Ordering::Relaxed) > 0
    }

    /// Takes more fields for a span that is followed.
    #[inline]
    pub(crate) fn collect<'a>(&'a self, id: &'a Id) -> Collector<'a> {
        Collector { spans: self, id, slots: None }
    }

    /// Runs `f` on a span that is followed.
    #[inline]
    pub(crate) fn with<T>(&self, id: &Id, f: impl FnOnce(&mut OpenSpan) -> T) -> Option<T> {
        self.shard(id).lock().get(id).map(f)
    }

    /// To go from span to span.
    #[inline]
    pub(crate) fn walk(&self) -> Cursor<'_> {
        Cursor { spans: self, at: None }
    }

    #[inline]
    fn shard(&self, id: &Id) -> &Shard {
        &self.shards[(id.into_u64() >> THREAD_SHIFT) as usize & (SHARDS - 1)]
    }
}

impl Shard {
    #[inline]
    fn lock(&self) -> MutexGuard<'_, Slots> {
        // Nothing panics under the lock; if it did, the slots would still be whole.
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Goes from span to span, under the lock of the one it is at. It keeps the lock where the next span is of the same
/// shard, as those of one thread are.
pub(crate) struct Cursor<'a> {
    spans: &'a Spans,
    at: Option<(&'a Shard, MutexGuard<'a, Slots>)>,
}

impl<'a> Cursor<'a> {
    /// Goes to a span; `None` where it is not followed.
    #[inline]
    pub(crate) fn get(&mut self, id: &Id) -> Option<&mut OpenSpan> {
        self.slots(id).1.get(id)
    }

    /// Begins to follow a span; what is returned is as new.
    pub(crate) fn begin(&mut self, id: &Id, plan: &'static Plan) -> &mut OpenSpan {
        let (shard, slots) = self.slots(id);
        let others = slots.count() - usize::from(slots.get(id).is_some());
        shard.followed.store(others + 1, Ordering::Relaxed);
        slots.vacant(id, plan)
    }

    /// Follows a span no longer.
    pub(crate) fn end(&mut self, id: &Id) {
        let (shard, slots) = self.slots(id);
        slots.vacate(id);
        shard.followed.store(slots.count(), Ordering::Relaxed);
    }

    /// Holds no lock until it goes on.
    #[inline]
    pub(crate) fn rest(&mut self) {
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
pub(crate) struct Collector<'a> {
    spans: &'a Spans,
    id: &'a Id,
    slots: Option<MutexGuard<'a, Slots>>,
}

impl Collector<'_> {
    fn put(&mut self, put: impl FnOnce(&mut Fields)) {
        let slots = self.slots.get_or_insert_with(|| self.spans.shard(self.id).lock());
        if let Some(open) = slots.get(self.id) {
            open.outdate_gift();
            put(&mut open.record.fields);
        }
    }

    fn format(&mut self, format: impl FnOnce(&mut Fields)) {
        self.slots = None;
        let mut apart = Scratch::new();
        format(&mut apart);
        self.put(|fields| fields.merge(&apart));
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

/// The place of an id, where it has one of its own.
#[inline]
fn index(id: &Id) -> Option<usize> {
    let within_thread = id.into_u64() & ((1 << THREAD_SHIFT) - 1);
    usize::try_from(within_thread).ok().filter(|index| *index < DIRECT)
}

impl Slots {
    #[inline]
    fn count(&self) -> usize {
        self.count + self.others.len()
    }

    fn vacant(&mut self, id: &Id, plan: &'static Plan) -> &mut OpenSpan {
        let Some(index) = index(id) else { return self.other(id, plan) };
        if index >= self.direct.len() {
            self.direct.resize_with(index + 1, Slot::default);
        }
        // With the registry's ids no other live span has this place.
        if self.direct[index].id.as_ref().is_some_and(|other| other != id) {
            return self.other(id, plan);
        }
        let slot = &mut self.direct[index];
        self.count += usize::from(slot.id.is_none());
        slot.id = Some(id.clone());
        let open = slot.open.get_or_insert_with(|| Box::new(OpenSpan::new(plan)));
        open.reset(plan);
        open
    }

    fn other(&mut self, id: &Id, plan: &'static Plan) -> &mut OpenSpan {
        self.others.entry(id.clone()).insert_entry(OpenSpan::new(plan)).into_mut()
    }

    fn get(&mut self, id: &Id) -> Option<&mut OpenSpan> {
        match index(id).and_then(|index| self.direct.get_mut(index)) {
            Some(slot) if slot.id.as_ref() == Some(id) => slot.open.as_deref_mut(),
            _ if self.others.is_empty() => None,
            _ => self.others.get_mut(id),
        }
    }

    fn vacate(&mut self, id: &Id) {
        match index(id).and_then(|index| self.direct.get_mut(index)) {
            Some(slot) if slot.id.as_ref() == Some(id) => {
                slot.id = None;
                self.count -= 1;
                if let Some(open) = &mut slot.open {
                    open.clear();
                }
            }
            _ => drop(self.others.remove(id)),
        }
    }
}

impl OpenSpan {
    fn new(plan: &'static Plan) -> Self {
        let (parent, entered_unwinding, left, home, was_home, within, gift) = Default::default();
        Self { parent, record: Record::new(plan), entered_unwinding, left, home, was_home, within, gift }
    }

    fn reset(&mut self, plan: &'static Plan) {
        self.parent = None;
        self.record.reset(plan);
        self.entered_unwinding = 0;
        self.left = false;
        self.home = None;
        self.was_home = false;
    }

    /// Keeps no more memory than the next span is likely to need.
    fn clear(&mut self) {
        self.record.clear();
        if let Some(within) = &mut self.within {
            within.numbers.clear();
            within.tallies.clear();
        }
        if let Some(gift) = &mut self.gift {
            gift.fields.clear();
        }
        self.outdate_gift();
    }

    fn outdate_gift(&mut self) {
        if let Some(gift) = &mut self.gift {
            gift.lacking = 0;
        }
    }
}
