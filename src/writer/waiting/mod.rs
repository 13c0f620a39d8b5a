//! Rows that the table has no place for yet: they wait, and hold up no other row.
//!
//! The transaction that makes a booking may commit after the call has ended. A row that refers to this booking is tried again
//! until the timeout ends, counted from its end, and then goes without the reference. A row whose partition is missing
//! waits for the partition, and a row whose booking is locked waits until the lock is released. With
//! a spool such rows stay on disk meanwhile: nothing is acknowledged past the oldest.

mod lack;

use std::collections::{HashSet, VecDeque};
use std::time::{Duration, Instant, SystemTime};

use uuid::Uuid;

use self::lack::{Lack, References, references};
use super::bisect::{Batch, Origin};
use super::control::{Orders, Stopped};
use super::delivery::Delivery;
use super::notices::Problem;
use crate::row::Row;
use crate::store::{InsertError, Store};

/// The most rows that wait, and their bytes. Beyond these the oldest rows are written without their reference. Rows without one
/// delay all others.
const MOST_ROWS: usize = 5000;
const MOST_BYTES: usize = 8 * 1024 * 1024;
/// The most rows that are tried again at once: other rows have their turn in between.
const RETRY_ROWS: usize = 100;
/// A row is tried again after as long as it has waited so far, within these bounds.
const SHORTEST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(5);

pub(super) struct Waiting {
    timeout: Duration,
    rows: VecDeque<WaitingRow>,
    bytes: usize,
    /// The store's latest reason for rows that wait without end.
    reason: String,
    /// The number of the latest flush for which all rows were tried.
    hurried: u64,
    /// No row is due before: the last try was in vain for all of its rows.
    quiet: Option<Instant>,
}

struct WaitingRow {
    row: Row,
    /// Where it is tried again from: [`Origin::Waiting`].
    origin: Origin,
    /// How far the spool may be acknowledged while the row waits.
    floor: u64,
    since: Instant,
    next: Instant,
    /// When it goes without the reference. A row that lacks something else has none to leave out.
    until: Option<Instant>,
}

impl WaitingRow {
    /// How long it waits for the next try.
    fn pace(&self, now: Instant) -> Duration {
        (now - self.since).clamp(SHORTEST, LONGEST)
    }
}

impl Waiting {
    pub(super) fn new(timeout: Duration) -> Self {
        Self { timeout, rows: VecDeque::new(), bytes: 0, reason: String::new(), hurried: 0, quiet: None }
    }

    /// Whether a row of a batch has waited enough for a reference.
    pub(super) fn is_over(&self, row: &Row, origin: Origin) -> bool {
        if !matches!(origin, Origin::Waiting { .. }) {
            return self.left(row).is_zero();
        }
        let waiting = self.rows.iter().find(|waiting| waiting.row.id == row.id);
        waiting.and_then(|waiting| waiting.until).is_some_and(|until| until <= Instant::now())
    }

    /// Whether no other row may wait without end.
    fn is_full(&self) -> bool {
        self.rows.len() >= MOST_ROWS || self.bytes >= MOST_BYTES
    }

    /// The store's reason, if rows wait without end.
    pub(super) fn endless(&self) -> Option<&str> {
        self.rows.iter().any(|waiting| waiting.until.is_none()).then_some(self.reason.as_str())
    }

    /// The references of the rows that wait without end: most likely a lock is held on them.
    fn endless_references(&self) -> HashSet<References> {
        let endless = self.rows.iter().filter(|waiting| waiting.until.is_none());
        endless.map(|waiting| references(&waiting.row)).filter(|all| *all != (None, None)).collect()
    }

    /// The rest of its timeout. A row from the future, as after a jump of the clock, has all of it.
    fn left(&self, row: &Row) -> Duration {
        self.timeout.saturating_sub(SystemTime::now().duration_since(row.created_at).unwrap_or_default())
    }

    /// Lets a row of a batch wait.
    fn take_in(&mut self, row: Row, lack: Lack, origin: Origin, floor: u64) {
        let now = Instant::now();
        let origin = match origin {
            Origin::Waiting { .. } => return,
            Origin::Spool { generation, .. } => Origin::Waiting { generation: Some(generation) },
            Origin::Queue | Origin::Ledger => Origin::Waiting { generation: None },
        };
        let until = match lack {
            Lack::Partition | Lack::Time => None,
            Lack::Reference { .. } => Some(now + self.left(&row)),
        };
        self.bytes += row.context.len();
        self.rows.push_back(WaitingRow { row, origin, floor, since: now, next: now + SHORTEST, until });
        let excess = self.rows.len().saturating_sub(MOST_ROWS).max(usize::from(self.bytes > MOST_BYTES));
        self.end(excess);
    }

    /// Lets the oldest waiting rows go without the reference.
    fn end(&mut self, number: usize) {
        let now = Instant::now();
        for waiting in self.rows.iter_mut().filter(|waiting| waiting.until.is_some()).take(number) {
            (waiting.next, waiting.until) = (now, Some(now));
        }
    }

    /// Schedules a waiting row after a try that failed. It goes behind the other waiting rows, and now waits for what
    /// this try found missing.
    fn put_off(&mut self, row: &Row, lack: Lack) {
        let found = self.rows.iter().position(|waiting| waiting.row.id == row.id);
        let Some(mut waiting) = found.and_then(|at| self.rows.remove(at)) else { return };
        let now = Instant::now();
        waiting.until = match lack {
            Lack::Partition | Lack::Time => None,
            Lack::Reference { .. } => Some(waiting.until.unwrap_or_else(|| now + self.left(row))),
        };
        waiting.next = now + waiting.pace(now);
        if let Some(until) = waiting.until {
            waiting.next = waiting.next.min(until.max(now));
        }
        self.rows.push_back(waiting);
    }

    /// Lets all waiting rows go without the reference.
    pub(super) fn give_up(&mut self) {
        self.end(self.rows.len());
    }

    /// Makes all waiting rows due.
    pub(super) fn hurry(&mut self) {
        let now = Instant::now();
        self.quiet = None;
        for waiting in &mut self.rows {
            waiting.next = now;
        }
    }

    /// When the next waiting row is due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.rows.iter().map(|waiting| waiting.next).min().max(self.quiet)
    }

    /// Some waiting rows to try again now.
    pub(super) fn due(&mut self) -> Option<Batch> {
        let now = Instant::now();
        if self.quiet.is_some_and(|quiet| now < quiet) {
            return None;
        }
        let origin = self.rows.iter().find(|waiting| waiting.next <= now)?.origin;
        let due = self.rows.iter_mut().filter(|waiting| waiting.next <= now && waiting.origin == origin);
        let rows = due.take(RETRY_ROWS).map(|waiting| {
            // Those that share the fault of another one are not tried: see `Lack::is_shared`.
            let is_endless = waiting.until.is_none();
            waiting.next = now + if is_endless { waiting.pace(now) } else { SHORTEST };
            waiting.row.clone()
        });
        Some(Batch::again(rows.collect(), origin))
    }

    /// Removes rows that are stored or quarantined.
    pub(super) fn remove(&mut self, rows: &[Row]) {
        let ids: HashSet<Uuid> = rows.iter().map(|row| row.id).collect();
        self.rows.retain(|waiting| !ids.contains(&waiting.row.id));
        self.bytes = self.rows.iter().map(|waiting| waiting.row.context.len()).sum();
    }

    /// How far the spool of this generation may be acknowledged, if some of its rows wait.
    pub(super) fn floor(&self, generation: u64) -> Option<u64> {
        let origin = Origin::Waiting { generation: Some(generation) };
        self.rows.iter().filter(|waiting| waiting.origin == origin).map(|waiting| waiting.floor).min()
    }

    /// Removes all waiting rows, and returns those that are not on disk.
    pub(super) fn take_rest(&mut self, is_on_disk: impl Fn(Origin) -> bool) -> Vec<Row> {
        let rows = std::mem::take(&mut self.rows).into_iter();
        rows.filter(|waiting| !is_on_disk(waiting.origin)).map(|waiting| waiting.row).collect()
    }
}

impl<S: Store> Delivery<'_, S> {
    /// Tries rows that wait again, as far as they are due. A flush tries all of them once. At a stop they stay on disk; those
    /// that no disk has go without the reference.
    pub(super) async fn retry_waiting(&mut self, orders: Orders) -> Result<(), Stopped> {
        let is_last = orders.stop.is_some();
        if is_last && self.source.borrow().has_spool() {
            return Ok(());
        }
        let is_hurried = orders.flushes > std::mem::replace(&mut self.waiting.hurried, orders.flushes);
        if is_last {
            self.waiting.give_up();
        }
        if is_last || is_hurried {
            self.waiting.hurry();
        }
        let began = Instant::now();
        while let Some(batch) = self.waiting.due() {
            let before = self.waiting.rows.len();
            let left = before - batch.len();
            self.hand = Some(if self.takes_rows { batch.beside_stored_rows() } else { batch });
            self.deliver().await?;
            // Other rows have their turn, unless the table stores these quickly, or too many rows would wait.
            let in_vain = self.waiting.rows.len() >= before;
            self.waiting.quiet = (in_vain && !is_last && !is_hurried).then(|| Instant::now() + SHORTEST);
            let is_slow = self.waiting.rows.len() > left || began.elapsed() >= SHORTEST;
            if !is_last && !is_hurried && is_slow && self.waiting.rows.len() <= MOST_ROWS {
                break;
            }
        }
        if self.waiting.endless().is_none() {
            self.notices.say_recovered(&[Problem::Wait], "no row has to wait for the table any more");
        }
        Ok(())
    }

    /// Splits a batch with a row that the table has no place for, until the row is alone. Then the row waits, or goes without
    /// the reference once it has waited enough, and so do all rows of the batch with the same fault. `false` if no row is of
    /// this kind, or none may wait.
    pub(super) fn let_wait(&mut self, error: &InsertError) -> bool {
        let (Some(lack), Some(batch)) = (Lack::of(error.failure()), &mut self.hand) else { return false };
        let origin = batch.origin();
        let waits = matches!(origin, Origin::Waiting { .. });
        if lack.is_endless() && !waits && self.waiting.is_full() {
            return false;
        }
        let known =
            if lack.takes_time() && !waits { self.waiting.endless_references() } else { HashSet::new() };
        if batch.piece().iter().any(|row| known.contains(&references(row))) {
            self.take_from_hand(lack, |row| known.contains(&references(row)));
            return true;
        }
        let Some(row) = batch.single().cloned() else {
            if batch.found_alone() < lack.most_alone(waits) {
                return batch.halve();
            }
            self.take_from_hand(lack, |row| lack.may_be_of(row));
            return true;
        };
        // Where no row is stored in time, it is the database.
        let is_of_all = lack.takes_time() && !self.takes_rows && !batch.has_stored();
        if !lack.may_be_of(&row) || is_of_all {
            return false;
        }
        batch.count_alone();
        self.go_without(lack, &row, error);
        self.waiting.put_off(&row, lack);
        self.take_from_hand(lack, |other| lack.may_be_of(other) && lack.is_shared(&row, other));
        if lack.is_endless() {
            self.waiting.reason = error.to_string();
            let what = if lack.takes_time() { "takes them in time" } else { "has a place for them" };
            self.notices.say(
                Problem::Wait,
                format_args!("rows wait until the database {what}; others are written: {error}"),
            );
        }
        true
    }

    /// Leaves out the reference of rows that have waited enough for the same as this row.
    fn go_without(&mut self, lack: Lack, like: &Row, error: &InsertError) {
        let (Lack::Reference { restaurant_id, booking_id }, Some(batch)) = (lack, &mut self.hand) else {
            return;
        };
        let (origin, waiting, mut is_any) = (batch.origin(), &self.waiting, false);
        batch.change(|row| {
            if lack.is_shared(like, row) && waiting.is_over(row, origin) {
                row.move_to_context(restaurant_id, booking_id);
                is_any = true;
            }
        });
        if is_any {
            self.notices.say(
                Problem::Reference,
                format_args!(
                    "rows are written without a reference that is not there; it is in their context: {error}"
                ),
            );
            self.notices.end(&[Problem::Reference]);
        }
    }

    /// Lets rows of the batch in hand wait.
    fn take_from_hand(&mut self, lack: Lack, is_taken: impl Fn(&Row) -> bool) {
        let Some(batch) = &mut self.hand else { return };
        let (origin, floor) = (batch.origin(), acknowledged(self.done, batch.origin()));
        for row in batch.take(is_taken) {
            self.waiting.take_in(row, lack, origin, floor);
        }
    }

    /// Acknowledges the rows of a batch, but none that came after the oldest row that waits.
    pub(super) fn acknowledge(&mut self, origin: Origin) {
        if matches!(origin, Origin::Spool { .. }) {
            self.done = Some(origin);
        }
        let origin = match self.done {
            Some(Origin::Spool { up_to, generation }) => {
                let floor = self.waiting.floor(generation).unwrap_or(u64::MAX);
                Origin::Spool { up_to: up_to.min(floor), generation }
            }
            _ => origin,
        };
        self.source.borrow_mut().acknowledge(origin);
    }
}

/// How far the spool of a batch may be acknowledged: to the end of its last finished part of the same generation.
fn acknowledged(done: Option<Origin>, origin: Origin) -> u64 {
    match (done, origin) {
        (Some(Origin::Spool { up_to, generation }), Origin::Spool { generation: same, .. })
            if generation == same =>
        {
            up_to
        }
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOOKING: Lack = Lack::Reference { restaurant_id: false, booking_id: true };
    const WAITING: Origin = Origin::Waiting { generation: None };

    fn rows(number: usize) -> Vec<Row> {
        (0..number).map(|_| Row::new(SystemTime::now(), "test", "test")).collect()
    }

    #[test]
    fn when_too_many_wait_the_oldest_go_without() {
        let mut waiting = Waiting::new(Duration::from_secs(3600));
        let rows = rows(MOST_ROWS + 2);
        for row in &rows {
            waiting.take_in(row.clone(), BOOKING, Origin::Queue, 0);
        }
        assert!(rows[..2].iter().all(|row| waiting.is_over(row, WAITING)));
        assert!(!waiting.is_over(&rows[2], WAITING));
        assert_eq!(waiting.due().map(|batch| batch.len()), Some(2));
        waiting.remove(&rows[..2]);
        assert!(waiting.due().is_none());
    }

    #[test]
    fn nothing_is_acknowledged_past_the_oldest() {
        let mut waiting = Waiting::new(Duration::from_secs(3600));
        let rows = rows(2);
        for (row, floor) in rows.iter().zip([7, 9]) {
            waiting.take_in(row.clone(), BOOKING, Origin::Spool { up_to: 20, generation: 1 }, floor);
        }
        assert_eq!((waiting.floor(1), waiting.floor(2)), (Some(7), None));
        waiting.remove(&rows[..1]);
        assert_eq!(waiting.floor(1), Some(9));
        assert_eq!(waiting.take_rest(|_| true), []);
    }

    #[test]
    fn a_row_that_ended_long_ago_does_not_wait_and_one_of_the_future_does() {
        let waiting = Waiting::new(Duration::from_secs(30));
        let hour = Duration::from_secs(3600);
        assert!(waiting.is_over(&Row::new(SystemTime::now() - hour, "test", "test"), Origin::Queue));
        assert!(!waiting.is_over(&Row::new(SystemTime::now() + hour, "test", "test"), Origin::Queue));
    }
}
