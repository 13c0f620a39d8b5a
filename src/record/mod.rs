//! What the hot path collects of one span or tracing event: typed values, times, how it ended.
//!
//! A record is bounded: a value is cut to [`MAX_VALUE_BYTES`], a record holds at most [`MAX_FIELDS`] values and
//! [`MAX_TEXT_BYTES`] of text; what did not fit is marked in [`Fields::truncated`]. In the steady state nothing is
//! allocated: a span's fields are collected in the [`Scratch`] of its thread, which is then exchanged for the one
//! that the span before left behind, and on their way to the writer records lie packed in a [`Chunk`] that is used
//! again when the writer is done.

mod collect;
mod fields;
mod redact;
pub(crate) mod value;

use std::time::{Duration, Instant};

pub(crate) use self::collect::{Detached, Scratch};
pub(crate) use self::fields::Fields;
pub(crate) use self::value::{Value, Values};
use crate::rules::plan::Plan;

/// The most values of one record.
pub(crate) const MAX_FIELDS: usize = 256;
/// The most bytes of one text value; longer ones are cut at a character.
pub(crate) const MAX_VALUE_BYTES: usize = 8 * 1024;
/// The most bytes of text of one record.
pub(crate) const MAX_TEXT_BYTES: usize = 64 * 1024;

/// One span or tracing event, while it is collected.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) head: Head,
    /// Its own fields, and what enclosing spans gave.
    pub(crate) fields: Fields,
    /// What ended within it, one for each of the rule's `collect`.
    pub(crate) tallies: Vec<Tally>,
}

/// What is known of every record.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) plan: &'static Plan,
    pub(crate) started: Instant,
    pub(crate) ended: Instant,
    /// 0-based place among its like within the enclosing span that numbers them.
    pub(crate) number: Option<u32>,
    /// It panicked.
    pub(crate) panicked: bool,
    /// What `#[instrument(err, ret)]` said.
    pub(crate) verdict: Option<Verdict>,
    /// The returned value matched the rule's text.
    pub(crate) matched: Option<bool>,
    /// What few records have.
    pub(crate) extra: Option<Box<Extra>>,
}

#[derive(Debug, Default)]
pub(crate) struct Extra {
    /// The message of the error or the panic.
    pub(crate) message: Option<Box<str>>,
    /// Category and code that were found in the message before it was redacted.
    pub(crate) code: Option<(&'static str, &'static str)>,
}

/// The word of `#[instrument(err, ret)]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Returned,
    Failed,
}

/// Rows of one kind that ended within a span.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) count: u32,
    pub(crate) total: Duration,
}

impl Record {
    pub(crate) fn new(plan: &'static Plan) -> Self {
        Self::with_fields(plan, Fields::default())
    }

    fn with_fields(plan: &'static Plan, fields: Fields) -> Self {
        Self { head: Head::new(plan), fields, tallies: Vec::new() }
    }

    /// Takes the record out of its place, which keeps memory of the thread's for the next.
    pub(crate) fn part(&mut self) -> Detached {
        let fields = std::mem::replace(&mut self.fields, collect::kept());
        Detached(Self { head: self.head.take(), fields, tallies: std::mem::take(&mut self.tallies) })
    }

    /// Begins anew in the same place, which is clear.
    pub(crate) fn reset(&mut self, plan: &'static Plan) {
        self.head = Head::new(plan);
    }

    /// Lets go of what it has collected, and keeps memory for the next.
    pub(crate) fn clear(&mut self) {
        self.fields.clear();
        self.tallies.clear();
    }
}

impl Head {
    pub(crate) fn new(plan: &'static Plan) -> Self {
        let now = Instant::now();
        let (number, panicked, verdict, matched, extra) = Default::default();
        Self { plan, started: now, ended: now, number, panicked, verdict, matched, extra }
    }

    /// Moves it out of a place that is used again.
    pub(crate) fn take(&mut self) -> Self {
        Self { extra: self.extra.take(), ..*self }
    }

    /// Bytes that it has on the heap.
    pub(crate) fn heap_bytes(&self) -> usize {
        let message = |extra: &Extra| extra.message.as_deref().map_or(0, str::len);
        self.extra.as_deref().map_or(0, |extra| size_of::<Extra>() + message(extra))
    }

    /// Start to last exit.
    pub(crate) fn duration(&self) -> Duration {
        self.ended.saturating_duration_since(self.started)
    }

    pub(crate) fn message(&self) -> Option<&str> {
        self.extra.as_deref()?.message.as_deref()
    }

    pub(crate) fn code(&self) -> Option<(&'static str, &'static str)> {
        self.extra.as_deref()?.code
    }
}
