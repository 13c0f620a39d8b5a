//! A batch on its way into the store: which events are in, which are still to be tried and in what pieces, and
//! which of them the store will never take.

use std::ops::Range;

use crate::Event;
use crate::store::{Attempt, InsertError};

/// From this size on a batch can show that the schema has drifted.
const DRIFT_ROWS: usize = 20;
/// A batch of which more than one in this many is refused means that the schema has drifted.
const DRIFT_SHARE: usize = 10;

/// The events taken from the queue at once, with the fate of each.
///
/// Halving is a stack of ranges: the piece on top is tried, and stored, cut in two, or found to be poison.
pub(super) struct Batch {
    events: Vec<Event>,
    /// Pieces not stored yet; the last is the next.
    pieces: Vec<Range<usize>>,
    /// Events that were refused all alone.
    poison: Vec<usize>,
    /// What the store said of the last of them.
    reason: String,
    sent: bool,
    drifted: bool,
}

/// What the refusal of a piece leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blame {
    /// There is something smaller to try.
    Narrowed,
    /// Too much of the batch is refused for the events to be at fault.
    Drift,
}

impl Batch {
    pub(super) fn new(events: Vec<Event>) -> Self {
        let all = 0..events.len();
        Self {
            events,
            pieces: vec![all],
            poison: Vec::new(),
            reason: String::new(),
            sent: false,
            drifted: false,
        }
    }

    /// The events to try next, and whether they may have been sent before.
    pub(super) fn next(&mut self) -> Option<(&[Event], Attempt)> {
        let piece = self.pieces.last()?.clone();
        let attempt = if self.sent { Attempt::Retry } else { Attempt::First };
        self.sent = true;
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
    pub(super) fn blame(&mut self, error: &InsertError) -> Blame {
        if self.halve() {
            return Blame::Narrowed;
        }
        self.reason = error.to_string();
        self.poison.extend(self.pieces.pop().map(|piece| piece.start));
        if self.is_drift() { self.restore_poison() } else { Blame::Narrowed }
    }

    fn is_drift(&self) -> bool {
        let bearable = if self.drifted { 0 } else { self.events.len() / DRIFT_SHARE };
        self.events.len() >= DRIFT_ROWS && self.poison.len() > bearable
    }

    /// Takes back every verdict: the events are as they were, except that one of the refused goes first and
    /// alone, so that the next try asks with a single statement whether the schema is mended.
    fn restore_poison(&mut self) -> Blame {
        let mut poison = std::mem::take(&mut self.poison);
        let probe = poison.pop();
        self.pieces.extend(runs(&poison).into_iter().rev());
        self.pieces.extend(probe.map(|event| event..event + 1));
        self.drifted = true;
        Blame::Drift
    }

    /// The events that no try got in, once there is nothing left to try, and what the store said of the last.
    pub(super) fn into_poison(self) -> (Vec<Event>, String) {
        let mut poison = self.poison.into_iter().peekable();
        let events = self.events.into_iter().enumerate();
        let refused = events.filter_map(|(place, event)| poison.next_if_eq(&place).map(|_| event));
        (refused.collect(), self.reason)
    }
}

/// Neighbours joined: `[1, 2, 3, 7]` is `[1..4, 7..8]`.
fn runs(places: &[usize]) -> Vec<Range<usize>> {
    let joined = places.chunk_by(|one, next| one + 1 == *next);
    joined.filter_map(|run| Some(*run.first()?..run.last()? + 1)).collect()
}
