//! A batch on its way into the store: which events are in, which are still to be tried and in what pieces, and
//! which of them the store will never take.

use std::ops::Range;

use super::drift::Drift;
use crate::store::{Attempt, InsertError};
use crate::{Event, spool};

/// The events taken at once, with the fate of each.
///
/// Halving is a stack of ranges: the piece on top is tried, and stored, cut in two, or found to be poison.
pub(super) struct Batch {
    events: Vec<Event>,
    origin: Origin,
    /// Pieces not stored yet; the last is the next.
    pieces: Vec<Range<usize>>,
    /// Events that were refused all alone, and what the store said.
    poison: Vec<(usize, String)>,
    /// What the next try is.
    attempt: Attempt,
    drifted: bool,
    /// While drifted: how many pieces of one event were refused, one after the other.
    refusals: usize,
    /// Events that were dealt with before those it holds now.
    before: usize,
}

/// Where a batch comes from, and with it what is left to do once it is dealt with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// The queue. The events are nowhere else.
    Queue,
    /// The spool, which is to acknowledge everything up to this number.
    Spool(u64),
    /// The ledger itself: rows on losses, which are in no account.
    Ledger,
}

/// What the refusal of a piece leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blame {
    /// There is something smaller to try.
    Narrowed,
    /// Too much is refused for the events to be at fault.
    Drift,
}

impl Batch {
    pub(super) fn new(events: Vec<Event>, origin: Origin) -> Self {
        let all = 0..events.len();
        Self {
            pieces: if all.is_empty() { Vec::new() } else { vec![all] },
            events,
            origin,
            poison: Vec::new(),
            attempt: Attempt::First,
            drifted: false,
            refusals: 0,
            before: 0,
        }
    }

    pub(super) fn from_spool(batch: spool::Batch) -> Self {
        let attempt = if batch.may_be_stored { Attempt::Replay } else { Attempt::First };
        Self { attempt, ..Self::new(batch.events, Origin::Spool(batch.up_to)) }
    }

    pub(super) fn origin(&self) -> Origin {
        self.origin
    }

    pub(super) fn len(&self) -> usize {
        self.before + self.events.len()
    }

    /// The events to try next, and whether they may have been sent before.
    pub(super) fn next(&mut self) -> Option<(&[Event], Attempt)> {
        let piece = self.pieces.last()?.clone();
        let attempt = std::mem::replace(&mut self.attempt, Attempt::Retry);
        Some((&self.events[piece], attempt))
    }

    /// The piece is in the store; its number of events.
    pub(super) fn stored(&mut self) -> usize {
        self.drifted = false;
        self.pieces.pop().map_or(0, |piece| piece.len())
    }

    /// Cuts the piece in two, the first half first; `false` when it is a single event.
    pub(super) fn halve(&mut self) -> bool {
        let Some(piece) = self.pieces.pop_if(|piece| piece.len() > 1) else { return false };
        let middle = piece.start + piece.len() / 2;
        self.pieces.extend([middle..piece.end, piece.start..middle]);
        true
    }

    /// The store will never take the piece as it is.
    pub(super) fn blame(&mut self, error: &InsertError, drift: &Drift) -> Blame {
        if self.halve() {
            return Blame::Narrowed;
        }
        self.poison.extend(self.pieces.pop().map(|piece| (piece.start, error.to_string())));
        if !self.is_drift(drift) {
            return Blame::Narrowed;
        }
        self.restore_poison();
        Blame::Drift
    }

    fn is_drift(&self, drift: &Drift) -> bool {
        // Nothing waits for the ledger's own rows.
        self.origin != Origin::Ledger && (self.drifted || drift.shows(self.len(), self.poison.len()))
    }

    /// Takes back every verdict: what was refused is tried again after all others. The next goes alone, so that a
    /// single statement asks whether the schema is mended; another each time, as this one may be bad of itself.
    fn restore_poison(&mut self) {
        self.refusals = self.poison.len() + if self.drifted { self.refusals } else { 0 };
        self.drifted = true;
        let refused: Vec<usize> = self.poison.drain(..).map(|(event, _)| event).collect();
        for run in runs(&refused) {
            match self.pieces.first_mut() {
                Some(last) if last.end == run.start => last.end = run.end,
                _ => self.pieces.insert(0, run),
            }
        }
        self.split_one();
    }

    /// Has the next try be a single event.
    fn split_one(&mut self) {
        if let Some(piece) = self.pieces.pop_if(|piece| piece.len() > 1) {
            self.pieces.extend([piece.start + 1..piece.end, piece.start..piece.start + 1]);
        }
    }

    /// Whether every event that is left was refused alone. Others that came after them have to tell whose fault it is.
    pub(super) fn is_stuck(&self) -> bool {
        self.drifted && self.refusals >= self.pieces.iter().map(Range::len).sum()
    }

    /// Takes in events that came after its own, of the same origin; one of them goes next and alone.
    pub(super) fn join(self, more: Self) -> Self {
        let (origin, len) = (more.origin, self.len() + more.len());
        let mut events = self.into_rest();
        let old = 0..events.len();
        events.extend(more.events);
        let mut joined = Self {
            pieces: vec![old.clone(), old.end..events.len()],
            attempt: Attempt::Retry,
            drifted: true,
            refusals: old.len(),
            before: len - events.len(),
            ..Self::new(events, origin)
        };
        joined.split_one();
        joined
    }

    /// How many events no try got in, and are not set aside yet.
    pub(super) fn refused(&self) -> usize {
        self.poison.len()
    }

    /// One of the events that no try got in, and what the store said of it.
    pub(super) fn poison(&self) -> Option<(&Event, &str)> {
        let (event, reason) = self.poison.last()?;
        Some((&self.events[*event], reason))
    }

    /// The [`poison`](Self::poison) is set aside.
    pub(super) fn set_aside(&mut self) {
        self.poison.pop();
    }

    /// What is neither stored nor set aside, as far as is known.
    pub(super) fn into_rest(self) -> Vec<Event> {
        let is_left = |at: usize| {
            self.pieces.iter().any(|piece| piece.contains(&at))
                || self.poison.iter().any(|(event, _)| *event == at)
        };
        let left: Vec<_> = (0..self.events.len()).map(is_left).collect();
        self.events.into_iter().zip(left).filter_map(|(event, is_left)| is_left.then_some(event)).collect()
    }

    /// Its events.
    pub(super) fn into_events(self) -> Vec<Event> {
        self.events
    }
}

/// Neighbours joined: `[1, 2, 3, 7]` is `[1..4, 7..8]`.
fn runs(places: &[usize]) -> Vec<Range<usize>> {
    let joined = places.chunk_by(|one, next| one + 1 == *next);
    joined.filter_map(|run| Some(*run.first()?..run.last()? + 1)).collect()
}

#[cfg(test)]
mod tests {
    use std::ops::RangeInclusive;
    use std::time::UNIX_EPOCH;

    use uuid::Uuid;

    use super::*;
    use crate::store::Failure;

    fn batch(numbers: RangeInclusive<u128>) -> Batch {
        Batch::new(numbers.map(event).collect(), Origin::Queue)
    }

    fn event(number: u128) -> Event {
        Event {
            id: Uuid::from_u128(number),
            created_at: UNIX_EPOCH,
            source: "test".into(),
            event_type: "test".into(),
            severity: crate::Severity::Info,
            context: "{}".to_owned(),
            restaurant_id: None,
            booking_id: None,
        }
    }

    fn numbers(events: &[Event]) -> Vec<u128> {
        events.iter().map(|event| event.id.as_u128()).collect()
    }

    fn left_over(batch: &mut Batch) -> Vec<u128> {
        let mut left = Vec::new();
        while let Some((event, reason)) = batch.poison() {
            assert_eq!(reason, "no");
            left.insert(0, event.id.as_u128());
            batch.set_aside();
        }
        left
    }

    fn refusal() -> InsertError {
        InsertError::new(Failure::Quarantine, "no")
    }

    /// Tries pieces until nothing is left or the schema seems to have drifted; the numbers of statements.
    fn try_all(batch: &mut Batch, is_poison: impl Fn(u128) -> bool) -> (usize, Blame) {
        let mut statements = 0;
        while let Some((piece, _)) = batch.next() {
            statements += 1;
            if !numbers(piece).into_iter().any(&is_poison) {
                batch.stored();
            } else if batch.blame(&refusal(), &Drift::default()) == Blame::Drift {
                return (statements, Blame::Drift);
            }
        }
        (statements, Blame::Narrowed)
    }

    #[test]
    fn the_poison_that_is_left_over_is_exactly_what_was_refused() {
        for poison in 1..=30 {
            let mut batch = batch(1..=30);
            try_all(&mut batch, |number| number == poison || number == 15);
            let mut expected = vec![poison.min(15), poison.max(15)];
            expected.dedup();
            assert_eq!(left_over(&mut batch), expected);
        }
    }

    #[test]
    fn while_the_schema_has_drifted_one_statement_asks_whether_it_still_has() {
        let mut batch = batch(1..=1000);
        let (found_in, _) = try_all(&mut batch, |_| true);
        assert!(found_in > 100);
        assert_eq!(try_all(&mut batch, |_| true), (1, Blame::Drift));
        assert_eq!(try_all(&mut batch, |_| true), (1, Blame::Drift));
        let (mended_in, blame) = try_all(&mut batch, |_| false);
        assert_eq!(blame, Blame::Narrowed);
        assert!(mended_in < 20, "what was refused one by one goes together again: {mended_in}");
        assert_eq!(batch.refused(), 0);
    }

    #[test]
    fn an_event_that_is_bad_of_itself_does_not_hide_that_the_schema_is_mended() {
        for bad in 1..=8 {
            let mut batch = batch(1..=8);
            assert_eq!(try_all(&mut batch, |_| true).1, Blame::Drift);
            let tries: Vec<_> =
                std::iter::repeat_with(|| try_all(&mut batch, |number| number == bad)).take(2).collect();
            assert!(tries.iter().any(|(_, blame)| *blame == Blame::Narrowed), "{bad}: {tries:?}");
            assert_eq!(left_over(&mut batch), [bad]);
        }
    }

    #[test]
    fn bad_events_are_told_from_a_bad_schema_by_those_that_came_after_them() {
        let mut stuck = batch(1..=29);
        let is_poison = |number| number <= 3;
        while !stuck.is_stuck() {
            assert_eq!(try_all(&mut stuck, is_poison).1, Blame::Drift);
        }
        assert_eq!(try_all(&mut stuck, is_poison), (1, Blame::Drift), "nothing else is left");
        let mut joined = stuck.join(batch(30..=31));
        assert_eq!((joined.len(), numbers(&joined.events)), (31, vec![1, 2, 3, 30, 31]));
        assert_eq!(try_all(&mut joined, is_poison).1, Blame::Narrowed);
        assert_eq!(left_over(&mut joined), [1, 2, 3]);
    }

    #[test]
    fn only_the_very_first_piece_is_a_first_try() {
        for may_be_stored in [false, true] {
            let mut spooled = spool::Batch::default();
            spooled.events = (1..=2).map(event).collect();
            spooled.may_be_stored = may_be_stored;
            let mut batch = Batch::from_spool(spooled);
            let first = if may_be_stored { Attempt::Replay } else { Attempt::First };
            assert_eq!(batch.next().map(|(_, attempt)| attempt), Some(first));
            assert!(batch.halve());
            for number in 1..=2 {
                assert_eq!(batch.next(), Some((&[event(number)][..], Attempt::Retry)));
                assert!(!batch.halve());
                assert_eq!(batch.stored(), 1);
            }
            assert_eq!(batch.next(), None);
        }
    }

    #[test]
    fn neighbours_are_joined() {
        assert_eq!(runs(&[1, 2, 3, 7, 9, 10]), [1..4, 7..8, 9..11]);
        assert!(runs(&[]).is_empty());
    }
}
