//! Bisection: a batch that the store rejects is split until the rejected rows are alone.

mod drift;

use std::ops::Range;

pub(super) use self::drift::Drift;
use crate::row::Row;
use crate::spool::SpooledRows;
use crate::store::{Attempt, InsertError};

/// Rows that go to the store together, and which of them are stored, rejected or still to be tried.
///
/// The pieces to be tried are a stack of ranges: the piece on top is stored, cut in two, or rejected.
pub(super) struct Batch {
    rows: Vec<Row>,
    origin: Origin,
    /// Pieces not stored yet; the last is the next.
    pieces: Vec<Range<usize>>,
    /// Rows that were rejected alone, and the store's reason.
    rejected: Vec<(usize, String)>,
    /// The kind of the next try.
    attempt: Attempt,
    drifted: bool,
    /// While drifted: how many single rows were rejected since the last one that was stored.
    rejections: usize,
    /// Rows that were stored or rejected before those it holds now.
    before: usize,
    /// The most rows that go at once: as many as came together.
    most: usize,
}

/// The most bytes of rows that are put together again to go at once.
const PIECE_BYTES: usize = 8 * 1024 * 1024;
/// A batch with more bytes of rows takes in no others. That bounds the memory that rejected rows take.
const JOINED_BYTES: usize = 4 * PIECE_BYTES;

/// Where a batch comes from, which decides what to do once all its rows are stored or rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// The queue. The rows are nowhere else.
    Queue,
    /// The spool, which is to acknowledge all rows up to this number. In another generation it means nothing.
    Spool { up_to: u64, generation: u64 },
    /// The ledger itself: rows about losses, which are in no account.
    Ledger,
}

/// The cause of a rejection, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rejection {
    /// One of the rows: try smaller pieces.
    Row,
    /// The table: more is rejected than a few bad rows explain.
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
            rejected: Vec::new(),
            attempt: Attempt::First,
            drifted: false,
            rejections: 0,
            before: 0,
            most,
        }
    }

    pub(super) fn from_spool(batch: SpooledRows, generation: u64) -> Self {
        let attempt = if batch.may_be_stored { Attempt::Replay } else { Attempt::First };
        Self { attempt, ..Self::new(batch.rows, Origin::Spool { up_to: batch.up_to, generation }) }
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

    /// The store rejects the piece.
    pub(super) fn reject(&mut self, error: &InsertError, drift: &Drift) -> Rejection {
        if self.halve() {
            return Rejection::Row;
        }
        self.rejected.extend(self.pieces.pop().map(|piece| (piece.start, error.to_string())));
        if !self.is_drift(drift) {
            return Rejection::Row;
        }
        self.retry_rejected();
        Rejection::Drift
    }

    fn is_drift(&self, drift: &Drift) -> bool {
        self.drifted || drift.shows(self.len(), self.rejected.len())
    }

    /// Tries all rejected rows again, each alone and after all others, until one row is stored. Then the table takes rows
    /// again, and all may go together.
    fn retry_rejected(&mut self) {
        self.rejections = self.rejected.len() + if self.drifted { self.rejections } else { 0 };
        self.drifted = true;
        for (row, _) in self.rejected.drain(..) {
            self.pieces.insert(0, row..row + 1);
        }
        self.split_one();
    }

    /// Makes the next try a single row: one statement tells whether the table takes rows again. It is another row each time,
    /// from the middle of the longest piece, as this row and its neighbours may be bad themselves.
    fn split_one(&mut self) {
        let longest = self.pieces.iter().enumerate().max_by_key(|(_, piece)| piece.len());
        let Some(at) = longest.map(|(at, _)| at) else { return };
        let piece = self.pieces.remove(at);
        let middle = piece.start + piece.len() / 2;
        let around = [middle + 1..piece.end, piece.start..middle];
        self.pieces.splice(at..at, around.into_iter().filter(|piece| !piece.is_empty()));
        self.pieces.push(middle..middle + 1);
    }

    /// Joins the pieces as far as rows may go together, the earliest first.
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

    /// Whether every row that is left was rejected alone. Only rows that came later can tell bad rows from drift.
    pub(super) fn is_stuck(&self) -> bool {
        self.drifted && self.rejections >= self.pieces.iter().map(Range::len).sum()
    }

    /// Whether the batch may take in others.
    pub(super) fn has_room(&self, rows: usize) -> bool {
        self.len() < rows && bytes(&self.rows) < JOINED_BYTES
    }

    /// Takes in rows that came after its own, of the same origin. One of these goes next, alone.
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
            rejections: old,
            before: len - rows.len(),
            most,
            ..Self::new(rows, origin)
        };
        joined.pieces.push(old..joined.rows.len());
        joined.split_one();
        joined
    }

    /// How many rows were rejected.
    pub(super) fn rejected(&self) -> usize {
        self.rejected.len()
    }

    /// Takes the first rejected row, with the store's reason.
    pub(super) fn pop_rejected(&mut self) -> Option<(Row, String)> {
        let first = (0..self.rejected.len()).min_by_key(|at| self.rejected[*at].0)?;
        let (row, reason) = self.rejected.swap_remove(first);
        Some((self.rows[row].clone(), reason))
    }

    /// The rows that are not stored, as far as is known.
    pub(super) fn into_rest(self) -> Vec<Row> {
        let mut is_left = vec![false; self.rows.len()];
        self.pieces.into_iter().for_each(|piece| is_left[piece].fill(true));
        self.rejected.into_iter().for_each(|(row, _)| is_left[row] = true);
        let rows = self.rows.into_iter().zip(is_left);
        rows.filter_map(|(row, is_left)| is_left.then_some(row)).collect()
    }

    /// All its rows.
    pub(super) fn into_rows(self) -> Vec<Row> {
        self.rows
    }
}

/// The bytes that differ between rows, which decide what it takes to keep and to send them.
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
            severity: crate::severity::Severity::Info,
            context: "{}".to_owned(),
            restaurant_id: None,
            booking_id: None,
        }
    }

    fn numbers(rows: &[Row]) -> Vec<u128> {
        rows.iter().map(|row| row.id.as_u128()).collect()
    }

    fn rejected(mut batch: Batch) -> Vec<u128> {
        let rejected = std::iter::from_fn(|| batch.pop_rejected());
        rejected.inspect(|(_, reason)| assert_eq!(reason, "no")).map(|(row, _)| row.id.as_u128()).collect()
    }

    fn rejection() -> InsertError {
        InsertError::new(Failure::Quarantine, "no")
    }

    /// Tries pieces until nothing is left or the schema seems to have drifted; the numbers of statements.
    fn try_all(batch: &mut Batch, is_bad: impl Fn(u128) -> bool) -> (usize, Rejection) {
        let mut statements = 0;
        while let Some((piece, _)) = batch.next() {
            statements += 1;
            if !numbers(piece).into_iter().any(&is_bad) {
                batch.stored();
            } else if batch.reject(&rejection(), &Drift::default()) == Rejection::Drift {
                return (statements, Rejection::Drift);
            }
        }
        (statements, Rejection::Row)
    }

    #[test]
    fn exactly_the_bad_rows_are_rejected() {
        for bad in 1..=30 {
            let mut batch = batch(1..=30);
            try_all(&mut batch, |number| number == bad || number == 15);
            let mut expected = vec![bad.min(15), bad.max(15)];
            expected.dedup();
            assert_eq!(rejected(batch), expected);
        }
    }

    #[test]
    fn while_the_schema_has_drifted_one_statement_asks_whether_it_still_has() {
        let mut batch = batch(1..=1000);
        let (found_in, _) = try_all(&mut batch, |_| true);
        assert!(found_in > 100);
        assert_eq!(try_all(&mut batch, |_| true), (1, Rejection::Drift));
        assert_eq!(try_all(&mut batch, |_| true), (1, Rejection::Drift));
        let (mended_in, rejection) = try_all(&mut batch, |_| false);
        assert_eq!(rejection, Rejection::Row);
        assert!(mended_in < 20, "rows that were rejected one by one go together again: {mended_in}");
        assert_eq!(batch.rejected(), 0);
    }

    #[test]
    fn a_row_that_is_bad_of_itself_does_not_hide_that_the_schema_is_mended() {
        for bad in 1..=8 {
            let mut batch = batch(1..=8);
            assert_eq!(try_all(&mut batch, |_| true).1, Rejection::Drift);
            let tries: Vec<_> =
                std::iter::repeat_with(|| try_all(&mut batch, |number| number == bad)).take(2).collect();
            assert!(tries.iter().any(|(_, rejection)| *rejection == Rejection::Row), "{bad}: {tries:?}");
            assert_eq!(rejected(batch), [bad]);
        }
    }

    #[test]
    fn neighbours_that_are_bad_of_themselves_do_not_hide_it_either() {
        for first in [1, 490, 981] {
            let is_bad = |number| (first..first + 20).contains(&number);
            let mut batch = batch(1..=1000);
            assert_eq!(try_all(&mut batch, |_| true).1, Rejection::Drift);
            let tries = std::iter::repeat_with(|| try_all(&mut batch, is_bad).1).take(3);
            let tries: Vec<_> = tries.take_while(|cause| *cause == Rejection::Drift).collect();
            assert!(tries.len() < 3, "from {first}: {tries:?}");
            assert_eq!(rejected(batch), (first..first + 20).collect::<Vec<_>>());
        }
    }

    #[test]
    fn what_goes_together_again_is_no_more_than_came_together() {
        let mut held = batch(1..=10);
        for first in (11..600).step_by(10) {
            while !held.is_stuck() {
                assert_eq!(try_all(&mut held, |_| true).1, Rejection::Drift);
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
    fn large_rows_go_together_up_to_a_limit_and_no_more_are_taken_in() {
        let large = |number| Row { context: "x".repeat(PIECE_BYTES / 4), ..row(number) };
        let mut held = Batch::new((1..=20).map(large).collect(), Origin::Queue);
        assert!(!held.has_room(1000) && batch(1..=20).has_room(1000));
        while !held.is_stuck() {
            assert_eq!(try_all(&mut held, |_| true).1, Rejection::Drift);
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
        let is_bad = |number| number <= 3;
        while !stuck.is_stuck() {
            assert_eq!(try_all(&mut stuck, is_bad).1, Rejection::Drift);
        }
        assert_eq!(try_all(&mut stuck, is_bad), (1, Rejection::Drift), "nothing else is left");
        let mut joined = stuck.join(batch(30..=31));
        assert_eq!((joined.len(), numbers(&joined.rows)), (31, vec![1, 2, 3, 30, 31]));
        assert_eq!(try_all(&mut joined, is_bad).1, Rejection::Row);
        assert_eq!(rejected(joined), [1, 2, 3]);
    }

    #[test]
    fn only_the_very_first_piece_is_a_first_try() {
        for may_be_stored in [false, true] {
            let mut spooled = SpooledRows::default();
            spooled.rows = (1..=2).map(row).collect();
            spooled.may_be_stored = may_be_stored;
            let mut batch = Batch::from_spool(spooled, 1);
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
