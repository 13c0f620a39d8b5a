//! Rows that refer to a booking or restaurant that is not there yet: they wait, and hold up no other row.
//!
//! The transaction that makes the booking may commit after the call has ended. Such a row is tried again until the grace time
//! is over, counted from its end, and then goes without the reference. With a spool it stays on disk meanwhile: nothing is
//! acknowledged past the oldest.

use std::collections::VecDeque;
use std::time::{Duration, Instant, SystemTime};

use uuid::Uuid;

use super::bisect::{Batch, Origin};
use super::control::{Orders, Stopped};
use super::delivery::Delivery;
use super::notices::Notice;
use crate::row::Row;
use crate::store::{Failure, InsertError, Store};

/// The most rows that wait, and their bytes. Beyond these the oldest go without the reference.
const MOST_ROWS: usize = 5000;
const MOST_BYTES: usize = 8 * 1024 * 1024;
/// The most rows that are tried again at once: other rows have their turn in between.
const RETRY_ROWS: usize = 100;
/// The bounds of the wait before a row is tried again: as long as it has waited.
const SHORTEST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(5);

pub(super) struct Waiting {
    grace: Duration,
    rows: VecDeque<WaitingRow>,
    bytes: usize,
}

struct WaitingRow {
    row: Row,
    /// Where it is tried again from: [`Origin::Waiting`].
    origin: Origin,
    /// How far the spool may be acknowledged while the row waits.
    floor: u64,
    since: Instant,
    next: Instant,
    /// When it goes without the reference.
    until: Instant,
}

impl Waiting {
    pub(super) fn new(grace: Duration) -> Self {
        Self { grace, rows: VecDeque::new(), bytes: 0 }
    }

    /// Whether a row has waited enough.
    pub(super) fn is_over(&self, row: &Row) -> bool {
        match self.rows.iter().find(|waiting| waiting.row.id == row.id) {
            Some(waiting) => waiting.until <= Instant::now(),
            None => self.left(row).is_zero(),
        }
    }

    /// What is left of its grace time. A row from the future, as after a jump of the clock, has all of it.
    fn left(&self, row: &Row) -> Duration {
        self.grace.saturating_sub(SystemTime::now().duration_since(row.created_at).unwrap_or_default())
    }

    /// Lets a row of a batch wait, unless it does already.
    pub(super) fn take_in(&mut self, row: Row, origin: Origin, floor: u64) {
        let origin = match origin {
            Origin::Waiting { .. } => return,
            Origin::Spool { generation, .. } => Origin::Waiting { generation: Some(generation) },
            Origin::Queue | Origin::Ledger => Origin::Waiting { generation: None },
        };
        let now = Instant::now();
        let until = now + self.left(&row);
        self.bytes += row.context.len();
        self.rows.push_back(WaitingRow { row, origin, floor, since: now, next: now + SHORTEST, until });
        let excess = self.rows.len().saturating_sub(MOST_ROWS).max(usize::from(self.bytes > MOST_BYTES));
        for waiting in self.rows.iter_mut().take(excess) {
            (waiting.next, waiting.until) = (now, now);
        }
    }

    /// Lets all of them go without the reference.
    pub(super) fn give_up(&mut self) {
        let now = Instant::now();
        for waiting in &mut self.rows {
            (waiting.next, waiting.until) = (now, now);
        }
    }

    /// Makes all of them due.
    pub(super) fn hurry(&mut self) {
        let now = Instant::now();
        for waiting in &mut self.rows {
            waiting.next = now;
        }
    }

    /// Some rows to try again now.
    pub(super) fn due(&mut self) -> Option<Batch> {
        let now = Instant::now();
        let origin = self.rows.iter().find(|waiting| waiting.next <= now)?.origin;
        let due = self.rows.iter_mut().filter(|waiting| waiting.next <= now && waiting.origin == origin);
        let rows = due.take(RETRY_ROWS).map(|waiting| {
            let next = now + (now - waiting.since).clamp(SHORTEST, LONGEST);
            waiting.next = if waiting.until > now { next.min(waiting.until) } else { next };
            waiting.row.clone()
        });
        Some(Batch::again(rows.collect(), origin))
    }

    /// Rows are stored or quarantined.
    pub(super) fn remove(&mut self, rows: &[Row]) {
        let ids: std::collections::HashSet<Uuid> = rows.iter().map(|row| row.id).collect();
        self.rows.retain(|waiting| !ids.contains(&waiting.row.id));
        self.bytes = self.rows.iter().map(|waiting| waiting.row.context.len()).sum();
    }

    /// How far the spool of this generation may be acknowledged, where rows of it wait.
    pub(super) fn floor(&self, generation: u64) -> Option<u64> {
        let origin = Origin::Waiting { generation: Some(generation) };
        self.rows.iter().filter(|waiting| waiting.origin == origin).map(|waiting| waiting.floor).min()
    }

    /// All that wait and are not on disk.
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
        if is_last {
            self.waiting.give_up();
        } else if orders.flushes > self.flushed {
            self.waiting.hurry();
        }
        while let Some(batch) = self.waiting.due() {
            self.hand = Some(batch);
            self.deliver().await?;
            if !is_last && orders.flushes == self.flushed {
                break;
            }
        }
        Ok(())
    }

    /// Splits a batch with a row that refers to something that is not there, until the row is alone. Then it waits, or goes
    /// without the reference once it has waited enough. `false` if the row has no such reference.
    pub(super) fn let_wait(&mut self, error: &InsertError) -> bool {
        let (Failure::Reference { restaurant_id, booking_id }, Some(batch)) =
            (error.failure(), &mut self.hand)
        else {
            return false;
        };
        let (origin, floor) = (batch.origin(), self.done);
        let Some(row) = batch.single() else { return batch.halve() };
        if !(restaurant_id && row.restaurant_id.is_some() || booking_id && row.booking_id.is_some()) {
            return false;
        }
        if self.waiting.is_over(row) {
            self.notices.say(
                Notice::Reference,
                format_args!(
                    "rows are written without a reference that is not there; it is in their context: {error}"
                ),
            );
            self.notices.end(&[Notice::Reference]);
            row.move_to_context(restaurant_id, booking_id);
        } else if let Some(row) = batch.pop_single() {
            self.waiting.take_in(row, origin, acknowledged(floor, origin));
        }
        true
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

/// How far the spool of a batch is acknowledged, by the last batch of it that is done.
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

    fn rows(number: usize) -> Vec<Row> {
        (0..number).map(|_| Row::new(SystemTime::now(), "test", "test")).collect()
    }

    #[test]
    fn when_too_many_wait_the_oldest_go_without() {
        let mut waiting = Waiting::new(Duration::from_secs(3600));
        let rows = rows(MOST_ROWS + 2);
        for row in &rows {
            waiting.take_in(row.clone(), Origin::Queue, 0);
        }
        assert!(rows[..2].iter().all(|row| waiting.is_over(row)));
        assert!(!waiting.is_over(&rows[2]));
        assert_eq!(waiting.due().map(|batch| batch.len()), Some(2));
        waiting.remove(&rows[..2]);
        assert!(waiting.due().is_none());
    }

    #[test]
    fn nothing_is_acknowledged_past_the_oldest() {
        let mut waiting = Waiting::new(Duration::from_secs(3600));
        let rows = rows(2);
        for (row, floor) in rows.iter().zip([7, 9]) {
            waiting.take_in(row.clone(), Origin::Spool { up_to: 20, generation: 1 }, floor);
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
        assert!(waiting.is_over(&Row::new(SystemTime::now() - hour, "test", "test")));
        assert!(!waiting.is_over(&Row::new(SystemTime::now() + hour, "test", "test")));
    }
}
