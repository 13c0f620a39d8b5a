//! A batch on its way into the store: which rows are in, which are still to be tried and in what pieces, and
//! which of them the store will never take.

use std::ops::Range;

use super::drift::Drift;
use crate::store::{Attempt, InsertError};
use crate::{Row, spool};

/// The rows taken at once, with the fate of each.
///
/// Halving is a stack of ranges: the piece on top is tried, and stored, cut in two, or found to be poison.
pub(super) struct Batch {
    rows: Vec<Row>,
    origin: Origin,
    /// Pieces not stored yet; the last is the next.
    pieces: Vec<Range<usize>>,
    /// Rows that were refused all alone, and what the store said.
    poison: Vec<(usize, String)>,
    /// What the next try is.
    attempt: Attempt,
    drifted: bool,
    /// While drifted: how many pieces of one row were refused, one after the other.
    refusals: usize,
    /// Rows that were dealt with before those it holds now.
    before: usize,
    /// The most rows that go at once: as many as once came together.
    most: usize,
}

/// The most bytes of rows that are put together again to go at once.
const PIECE_BYTES: usize = 8 * 1024 * 1024;
/// A batch with more bytes of rows takes in no others: with the last that it took in, the most that refused rows take.
const JOINED_BYTES: usize = 4 * PIECE_BYTES;

/// Where a batch comes from, and with it what is left to do once it is dealt with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// The queue. The rows are nowhere else.
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
    /// Too much is refused for the rows to be at fault.
    Drift,
}

impl Batch {
    pub(super) fn new(rows: Vec<Row>, origin: Origin) -> Self {
        let all = 0..rows.len();
        let most = all.len();
        Self {
            pieces: if all.is_empty() { Vec::new() } else { vec![all] },
            rows,
            origin,
            poison: Vec::new(),
            attempt: Attempt::First,
            drifted: false,
            refusals: 0,
            before: 0,
            most,
        }
    }

    pub(super) fn from_spool(batch: spool::Batch) -> Self {
        let attempt = if batch.may_be_stored { Attempt::Replay } else { Attempt::First };
        Self { attempt, ..Self::new(batch.rows, Origin::Spool(batch.up_to)) }
    }

    pub(super) fn origin(&self) -> Origin {
        self.origin
    }

    pub(super) fn len(&self) -> usize {
        self.before + self.rows.len()
    }

    /// The rows to try next, and whether they may have been sent before.
    pub(super) fn next(&mut self) -> Option<(&[Row], Attempt)> {
        let piece = self.pieces.last()?.clone();
        let attempt = std::mem::replace(&mut self.attempt, Attempt::Retry);
        Some((&self.rows[piece], attempt))
    }

    /// The piece is in the store; its number of rows.
    pub(super) fn stored(&mut self) -> usize {
        let stored = self.pieces.pop().map_or(0, |piece| piece.len());
        if std::mem::take(&mut self.drifted) {
            self.rejoin();
        }
        stored
    }

    /// Cuts the piece in two, the first half first; `false` when it is a single row.
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
        self.drifted || drift.shows(self.len(), self.poison.len())
    }

    /// Takes back every verdict: what was refused is tried again, each alone and after all others, until one row is
    /// stored. Then the schema is mended, and all may go together again.
    fn restore_poison(&mut self) {
        self.refusals = self.poison.len() + if self.drifted { self.refusals } else { 0 };
        self.drifted = true;
        for (row, _) in self.poison.drain(..) {
            self.pieces.insert(0, row..row + 1);
        }
        self.split_one();
    }

    /// Has the next try be a single row, so that one statement asks whether the schema is mended. Another each time, as
    /// this one may be bad of itself, and from the middle of the longest piece, as its neighbours may be too.
    fn split_one(&mut self) {
        let longest = self.pieces.iter().enumerate().max_by_key(|(_, piece)| piece.len());
        let Some(at) = longest.map(|(at, _)| at) else { return };
        let piece = self.pieces.remove(at);
        let middle = piece.start + piece.len() / 2;
        let around = [middle + 1..piece.end, piece.start..middle];
        self.pieces.splice(at..at, around.into_iter().filter(|piece| !piece.is_empty()));
        self.pieces.push(middle..middle + 1);
    }

    /// Has what is left go in pieces that are as large as may be, the earliest first.
    fn rejoin(&mut self) {
        let Self { rows, most, .. } = self;
        let may_go_at_once = |piece: Range<usize>| piece.len() <= *most && bytes(&rows[piece]) <= PIECE_BYTES;
        let mut pieces = std::mem::take(&mut self.pieces);
        pieces.sort_unstable_by_key(|piece| std::cmp::Reverse(piece.start));
        for piece in pieces {
            match self.pieces.last_mut() {
                Some(next) if next.start == piece.end && may_go_at_once(piece.start..next.end) => {
                    next.start = piece.start;
                }
                _ => self.pieces.push(piece),
            }
        }
    }

    /// Whether every row that is left was refused alone. Others that came after them have to tell whose fault it is.
    pub(super) fn is_stuck(&self) -> bool {
        self.drifted && self.refusals >= self.pieces.iter().map(Range::len).sum()
    }

    /// Takes out what is left of a stuck one, the next to be tried first.
    pub(super) fn take_rest(&mut self) -> Vec<Row> {
        let mut rows: Vec<_> = self.rows.drain(..).map(Some).collect();
        let turns = std::mem::take(&mut self.pieces).into_iter().rev().flatten();
        let rest: Vec<_> = turns.filter_map(|row| rows[row].take()).collect();
        self.before += rows.len() - rest.len();
        rest
    }

    /// Puts back in what found no other place: each goes alone, in this order.
    pub(super) fn restore_rest(&mut self, rest: Vec<Row>) {
        self.pieces = (0..rest.len()).rev().map(|row| row..row + 1).collect();
        self.refusals = rest.len();
        self.rows = rest;
    }

    /// Whether it may take in others.
    pub(super) fn has_room(&self, rows: usize) -> bool {
        self.len() < rows && bytes(&self.rows) < JOINED_BYTES
    }

    /// Takes in rows that came after its own, of the same origin; one of them goes next and alone.
    pub(super) fn join(self, more: Self) -> Self {
        let (origin, len) = (more.origin, self.len() + more.len());
        let most = self.most.max(more.most);
        let mut rows = self.into_rest();
        let old = rows.len();
        rows.extend(more.rows);
        let mut joined = Self {
            pieces: (0..old).rev().map(|row| row..row + 1).collect(),
            attempt: Attempt::Retry,
            drifted: true,
            refusals: old,
            before: len - rows.len(),
            most,
            ..Self::new(rows, origin)
        };
        joined.pieces.push(old..joined.rows.len());
        joined.split_one();
        joined
    }

    /// How many rows no try got in.
    pub(super) fn refused(&self) -> usize {
        self.poison.len()
    }

    /// The rows that no try got in, and what the store said of each.
    pub(super) fn into_poison(self) -> impl Iterator<Item = (Row, String)> {
        let mut poison = self.poison;
        poison.sort_unstable_by_key(|(row, _)| *row);
        let mut poison = poison.into_iter().peekable();
        self.rows
            .into_iter()
            .enumerate()
            .filter_map(move |(at, row)| Some((row, poison.next_if(|(poisoned, _)| *poisoned == at)?.1)))
    }

    /// What is not stored, as far as is known.
    pub(super) fn into_rest(self) -> Vec<Row> {
        let mut left = vec![false; self.rows.len()];
        self.pieces.into_iter().for_each(|piece| left[piece].fill(true));
        self.poison.into_iter().for_each(|(row, _)| left[row] = true);
        self.rows.into_iter().zip(left).filter_map(|(row, is_left)| is_left.then_some(row)).collect()
    }

    /// Its rows.
    pub(super) fn into_rows(self) -> Vec<Row> {
        self.rows
    }
}

/// What it takes to keep and to send them, but for what is the same of all.
fn bytes(rows: &[Row]) -> usize {
    rows.iter().map(|row| row.context.len()).sum()
}

#[cfg(test)]
mod tests {
    use std::ops::RangeInclusive;
    use std::time::UNIX_EPOCH;

    use uuid::Uuid;

    use super::*;
    use crate::store::Failure;

    fn batch(numbers: RangeInclusive<u128>) -> Batch {
        Batch::new(numbers.map(row).collect(), Origin::Queue)
    }

    fn row(number: u128) -> Row {
        Row {
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

    fn numbers(rows: &[Row]) -> Vec<u128> {
        rows.iter().map(|row| row.id.as_u128()).collect()
    }

    fn left_over(batch: Batch) -> Vec<u128> {
        let told = |(row, reason): (Row, String)| {
            assert_eq!(reason, "no");
            row.id.as_u128()
        };
        batch.into_poison().map(told).collect()
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
            assert_eq!(left_over(batch), expected);
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
    fn a_row_that_is_bad_of_itself_does_not_hide_that_the_schema_is_mended() {
        for bad in 1..=8 {
            let mut batch = batch(1..=8);
            assert_eq!(try_all(&mut batch, |_| true).1, Blame::Drift);
            let tries: Vec<_> =
                std::iter::repeat_with(|| try_all(&mut batch, |number| number == bad)).take(2).collect();
            assert!(tries.iter().any(|(_, blame)| *blame == Blame::Narrowed), "{bad}: {tries:?}");
            assert_eq!(left_over(batch), [bad]);
        }
    }

    #[test]
    fn neighbours_that_are_bad_of_themselves_do_not_hide_it_either() {
        for first in [1, 490, 981] {
            let is_bad = |number| (first..first + 20).contains(&number);
            let mut batch = batch(1..=1000);
            assert_eq!(try_all(&mut batch, |_| true).1, Blame::Drift);
            let tries = std::iter::repeat_with(|| try_all(&mut batch, is_bad).1).take(3);
            let tries: Vec<_> = tries.take_while(|blame| *blame == Blame::Drift).collect();
            assert!(tries.len() < 3, "from {first}: {tries:?}");
            assert_eq!(left_over(batch), (first..first + 20).collect::<Vec<_>>());
        }
    }

    #[test]
    fn what_goes_together_again_is_no_more_than_came_together() {
        let mut held = batch(1..=10);
        for first in (11..600).step_by(10) {
            while !held.is_stuck() {
                assert_eq!(try_all(&mut held, |_| true).1, Blame::Drift);
            }
            held = held.join(batch(first..=first + 9));
        }
        assert_eq!(held.next().map(|(_, attempt)| attempt), Some(Attempt::Retry));
        let mut largest = 0;
        while let Some((piece, _)) = held.next() {
            largest = largest.max(piece.len());
            held.stored();
        }
        assert_eq!((held.len(), largest), (600, 10));
    }

    #[test]
    fn what_finds_no_other_place_is_tried_on_in_turn() {
        let mut batch = batch(1..=5);
        let mut tried = Vec::new();
        while tried.len() < 10 {
            let piece = numbers(batch.next().expect("nothing is stored").0);
            batch.blame(&refusal(), &Drift::default());
            if batch.is_stuck() {
                tried.extend(piece);
                let rest = batch.take_rest();
                batch.restore_rest(rest);
                assert!(batch.is_stuck() && batch.len() == 5);
            }
        }
        tried[..5].sort_unstable();
        tried[5..].sort_unstable();
        assert_eq!(tried, [1, 2, 3, 4, 5, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn large_rows_go_together_up_to_a_limit_and_no_more_are_taken_in() {
        let large = |number| Row { context: "x".repeat(PIECE_BYTES / 4), ..row(number) };
        let mut held = Batch::new((1..=20).map(large).collect(), Origin::Queue);
        assert!(!held.has_room(1000) && batch(1..=20).has_room(1000));
        while !held.is_stuck() {
            assert_eq!(try_all(&mut held, |_| true).1, Blame::Drift);
        }
        let mut pieces = Vec::new();
        while let Some((piece, _)) = held.next() {
            pieces.push(piece.len());
            held.stored();
        }
        assert!(pieces.iter().all(|piece| *piece <= 4) && pieces.len() <= 7, "{pieces:?}");
    }

    #[test]
    fn bad_rows_are_told_from_a_bad_schema_by_those_that_came_after_them() {
        let mut stuck = batch(1..=29);
        let is_poison = |number| number <= 3;
        while !stuck.is_stuck() {
            assert_eq!(try_all(&mut stuck, is_poison).1, Blame::Drift);
        }
        assert_eq!(try_all(&mut stuck, is_poison), (1, Blame::Drift), "nothing else is left");
        let mut joined = stuck.join(batch(30..=31));
        assert_eq!((joined.len(), numbers(&joined.rows)), (31, vec![1, 2, 3, 30, 31]));
        assert_eq!(try_all(&mut joined, is_poison).1, Blame::Narrowed);
        assert_eq!(left_over(joined), [1, 2, 3]);
    }

    #[test]
    fn only_the_very_first_piece_is_a_first_try() {
        for may_be_stored in [false, true] {
            let mut spooled = spool::Batch::default();
            spooled.rows = (1..=2).map(row).collect();
            spooled.may_be_stored = may_be_stored;
            let mut batch = Batch::from_spool(spooled);
            let first = if may_be_stored { Attempt::Replay } else { Attempt::First };
            assert_eq!(batch.next().map(|(_, attempt)| attempt), Some(first));
            assert!(batch.halve());
            for number in 1..=2 {
                assert_eq!(batch.next(), Some((&[row(number)][..], Attempt::Retry)));
                assert!(!batch.halve());
                assert_eq!(batch.stored(), 1);
            }
            assert_eq!(batch.next(), None);
        }
    }
}
