//! The shape of the spans of one callsite: whether they are those of a function or of a future.
//!
//! A function enters its span once, leaves it once, and then closes it at once. A future enters its span at every poll,
//! and `Instrumented` enters it once more to drop the future. But one that enters its span itself, and is dropped after
//! the first poll, looks like a function that has returned. So a callsite has to prove itself.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

/// The calls in a row that must have the shape of a function before the next one counts as returned.
pub(crate) const PROVING_CALLS: u8 = 16;

/// It is a function for sure.
const FUNCTION: u8 = u8::MAX - 1;
/// It may be a future, whatever later calls show.
const FUTURE: u8 = u8::MAX;

/// The evidence of the calls so far.
#[derive(Debug, Default)]
pub(crate) struct Shape {
    /// Calls in a row that had the shape of a function, or one of the two above.
    state: AtomicU8,
    /// It was proven before a call that closed late, as on a busy machine.
    was_proven: AtomicBool,
}

impl Shape {
    /// Notes a silent call that had the shape of a function. Returns whether it counts as returned.
    pub(crate) fn note_silent(&self) -> bool {
        let count = self.state.load(Ordering::Relaxed);
        if count < PROVING_CALLS {
            // Another thread may have seen a future meanwhile, and then this changes nothing.
            self.state.compare_exchange(count, count + 1, Ordering::Relaxed, Ordering::Relaxed).ok();
        }
        (PROVING_CALLS..=FUNCTION).contains(&count)
    }

    /// Notes a call that only `#[instrument]` on a function makes.
    pub(crate) fn note_function(&self) {
        self.change(|_| FUNCTION);
    }

    /// Notes a call that no function with `#[instrument]` makes.
    pub(crate) fn note_future(&self) {
        self.change(|_| FUTURE);
    }

    /// Notes a call that either may have made.
    pub(crate) fn note_unclear(&self) {
        if self.is_proven() {
            self.was_proven.store(true, Ordering::Relaxed);
        }
        self.change(|state| if state == FUNCTION { FUNCTION } else { 0 });
    }

    /// Whether nothing speaks against a function yet.
    pub(crate) fn is_open(&self) -> bool {
        self.state.load(Ordering::Relaxed) < PROVING_CALLS
    }

    /// Whether it has been a function for a while, and nothing that only a future makes has come since.
    pub(crate) fn was_proven(&self) -> bool {
        self.is_proven() || self.is_open() && self.was_proven.load(Ordering::Relaxed)
    }

    /// Whether it is a function, as far as is known.
    fn is_proven(&self) -> bool {
        (PROVING_CALLS..=FUNCTION).contains(&self.state.load(Ordering::Relaxed))
    }

    fn change(&self, to: impl Fn(u8) -> u8) {
        let next = |state| if state == FUTURE { FUTURE } else { to(state) };
        let state = self.state.load(Ordering::Relaxed);
        // A plain store on every call would move the cache line between cores.
        if next(state) != state {
            self.state.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |state| Some(next(state))).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proven() -> Shape {
        let shape = Shape::default();
        assert!((0..PROVING_CALLS).all(|_| !shape.note_silent()), "the first calls prove it");
        shape
    }

    #[test]
    fn a_callsite_proves_itself_by_calls_in_a_row() {
        assert!(proven().note_silent());
        let shape = proven();
        shape.note_unclear();
        assert!(!shape.note_silent() && shape.is_open() && shape.was_proven());
        shape.note_future();
        assert!(!shape.was_proven() && !Shape::default().was_proven());
    }

    #[test]
    fn a_future_is_one_for_good() {
        let shape = proven();
        shape.note_future();
        shape.note_function();
        shape.note_unclear();
        assert!((0..=u8::MAX).all(|_| !shape.note_silent()) && !shape.is_open());
    }

    #[test]
    fn a_certain_function_needs_no_proof() {
        let shape = Shape::default();
        shape.note_function();
        shape.note_unclear();
        assert!(shape.note_silent() && !shape.is_open());
    }
}
