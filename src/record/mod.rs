//! A record: the typed values, the times and the outcome that the hot path collects from one span or event.
//!
//! A value is cut to [`MAX_VALUE_BYTES`]; a record has at most [`MAX_FIELDS`] values and [`MAX_TEXT_BYTES`] of text.
//! [`Fields::truncated`] marks a record that was cut. In the steady state nothing is allocated: each thread keeps empty
//! [`Fields`] for its next span, and the queue packs records into chunks that are used again.

mod fields;
mod ids;
pub(crate) mod redact;
pub(crate) mod value;
mod visit;

use std::time::{Duration, Instant};

pub(crate) use self::fields::{Fields, has_room};
pub(crate) use self::ids::Ids;
pub(crate) use self::value::{Value, Values};
use crate::rules::plan::Plan;

/// The most values of one record.
pub(crate) const MAX_FIELDS: usize = 256;
/// The most bytes of one text value; longer ones are cut at a character.
pub(crate) const MAX_VALUE_BYTES: usize = 8 * 1024;
/// The most bytes of text of one record.
pub(crate) const MAX_TEXT_BYTES: usize = 64 * 1024;

/// One span or event while it is collected.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) head: Head,
    /// Its own fields and the inherited ones.
    pub(crate) fields: Box<Fields>,
    /// The tallies of the calls within it, one for each entry of the rule's `collect`.
    pub(crate) tallies: Vec<Tally>,
}

/// The part of a record that does not depend on its fields.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) plan: &'static Plan,
    pub(crate) started: Instant,
    pub(crate) ended: Instant,
    /// The number of the call within the enclosing span that numbers its calls, from 0.
    pub(crate) number: Option<u32>,
    /// Whether the call panicked.
    pub(crate) panicked: bool,
    /// The event of `#[instrument(err, ret)]`, if there was one.
    pub(crate) verdict: Option<Verdict>,
    /// Whether the returned value matched the text of the rule.
    pub(crate) matched: Option<bool>,
    /// Values that few records have.
    pub(crate) extra: Option<Box<Extra>>,
}

#[derive(Debug, Default)]
pub(crate) struct Extra {
    /// The message of the error or the panic.
    pub(crate) message: Option<Box<str>>,
    /// The reason category and code that the message had before it was redacted.
    pub(crate) code: Option<(&'static str, &'static str)>,
    /// The ids that join its row to others, where the rule asks for them.
    pub(crate) ids: Option<Ids>,
}

/// The outcome that `#[instrument(err, ret)]` reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Returned,
    Failed,
}

/// The calls of one event type that ended within a span.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) count: u32,
    /// In nanoseconds.
    pub(crate) total: u64,
}

impl Record {
    pub(crate) fn new(plan: &'static Plan) -> Self {
        Self { head: Head::new(plan), fields: Fields::of_thread(), tallies: Vec::new() }
    }

    /// Moves the record out of its place, and leaves the fields that the thread keeps there.
    pub(crate) fn part(&mut self) -> Self {
        let fields = std::mem::replace(&mut self.fields, Fields::of_thread());
        Self { head: self.head.take(), fields, tallies: std::mem::take(&mut self.tallies) }
    }

    /// Whether it becomes a row: a rule makes one, and the span or event does not say that it has none.
    #[inline]
    pub(crate) fn has_row(&self) -> bool {
        self.head.plan.row().is_some_and(|row| {
            let says_no = |field| self.fields.get(field).and_then(Value::truth) == Some(false);
            !row.left_out_by.is_some_and(says_no)
        })
    }

    /// Begins a new record in the same, cleared place.
    #[inline]
    pub(crate) fn reset(&mut self, plan: &'static Plan) {
        if plan.row().is_some() {
            self.head = Head::new(plan);
        } else {
            // A span whose fields are only inherited has no times, and reading the clock is most of what it would cost.
            self.head.plan = plan;
        }
    }

    /// Clears the collected values, and keeps their memory for the next record.
    #[inline]
    pub(crate) fn clear(&mut self) {
        self.fields.clear();
        self.tallies.clear();
    }
}

impl Head {
    #[inline]
    pub(crate) fn new(plan: &'static Plan) -> Self {
        let now = Instant::now();
        let (number, panicked, verdict, matched, extra) = Default::default();
        Self { plan, started: now, ended: now, number, panicked, verdict, matched, extra }
    }

    /// Moves the head out of a place that is used again.
    #[inline]
    pub(crate) fn take(&mut self) -> Self {
        Self { extra: self.extra.take(), ..*self }
    }

    /// The bytes that it has on the heap.
    #[inline]
    pub(crate) fn heap_bytes(&self) -> usize {
        let message = |extra: &Extra| extra.message.as_deref().map_or(0, str::len);
        self.extra.as_deref().map_or(0, |extra| size_of::<Extra>() + message(extra))
    }

    /// The time from the start to the last exit.
    #[inline]
    pub(crate) fn duration(&self) -> Duration {
        self.ended.saturating_duration_since(self.started)
    }

    pub(crate) fn message(&self) -> Option<&str> {
        self.extra.as_deref()?.message.as_deref()
    }

    pub(crate) fn ids(&self) -> Option<Ids> {
        self.extra.as_deref()?.ids
    }

    pub(crate) fn code(&self) -> Option<(&'static str, &'static str)> {
        self.extra.as_deref()?.code
    }
}
