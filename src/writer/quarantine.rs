//! Rows that the store will never take, on their way out of it: counted, kept for inspection, and with a spool written
//! into a file for people.
//!
//! While that file cannot be written, other rows are delivered, and those that the store refuses stay in the spool: from
//! the first of them on nothing is acknowledged. A process that ends meanwhile leaves all of it to the next, where ids
//! keep what is stored from becoming a second row. Only when many rows wait for the file does delivery wait too.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use tokio::task::yield_now;

use super::batch::{Batch, Origin};
use super::notices::Kind;
use super::shared::Shared;
use crate::queue::Cause;
use crate::{Error, Row};

/// How soon a file that cannot be written is tried again.
const RETRY: Duration = Duration::from_secs(1);
/// The most rows that wait for it.
const MOST: usize = 100;

#[derive(Default)]
pub(super) struct Quarantine {
    refused: VecDeque<Refused>,
    /// What is to be acknowledged once all of them are set aside.
    up_to: Option<u64>,
    /// Why the file was not written, and when to try it again.
    failed: Option<(Error, Instant)>,
}

struct Refused {
    row: Row,
    /// What the store said.
    reason: String,
    origin: Origin,
}

impl Quarantine {
    /// Takes over a batch that is dealt with, but for what of it was refused.
    pub(super) fn take(&mut self, batch: Batch) {
        let origin = batch.origin();
        if let Origin::Spool(up_to) = origin {
            self.up_to = Some(up_to);
        }
        self.refused.extend(batch.into_poison().map(|(row, reason)| Refused { row, reason, origin }));
    }

    /// Sets rows aside, as far as the disk lets it, and acknowledges when there are none left.
    pub(super) async fn work_off(&mut self, shared: &Shared) {
        if self.failed.as_ref().is_some_and(|(_, retry_at)| Instant::now() < *retry_at) {
            return;
        }
        self.failed = None;
        while let Some(first) = self.refused.front() {
            if let Err(error) = first.set_aside(shared) {
                shared.say_now_and_then(&error);
                self.failed = Some((error, Instant::now() + RETRY));
                return;
            }
            self.say(shared);
            self.refused.pop_front();
            // Each waits for the disk to sync, and records on their way to it must not wait for all of them.
            yield_now().await;
        }
        if let Some(up_to) = self.up_to.take() {
            shared.acknowledge(up_to);
        }
    }

    fn say(&self, shared: &Shared) {
        let Some(Refused { reason, .. }) = self.refused.front() else { return };
        let file = if shared.has_spool { " and quarantine.jsonl in the spool directory" } else { "" };
        shared.say(
            Kind::Quarantine,
            format_args!(
                "{} rows can never be stored and are set aside, see Guard::quarantined{file}: {reason}",
                self.refused.len()
            ),
        );
    }

    /// Why rows wait for the file, where some do.
    pub(super) fn trouble(&self) -> Option<&Error> {
        self.failed.as_ref().map(|(error, _)| error)
    }

    /// When their file is to be tried again.
    pub(super) fn retry_at(&self) -> Option<Instant> {
        self.failed.as_ref().map(|(_, retry_at)| *retry_at)
    }

    pub(super) fn is_full(&self) -> bool {
        self.refused.len() >= MOST
    }

    /// Those that are nowhere else, when the writer ends.
    pub(super) fn take_unsaved(&mut self, shared: &Shared) -> Vec<Row> {
        let is_unsaved = |row: &Refused| row.origin == Origin::Queue || shared.is_in_memory_alone(row.origin);
        std::mem::take(&mut self.refused).into_iter().filter(is_unsaved).map(|row| row.row).collect()
    }
}

impl Refused {
    /// # Errors
    /// When the file cannot be written, and the row is on disk: it would be taken off it without a copy.
    fn set_aside(&self, shared: &Shared) -> Result<(), Error> {
        let Self { row, reason, origin } = self;
        let kept = shared.intake.borrow_mut().quarantine(row, reason);
        match origin {
            // What is on disk no more is nothing to wait for.
            Origin::Spool(_) if !shared.is_in_memory_alone(*origin) => kept?,
            _ => kept.unwrap_or_else(|error| shared.say_now_and_then(&error)),
        }
        shared.control.quarantine(row.clone(), reason.clone());
        shared.leave_spool(*origin, 1);
        shared.queue.account.lose(Cause::Quarantined, 1);
        Ok(())
    }
}
