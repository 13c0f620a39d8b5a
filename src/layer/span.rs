//! What becomes of a span's record when the span is left, and of what ended within it.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use tracing::span::Id;

use crate::layer::panic_message;
use crate::layer::spans::{Children, OpenSpan};
use crate::record::Tally;
use crate::rules::plan::{RowPlan, is_same_kind};

impl OpenSpan {
    /// The span was left, to `current`.
    pub(super) fn exit(&mut self, now: Instant, current: Option<Id>) {
        let is_home = self.home.is_some() && self.home == current;
        let panicked = thread::panicking() && !self.was_entered_unwinding();
        if self.left || self.was_home && !is_home && !panicked {
            return;
        }
        self.was_home = is_home;
        if let Some(within) = &self.within {
            self.record.tallies.clone_from(&within.tallies);
        }
        let head = &mut self.record.head;
        head.ended = now;
        if panicked {
            head.panicked = true;
            let message = panic_message::last(head.started);
            self.record.fields.truncated |= message.as_ref().is_some_and(|message| message.is_cut);
            head.extra.get_or_insert_default().message = message.map(|message| message.text);
        }
        self.left = panicked || head.verdict.is_some();
    }

    /// A span that was never entered has no exit to tell what ended within it.
    pub(super) fn tell_tallies(&mut self) {
        let told = &mut self.record.tallies;
        if let Some(within) = &self.within
            && told.is_empty()
        {
            told.clone_from(&within.tallies);
        }
    }

    /// Opens the book of a new span, where its rule collects anything.
    pub(super) fn open_book(&mut self, row: &RowPlan) {
        let count = row.collects.len();
        if count > 0 {
            self.within.get_or_insert_default().tallies.resize(count, Tally::default());
        }
    }

    /// Pairs this exit with an enter that came while the thread was unwinding already, if there was one.
    pub(super) fn was_entered_unwinding(&mut self) -> bool {
        let before = self.entered_unwinding;
        self.entered_unwinding = before.saturating_sub(1);
        before > 0
    }
}

impl Children {
    pub(super) fn next_number(&mut self, event_type: &Arc<str>) -> u32 {
        let Some((_, next)) = self.numbers.iter_mut().find(|(of, _)| is_same_kind(of, event_type)) else {
            self.numbers.push((Arc::clone(event_type), 1));
            return 0;
        };
        let number = *next;
        *next = number.saturating_add(1);
        number
    }
}

/// Counts a row that ended within a span; says whether the span's rule collects its kind.
pub(super) fn tally(
    tallies: &mut [Tally],
    collects: &[Arc<str>],
    event_type: &Arc<str>,
    total: Duration,
) -> bool {
    let mut collected = false;
    for (_, tally) in collects.iter().zip(tallies).filter(|(of, _)| is_same_kind(of, event_type)) {
        tally.count = tally.count.saturating_add(1);
        tally.total = tally.total.saturating_add(total);
        collected = true;
    }
    collected
}
