//! The rows of a story as they are read: the first ones, and no more than fit.

use std::collections::{BinaryHeap, HashSet};

use jiff::Timestamp;

use crate::report::observe::{Observation, Questions};
use crate::store::read::{Asked, Choice};

/// More rows are left out, the last ones.
pub(super) const MOST_ROWS: usize = 1000;

/// The texts of one row that a story needs.
#[derive(Clone, Debug, Default)]
pub(super) struct FoundRow {
    pub(super) moment: Option<Timestamp>,
    pub(super) id: Option<String>,
    pub(super) event_type: String,
    pub(super) source: Option<String>,
    pub(super) severity: Option<String>,
    pub(super) booking_id: Option<String>,
    pub(super) restaurant_id: Option<String>,
    pub(super) flow: Option<String>,
    pub(super) trace_id: Option<String>,
    pub(super) span_id: Option<String>,
    pub(super) parent_span_id: Option<String>,
    pub(super) duration_ms: Option<f64>,
    pub(super) success: Option<bool>,
    pub(super) outcome: Option<String>,
    pub(super) reason: Option<String>,
    pub(super) reason_code: Option<String>,
    pub(super) result: Option<String>,
    pub(super) calls: Option<f64>,
    pub(super) calls_ms: Option<f64>,
    pub(super) context: Option<String>,
}

/// The places of the texts that only a story asks for.
pub(super) struct Places {
    id: usize,
    severity: usize,
    restaurant_id: usize,
    flow: usize,
    trace_id: usize,
    span_id: usize,
    parent_span_id: usize,
    context: usize,
}

/// The first rows by `created_at`, in this order.
#[derive(Debug, Default)]
pub(super) struct FirstRows {
    pub(super) rows: Vec<FoundRow>,
    /// How many others there are.
    pub(super) left_out: u64,
}

/// The first rows so far.
#[derive(Debug, Default)]
pub(super) struct Firsts {
    heap: BinaryHeap<Last>,
    left_out: u64,
}

/// A row in the order of `created_at`; rows without one are last.
#[derive(Debug)]
struct Last(FoundRow);

impl Places {
    pub(super) fn new(questions: &mut Questions) -> Self {
        let mut key = |key: &str| questions.place(Asked::Key(Choice::always(key)));
        let [flow, trace_id, span_id, parent_span_id] =
            ["flow", "trace_id", "span_id", "parent_span_id"].map(&mut key);
        Self {
            id: questions.place(Asked::Id),
            severity: questions.place(Asked::Severity),
            restaurant_id: questions.place(Asked::RestaurantId),
            context: questions.place(Asked::Context),
            flow,
            trace_id,
            span_id,
            parent_span_id,
        }
    }

    pub(super) fn found(&self, row: &Observation<'_>) -> FoundRow {
        let at = |place: usize| row.text(place).map(str::to_owned);
        let own = |text: Option<&str>| text.map(str::to_owned);
        FoundRow {
            moment: row.moment(),
            id: at(self.id),
            event_type: row.event_type().to_owned(),
            source: own(row.source()),
            severity: at(self.severity),
            booking_id: own(row.booking()),
            restaurant_id: at(self.restaurant_id),
            flow: at(self.flow),
            trace_id: at(self.trace_id),
            span_id: at(self.span_id),
            parent_span_id: at(self.parent_span_id),
            duration_ms: row.duration_ms(),
            success: row.success(),
            outcome: own(row.outcome()),
            reason: own(row.reason()),
            reason_code: own(row.reason_code()),
            result: own(row.result()),
            calls: row.attempts(),
            calls_ms: row.within_ms(),
            context: at(self.context),
        }
    }
}

impl Firsts {
    pub(super) fn add(&mut self, row: FoundRow) {
        self.heap.push(Last(row));
        if self.heap.len() > MOST_ROWS {
            self.heap.pop();
            self.left_out += 1;
        }
    }

    pub(super) fn into_kept(self) -> FirstRows {
        let rows = self.heap.into_sorted_vec().into_iter().map(|Last(row)| row).collect();
        FirstRows { rows, left_out: self.left_out }
    }
}

impl FirstRows {
    /// Keeps the rows of this span, and of all within it.
    pub(super) fn keep_within(&mut self, span: &str) {
        let mut spans: HashSet<String> = HashSet::from([span.to_owned()]);
        loop {
            let inner = self
                .rows
                .iter()
                .filter(|row| row.parent_span_id.as_ref().is_some_and(|parent| spans.contains(parent)));
            let inner: Vec<String> = inner.filter_map(|row| row.span_id.clone()).collect();
            let before = spans.len();
            spans.extend(inner);
            if spans.len() == before {
                break;
            }
        }
        self.rows.retain(|row| row.span_id.as_ref().is_some_and(|span| spans.contains(span)));
    }
}

impl Last {
    fn key(&self) -> (bool, Option<Timestamp>, &Option<String>) {
        (self.0.moment.is_none(), self.0.moment, &self.0.id)
    }
}

impl PartialEq for Last {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Last {}

impl Ord for Last {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

impl PartialOrd for Last {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
