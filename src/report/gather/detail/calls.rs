//! The longest and the last calls: few of many, and all that is known about them.

use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, BinaryHeap};
use std::time::SystemTime;

use jiff::Timestamp;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::report::detail::ListedCall;
use crate::report::observe::{Observation, Whole};
use crate::report::samples::ordered;

const MOST_CALLS: usize = 100;
/// Longer texts are cut. They are in characters.
const LONGEST_TEXT: usize = 2_000;
/// Of a larger context some keys are left out, in bytes.
const LARGEST_CONTEXT: usize = 16 * 1024;
const TRUNCATED: &str = "_truncated";

/// The calls of the highest rank.
#[derive(Debug, Default)]
pub(super) struct TopCalls(BinaryHeap<Reverse<RankedCall>>);

/// Calls with the same rank are ordered by time, then by id, so that every database gives the same list.
#[derive(Debug)]
struct RankedCall {
    rank: u64,
    moment: Option<Timestamp>,
    /// Which database has the row.
    source: usize,
    /// Whether the columns and the context are there, which may be read afterwards.
    is_whole: bool,
    call: ListedCall,
}

impl TopCalls {
    /// Offers a call to the list of the longest.
    pub(super) fn by_duration(&mut self, source: usize, row: &Observation<'_>) {
        if let Some(duration) = row.duration_ms() {
            self.offer(ordered(duration), source, row);
        }
    }

    /// Offers a call to the list of the last ones.
    pub(super) fn by_time(&mut self, source: usize, row: &Observation<'_>) {
        self.offer(0, source, row);
    }

    fn offer(&mut self, rank: u64, source: usize, row: &Observation<'_>) {
        let key = (rank, row.moment(), row.id());
        if self.0.len() >= MOST_CALLS {
            if self.0.peek().is_some_and(|Reverse(least)| key <= least.key()) {
                return;
            }
            self.0.pop();
        }
        let mut ranked =
            RankedCall { rank, moment: row.moment(), source, is_whole: false, call: measured(row) };
        if let Some(whole) = row.whole() {
            ranked.complete(&whole);
        }
        self.0.push(Reverse(ranked));
    }

    /// The ids of the calls of this database that are still to be read as a whole.
    pub(super) fn incomplete(&self, source: usize) -> impl Iterator<Item = String> {
        let of = self.0.iter().filter(move |Reverse(call)| call.source == source && !call.is_whole);
        of.filter_map(|Reverse(call)| call.call.id.clone())
    }

    pub(super) fn complete(&mut self, source: usize, found: &BTreeMap<String, ListedCall>) {
        let calls = std::mem::take(&mut self.0).into_iter().map(|Reverse(mut ranked)| {
            let row = ranked.call.id.as_ref().and_then(|id| found.get(id));
            if let Some(row) = row.filter(|_| ranked.source == source && !ranked.is_whole) {
                ranked.take(row.clone());
            }
            Reverse(ranked)
        });
        self.0 = calls.collect();
    }

    /// The calls, the highest rank first.
    pub(super) fn into_list(self) -> Vec<ListedCall> {
        self.0.into_sorted_vec().into_iter().map(|Reverse(ranked)| ranked.call).collect()
    }
}

impl RankedCall {
    fn key(&self) -> (u64, Option<Timestamp>, Option<&str>) {
        (self.rank, self.moment, self.call.id.as_deref())
    }

    fn complete(&mut self, whole: &Whole<'_>) {
        self.take(columns(whole));
    }

    fn take(&mut self, columns: ListedCall) {
        let ListedCall { source, severity, booking_id, restaurant_id, context, .. } = columns;
        let call = std::mem::take(&mut self.call);
        self.call = ListedCall { source, severity, booking_id, restaurant_id, context, ..call };
        self.is_whole = true;
    }
}

impl Ord for RankedCall {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

impl PartialOrd for RankedCall {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for RankedCall {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for RankedCall {}

fn measured(row: &Observation<'_>) -> ListedCall {
    ListedCall {
        id: row.id().map(str::to_owned),
        created_at: row.moment().map(SystemTime::from),
        duration_ms: row.duration_ms(),
        outcome: row.outcome().map(cut),
        success: row.success(),
        reason: row.reason().map(cut),
        ..ListedCall::default()
    }
}

/// A call with its columns and its context alone.
pub(super) fn columns(whole: &Whole<'_>) -> ListedCall {
    ListedCall {
        source: whole.source.map(cut),
        severity: whole.severity.map(cut),
        booking_id: whole.booking.map(cut),
        restaurant_id: whole.restaurant.map(cut),
        context: whole.context.map(context).unwrap_or_default(),
        ..ListedCall::default()
    }
}

/// The context, cut to what a page can show.
fn context(json: &str) -> Map<String, Value> {
    let mut shown = Map::new();
    let mut left = LARGEST_CONTEXT;
    let mut is_cut = false;
    let keys: BTreeMap<String, &RawValue> = serde_json::from_str(json).unwrap_or_default();
    for (key, raw) in keys {
        let mut value = serde_json::from_str(raw.get()).unwrap_or_else(|_| raw.get().into());
        is_cut |= cut_within(&mut value);
        let size = key.len() + value.to_string().len();
        if size <= left {
            left -= size;
            shown.insert(key, value);
        } else {
            is_cut = true;
        }
    }
    if is_cut {
        shown.insert(TRUNCATED.to_owned(), true.into());
    }
    shown
}

/// Cuts all texts within a value, and returns whether any was too long.
fn cut_within(value: &mut Value) -> bool {
    match value {
        Value::String(text) => {
            let short = cut(text);
            let is_cut = short.len() < text.len();
            *text = short;
            is_cut
        }
        Value::Array(list) => list.iter_mut().fold(false, |is_cut, value| cut_within(value) | is_cut),
        Value::Object(object) => object.values_mut().fold(false, |is_cut, value| cut_within(value) | is_cut),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(LONGEST_TEXT) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_context_is_cut_to_what_a_page_can_show() {
        let long = "ä".repeat(1_000_000);
        let many: Vec<String> = (0..1000).map(|key| format!("\"k{key}\": \"{}\"", "x".repeat(100))).collect();
        let json = format!(r#"{{"a": "{long}", "b": {{"c": ["{long}"]}}, "n": 1e999, {}}}"#, many.join(", "));
        let shown = context(&json);
        let text = |value: &Value| value.as_str().map(|text| text.chars().count());
        assert_eq!((text(&shown["a"]), text(&shown["b"]["c"][0])), (Some(2001), Some(2001)));
        assert_eq!(shown[TRUNCATED], true);
        let size = serde_json::to_string(&shown).expect("writable").len();
        assert!((LARGEST_CONTEXT / 2..2 * LARGEST_CONTEXT).contains(&size), "{size} bytes");
    }

    #[test]
    fn a_number_that_no_float_holds_is_a_text_and_nothing_else_changes() {
        let shown = context(r#"{"n": 1e999, "m": 1, "deep": {"a": [null, true]}, "half": "\ud800"}"#);
        assert_eq!((&shown["n"], &shown["m"]), (&"1e999".into(), &1.into()));
        assert_eq!(shown["deep"].to_string(), r#"{"a":[null,true]}"#);
        assert_eq!((&shown["half"], shown.len()), (&r#""\ud800""#.into(), 4));
        assert!(context("[1]").is_empty() && context("no").is_empty());
    }
}
