//! A notice about a database that takes no rows, even before the first row.

use std::time::{Duration, Instant};

use super::delivery::{Delivery, STORE_FAILURES};
use super::notices::Problem;
use super::{caught, unless};
use crate::store::{Failure, InsertError, Store};

/// How long after the start a store without rows is asked.
const PATIENCE: Duration = Duration::from_secs(5);
/// How soon it is asked again after a failure.
const AGAIN: Duration = Duration::from_secs(60);
/// How soon it is asked again after an order that came meanwhile.
const INTERRUPTED: Duration = Duration::from_secs(1);

/// When the store is to be asked.
#[derive(Debug)]
pub(super) struct Reach {
    /// `None` once it has taken a row, rejected one, or answered.
    at: Option<Instant>,
    has_failed: bool,
}

impl Default for Reach {
    fn default() -> Self {
        Self { at: Some(Instant::now() + PATIENCE), has_failed: false }
    }
}

impl Reach {
    /// Asks no more, because rows show from now on whether the store takes them.
    pub(super) fn has_row(&mut self) {
        self.at = None;
    }

    pub(super) fn at(&self) -> Option<Instant> {
        self.at
    }
}

impl<S: Store> Delivery<'_, S> {
    /// Asks the store if it is time.
    pub(super) async fn reach(&mut self) {
        if self.reach.at.is_none_or(|at| Instant::now() < at) {
            return;
        }
        let reach = caught(Box::pin(async { self.store.reach().await }));
        let order = async { _ = self.control.woken_by(Instant::now() + AGAIN).await };
        let again = match unless(reach, order).await {
            None => Some(INTERRUPTED),
            Some(Ok(Ok(()))) => {
                self.reached();
                None
            }
            Some(Ok(Err(error))) => {
                self.unreachable(&error);
                Some(AGAIN)
            }
            // The panic hook has printed the message, and the next row meets the same fault.
            Some(Err(_)) => None,
        };
        self.reach.at = again.map(|again| Instant::now() + again);
    }

    fn reached(&mut self) {
        if std::mem::take(&mut self.reach.has_failed) {
            self.control.set_failure(None);
            self.notices.say_recovered(&STORE_FAILURES, "the database would take rows now");
        }
    }

    fn unreachable(&mut self, error: &InsertError) {
        self.reach.has_failed = true;
        let problem = match error.failure() {
            Failure::Retry | Failure::Halve => Problem::Retry,
            _ => Problem::Hold,
        };
        self.notices.say(
            problem,
            format_args!("there is no row yet, and the database would take none; rows will be kept: {error}"),
        );
        self.control.set_failure(Some(error.to_string()));
    }
}
