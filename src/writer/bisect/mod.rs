//! Bisection: a batch that the store rejects is split until the rejected rows are alone.

mod drift;

use std::ops::Range;

pub(super) use self::drift::Drift;
use crate::row::Row;
use crate::spool::SpooledRows;
use crate::store::{Attempt, Failure, InsertError};

/// Rows that go to the store together. The batch knows which of them are stored, rejected or not tried yet.
///
/// The pieces to try form a stack of ranges. The piece on top is stored, halved or rejected.
pub(super) struct Batch {
    rows: Vec<Row>,
    origin: Origin,
    /// Pieces that are not stored yet. The last one is tried next.
    pieces: Vec<Range<usize>>,
    /// Rows that were rejected alone, with the store's reasons.
    rejected: Vec<(usize, String)>,
    /// The kind of the next try.
    attempt: Attempt,
    drifted: bool,
    /// Whether a row of this batch was stored since the table last rejected all rows.
    has_stored: bool,
    /// The number of single rows tried to find out whether the table takes any row.
    probes: usize,
    /// While drifted: the number of single rows rejected since one was last stored.
    rejections: usize,
    /// The number of earlier rows that were stored or rejected and are no longer in this batch.
    before: usize,
    /// The most rows of one try: the largest number that came together.
    most: usize,
    /// The number of rows that were found alone to have to wait.
    alone: usize,
}

/// If the store rejects this many single rows of a batch and stores none, then the table takes no row.
const PROBES: usize = 4;
/// The most bytes of rows in pieces that are joined for one try.
const PIECE_BYTES: usize = 8 * 1024 * 1024;
/// A batch with more bytes of rows takes in no others. This bounds the memory of rejected rows.
const JOINED_BYTES: usize = 4 * PIECE_BYTES;

/// Where a batch comes from. This decides what happens when all its rows are stored or rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// The queue. No other copy of the rows exists.
    Queue,
    /// The spool, which then acknowledges all rows up to this number. The number is valid only in this generation.
    Spool { up_to: u64, generation: u64 },
    /// The ledger itself: rows about losses. The account does not count them.
    Ledger,
    /// Rows that [wait](super::waiting). `generation` names the spool from which they were read, if any.
    Waiting { generation: Option<u64> },
}

/// The likely cause of a rejection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rejection {
    /// A row: try smaller pieces.
    Row,
    /// The table: it rejects more rows than a few bad ones explain.
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
            has_stored: false,
            probes: 0,
            rejections: 0,
            before: 0,
            most,
            alone: 0,
        }
    }

    pub(super) fn from_spool(batch: SpooledRows, generation: u64) -> Self {
        let attempt = if batch.may_be_stored { Attempt::Replay } else { Attempt::First };
        Self { attempt, ..Self::new(batch.rows, Origin::Spool { up_to: batch.up_to, generation }) }
    }

    /// A batch of rows that were tried before.
    pub(super) fn again(rows: Vec<Row>, origin: Origin) -> Self {
        Self { attempt: Attempt::Retry, ..Self::new(rows, origin) }
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

    /// The rows of the next piece.
    pub(super) fn piece(&self) -> &[Row] {
        self.pieces.last().map_or(&[], |piece| &self.rows[piece.clone()])
    }

    /// The row of the next piece, if the piece is a single row.
    pub(super) fn single(&mut self) -> Option<&mut Row> {
        let piece = self.pieces.last().filter(|piece| piece.len() == 1)?;
        self.rows.get_mut(piece.start)
    }

    /// Notes that other rows have just been stored, so a rejection is the fault of a row.
    pub(super) fn beside_stored_rows(self) -> Self {
        Self { has_stored: true, ..self }
    }

    /// Whether a row of this batch was stored.
    pub(super) fn has_stored(&self) -> bool {
        self.has_stored
    }

    /// Lets all other pieces be tried before this one.
    pub(super) fn put_last(&mut self) {
        let others = self.pieces.len().saturating_sub(1);
        self.pieces.rotate_left(others);
    }

    /// Counts a row that was found alone to have to wait.
    pub(super) fn count_alone(&mut self) {
        self.alone += 1;
    }

    /// The number of rows that were found alone to have to wait.
    pub(super) fn found_alone(&self) -> usize {
        self.alone
    }

    /// Changes rows that are not stored or rejected yet.
    pub(super) fn change(&mut self, mut change: impl FnMut(&mut Row)) {
        self.pieces.iter().for_each(|piece| self.rows[piece.clone()].iter_mut().for_each(&mut change));
    }

    /// Removes rows that are not stored or rejected yet. The remaining rows of each piece close up.
    pub(super) fn take(&mut self, mut is_taken: impl FnMut(&Row) -> bool) -> Vec<Row> {
        let (len, mut taken) = (self.len(), Vec::new());
        let mut rows: Vec<Row> = self.rejected.iter().map(|(row, _)| self.rows[*row].clone()).collect();
        self.rejected.iter_mut().enumerate().for_each(|(at, (row, _))| *row = at);
        // The piece on top has the earliest rows.
        for piece in self.pieces.iter_mut().rev() {
            let (left, start): (Vec<_>, _) = (self.rows[piece.clone()].to_vec(), rows.len());
            let (out, kept): (Vec<_>, Vec<_>) = left.into_iter().partition(&mut is_taken);
            taken.extend(out);
            rows.extend(kept);
            *piece = start..rows.len();
        }
        self.pieces.retain(|piece| !piece.is_empty());
        self.rows = rows;
        self.before = len - self.rows.len();
        taken
    }

    /// Notes that the piece is stored, and returns its number of rows.
    pub(super) fn stored(&mut self) -> usize {
        let stored = self.pieces.pop().map_or(0, |piece| piece.len());
        self.has_stored = true;
        if std::mem::take(&mut self.drifted) {
            self.rejoin();
        }
        stored
    }

    /// Halves the piece, and puts the first half on top. Returns `false` for a single row.
    pub(super) fn halve(&mut self) -> bool {
        let Some(piece) = self.pieces.pop_if(|piece| piece.len() > 1) else { return false };
        let middle = piece.start + piece.len() / 2;
        self.pieces.extend([middle..piece.end, piece.start..middle]);
        true
    }

    /// Notes that the store rejects the piece.
    pub(super) fn reject(&mut self, error: &InsertError, drift: &Drift) -> Rejection {
        let is_in_doubt = error.failure() == Failure::Reject && !self.has_stored;
        let is_single = self.pieces.last().is_some_and(|piece| piece.len() == 1);
        if !is_single && !is_in_doubt {
            self.halve();
            return Rejection::Row;
        }
        if is_single {
            self.probes += 1;
            self.rejected.extend(self.pieces.pop().map(|piece| (piece.start, error.to_string())));
        }
        let nothing_passes = is_in_doubt && (self.pieces.is_empty() || self.probes >= PROBES);
        if nothing_passes || (is_single && self.is_drift(drift)) {
            self.retry_rejected();
            return Rejection::Drift;
        }
        if is_in_doubt {
            self.split_one();
        }
        Rejection::Row
    }

    fn is_drift(&self, drift: &Drift) -> bool {
        self.drifted || drift.shows(self.len(), self.rejected.len())
    }

    /// Tries each rejected row again, alone and after all others, until one is stored. Then the table takes rows
    /// again, and all rows may go together.
    fn retry_rejected(&mut self) {
        self.rejections = self.rejected.len() + if self.drifted { self.rejections } else { 0 };
        self.drifted = true;
        self.has_stored = false;
        for (row, _) in self.rejected.drain(..) {
            self.pieces.insert(0, row..row + 1);
        }
        self.split_one();
    }

    /// Makes the next try a single row, because one statement tells whether the table takes rows again. Each time
    /// this is another row, from the middle of the longest piece: the last row and its neighbours may be bad
    /// themselves.
    fn split_one(&mut self) {
        let longest = self.pieces.iter().enumerate().max_by_key(|(_, piece)| piece.len());
        let Some(at) = longest.map(|(at, _)| at) else { return };
        let piece = self.pieces.remove(at);
        let middle = piece.start + piece.len() / 2;
        let around = [middle + 1..piece.end, piece.start..middle];
        self.pieces.splice(at..at, around.into_iter().filter(|piece| !piece.is_empty()));
        self.pieces.push(middle..middle + 1);
    }

    /// Joins pieces, the earliest first, as far as the limits of one try allow.
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

    /// Whether each remaining row was rejected alone. Only later rows can then tell bad rows from drift.
    pub(super) fn is_stuck(&self) -> bool {
        self.drifted && self.rejections >= self.pieces.iter().map(Range::len).sum()
    }

    /// Whether the batch may take in other rows.
    pub(super) fn has_room(&self, rows: usize) -> bool {
        self.len() < rows && bytes(&self.rows) < JOINED_BYTES
    }

    /// Takes in later rows of the same origin. The next try is one of these, alone.
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

    /// The number of rejected rows.
    pub(super) fn rejected(&self) -> usize {
        self.rejected.len()
    }

    /// Removes the first rejected row, and returns it with the store's reason.
    pub(super) fn pop_rejected(&mut self) -> Option<(Row, String)> {
        let first = (0..self.rejected.len()).min_by_key(|at| self.rejected[*at].0)?;
        let (row, reason) = self.rejected.swap_remove(first);
        Some((self.rows[row].clone(), reason))
    }

    /// The rows that are not known to be stored.
    pub(super) fn into_rest(self) -> Vec<Row> {
        let mut is_left = vec![false; self.rows.len()];
        self.pieces.into_iter().for_each(|piece| is_left[piece].fill(true));
        self.rejected.into_iter().for_each(|(row, _)| is_left[row] = true);
        let rows = self.rows.into_iter().zip(is_left);
        rows.filter_map(|(row, is_left)| is_left.then_some(row)).collect()
    }

    /// All rows of the batch.
    pub(super) fn into_rows(self) -> Vec<Row> {
        self.rows
    }
}

/// The bytes of the columns that differ between rows. They decide how much memory and time the rows cost.
fn bytes(rows: &[Row]) -> usize {
    rows.iter().map(|row| row.context.len()).sum()
}

#[cfg(test)]
mod tests;
