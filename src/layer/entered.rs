//! Which spans a thread is in.
//!
//! The registry knows this too, but each question costs a look-up and a reference count: more than all the work here
//! between enter and exit. It is asked only when the thread is in more spans than fit here.

use std::cell::Cell;
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering};

use tracing::Subscriber;
use tracing::span::Id;
use tracing_subscriber::layer::Context;

/// More than most threads are ever in.
const DEPTH: usize = 16;

thread_local! {
    /// Without a destructor, so that they are available until the end of the thread.
    static SPANS: ThreadSpans = const { ThreadSpans::new() };
}

/// The spans of all ledgers that a thread is in, the innermost last.
struct ThreadSpans {
    count: Cell<usize>,
    /// There were more than there is room for: until the thread has left them all, only their number is known.
    overrun: Cell<bool>,
    entered: [Cell<Entered>; DEPTH],
}

#[derive(Clone, Copy)]
struct Entered {
    id: u64,
    ledger: u32,
    /// The thread was in it already. Then the one it came from stays the current one, as for the registry.
    again: bool,
}

/// The spans of one ledger's subscriber that the calling thread is in. Ids of another one may be the same.
#[derive(Debug)]
pub(super) struct EnteredSpans {
    ledger: u32,
}

/// The current span as the registry knows it.
pub(super) struct Current(Option<u64>);

impl Default for EnteredSpans {
    fn default() -> Self {
        static LEDGERS: AtomicU32 = AtomicU32::new(0);
        Self { ledger: LEDGERS.fetch_add(1, Ordering::Relaxed) }
    }
}

impl EnteredSpans {
    #[inline]
    pub(super) fn enter(&self, id: &Id) {
        SPANS.with(|spans| spans.push(self.ledger, id.into_u64()));
    }

    /// Leaves the span. If only the registry knows the current span, returns its answer.
    ///
    /// The question may drop the registry's last reference to a span, which then closes. So it is asked before any lock is taken.
    #[inline]
    pub(super) fn exit<S: Subscriber>(&self, id: &Id, ctx: &Context<'_, S>) -> Option<Current> {
        SPANS.with(|spans| {
            spans.remove(self.ledger, id.into_u64());
            spans.overrun.get().then(|| Current(ctx.current_span().id().map(Id::into_u64)))
        })
    }

    /// The id of the current span; `asked` is the result of [`exit`](Self::exit).
    #[inline]
    pub(super) fn known(&self, asked: Option<Current>) -> Option<u64> {
        let own = || SPANS.with(|spans| spans.innermost(self.ledger));
        asked.map_or_else(own, |Current(current)| current)
    }

    /// A number of the calling thread that no other running thread has.
    #[inline]
    pub(super) fn thread() -> usize {
        SPANS.with(|spans| ptr::from_ref(spans).addr())
    }

    #[inline]
    pub(super) fn current<S: Subscriber>(&self, ctx: &Context<'_, S>) -> Option<Id> {
        SPANS.with(|spans| self.innermost(spans, ctx))
    }

    #[inline]
    fn innermost<S: Subscriber>(&self, spans: &ThreadSpans, ctx: &Context<'_, S>) -> Option<Id> {
        if spans.overrun.get() {
            return ctx.current_span().id().cloned();
        }
        spans.innermost(self.ledger).map(Id::from_u64)
    }
}

impl ThreadSpans {
    const fn new() -> Self {
        Self {
            count: Cell::new(0),
            overrun: Cell::new(false),
            entered: [const { Cell::new(Entered { id: 0, ledger: 0, again: false }) }; DEPTH],
        }
    }

    fn entered(&self) -> &[Cell<Entered>] {
        self.entered.get(..self.count.get()).unwrap_or_default()
    }

    #[inline]
    fn push(&self, ledger: u32, id: u64) {
        let again = self.entered().iter().any(|span| span.get().is(ledger, id));
        let count = self.count.get();
        match self.entered.get(count) {
            Some(place) => place.set(Entered { id, ledger, again }),
            None => self.overrun.set(true),
        }
        self.count.set(count + 1);
    }

    #[inline]
    fn remove(&self, ledger: u32, id: u64) {
        let last = self.count.get().wrapping_sub(1);
        match self.entered.get(last) {
            Some(span) if span.get().is(ledger, id) && !self.overrun.get() => self.count.set(last),
            _ => self.remove_other(ledger, id),
        }
    }

    #[cold]
    fn remove_other(&self, ledger: u32, id: u64) {
        let count = self.count.get();
        if self.overrun.get() {
            self.count.set(count - 1);
            return self.overrun.set(count > 1);
        }
        let entered = self.entered();
        let Some(at) = entered.iter().rposition(|span| span.get().is(ledger, id)) else { return };
        for (place, next) in entered[at..].iter().zip(&entered[at + 1..]) {
            place.set(next.get());
        }
        self.count.set(count - 1);
    }

    #[inline]
    fn innermost(&self, ledger: u32) -> Option<u64> {
        let innermost = self.entered().iter().rfind(|span| span.get().is_current(ledger))?;
        Some(innermost.get().id)
    }
}

impl Entered {
    fn is(self, ledger: u32, id: u64) -> bool {
        self.id == id && self.ledger == ledger
    }

    fn is_current(self, ledger: u32) -> bool {
        self.ledger == ledger && !self.again
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn the_current_span_is_the_innermost_that_is_not_left() {
        let spans = ThreadSpans::new();
        assert_eq!(spans.innermost(0), None);
        spans.push(0, 1);
        spans.push(0, 2);
        assert_eq!(spans.innermost(0), Some(2));
        spans.remove(0, 1);
        assert_eq!(spans.innermost(0), Some(2), "they may be left in any order");
        spans.remove(0, 2);
        assert_eq!(spans.innermost(0), None);
        spans.remove(0, 2);
        assert_eq!(spans.innermost(0), None, "an exit without an enter is nothing");
    }

    #[test]
    fn entering_a_span_again_does_not_make_it_the_current_one() {
        let spans = ThreadSpans::new();
        for id in [1, 2, 1] {
            spans.push(0, id);
        }
        assert_eq!(spans.innermost(0), Some(2));
        spans.remove(0, 1);
        assert_eq!(spans.innermost(0), Some(2));
        spans.remove(0, 2);
        assert_eq!(spans.innermost(0), Some(1));
    }

    #[test]
    fn every_ledger_has_its_own() {
        let spans = ThreadSpans::new();
        spans.push(0, 1);
        assert_eq!(spans.innermost(1), None);
        spans.push(1, 1);
        spans.remove(0, 1);
        assert_eq!((spans.innermost(0), spans.innermost(1)), (None, Some(1)));
    }

    #[test]
    fn past_its_room_it_knows_nothing_until_all_are_left() {
        let spans = ThreadSpans::new();
        let ids = 0..=DEPTH as u64;
        ids.clone().for_each(|id| spans.push(0, id));
        assert!(spans.overrun.get());
        ids.clone().skip(1).for_each(|id| spans.remove(0, id));
        assert!(spans.overrun.get());
        spans.remove(0, 0);
        assert!(!spans.overrun.get());
        spans.push(0, 5);
        assert_eq!(spans.innermost(0), Some(5));
    }

    #[test]
    fn every_thread_has_its_own() {
        let ledger = EnteredSpans::default();
        ledger.enter(&Id::from_u64(1));
        let elsewhere = || SPANS.with(|spans| spans.innermost(ledger.ledger));
        assert_eq!(elsewhere(), Some(1));
        thread::scope(|scope| assert_eq!(scope.spawn(elsewhere).join().ok(), Some(None)));
    }
}
