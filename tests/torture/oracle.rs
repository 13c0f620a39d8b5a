//! The checks at the end of a scene: every call is in exactly one place, unaltered.

use std::collections::{HashMap, HashSet};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;
use tracing_ledger::{Row, Stats};

use crate::clock;
use crate::load::{Call, CallFields};

/// Microseconds between the wall clock and what is worked out from it and the steady one: a busy machine may put other
/// work between the looks at the two.
const CLOCKS_DIFFER_BY: i64 = 500_000;
/// Durations are milliseconds with three decimals.
const ROUNDED_BY: f64 = 0.001;

/// The parts of a row that the tests can predict.
#[derive(Debug)]
pub(crate) struct OracleRow {
    id: String,
    event_type: String,
    source: String,
    severity: String,
    created_at: i64,
    booking: Option<String>,
    context: Value,
}

/// Selects what [`OracleRow::parse`] reads, one row a line.
pub(crate) const SELECT: &str = "SELECT jsonb_build_array(id, event_type, source, severity, \
     (extract(epoch FROM created_at) * 1000000)::bigint, booking_id, context) FROM observability_events";

type OracleColumns = (String, String, String, String, i64, Option<String>, Value);

impl OracleRow {
    pub(crate) fn parse(line: &str) -> Self {
        let columns: OracleColumns = serde_json::from_str(line).expect("the row is JSON");
        let (id, event_type, source, severity, created_at, booking, context) = columns;
        Self { id, event_type, source, severity, created_at, booking, context }
    }

    /// How many records the row says are lost; `None` for the row of a call.
    pub(crate) fn told(&self) -> Option<u64> {
        (self.event_type == "ledger.loss").then(|| self.context["count"].as_u64()).flatten()
    }

    /// The number of the call; panics when it is something else.
    pub(crate) fn n(&self) -> u64 {
        let n = (self.event_type == "auto_assign.quote").then(|| self.context.get("n")?.as_u64());
        n.flatten().unwrap_or_else(|| panic!("a row that nobody called for: {self:#?}"))
    }

    /// Panics unless the row is as it was called.
    pub(crate) fn check(&self, seed: u64, rejected: bool) {
        let fields = CallFields::of(seed, self.n(), rejected);
        assert_eq!((self.source.as_str(), self.severity.as_str()), ("auto_assign", "info"), "{self:#?}");
        assert_eq!(self.context["text"], Value::from(fields.text), "{self:#?}");
        assert_eq!(self.booking, fields.booking.map(|id| id.to_string()), "{self:#?}");
        assert_eq!(self.context["planner_success"], Value::Bool(true), "{self:#?}");
        let ms = self.context["planner_duration_ms"].as_f64();
        assert!(ms.is_some_and(|ms| (0.0..10_000.0).contains(&ms)), "{self:#?}");
    }
}

impl From<&Row> for OracleRow {
    fn from(event: &Row) -> Self {
        let since = event.created_at.duration_since(UNIX_EPOCH).expect("after 1970");
        Self {
            id: event.id.to_string(),
            event_type: event.event_type.to_string(),
            source: event.source.to_string(),
            severity: event.severity.to_string(),
            created_at: i64::try_from(since.as_micros()).expect("before the year 292277"),
            booking: event.booking_id.map(|id| id.to_string()),
            context: serde_json::from_str(&event.context).expect("the context is JSON"),
        }
    }
}

/// The calls are known from this alone, whatever became of them.
pub(crate) struct Oracle {
    pub(crate) seed: u64,
}

/// The places in which calls can be.
pub(crate) struct CallPlaces<'a> {
    pub(crate) table: &'a [OracleRow],
    pub(crate) quarantine: &'a [OracleRow],
    pub(crate) stats: Stats,
}

impl Oracle {
    /// Panics unless every call is in exactly one place and every row is as it was called; how many calls are
    /// in none.
    pub(crate) fn check(&self, calls: &[Call], places: &CallPlaces<'_>) -> u64 {
        let by_number: HashMap<u64, &Call> = calls.iter().map(|call| (call.n, call)).collect();
        assert_eq!(by_number.len(), calls.len(), "the load numbers every call once");
        let mut seen = HashSet::new();
        let rows = places.table.iter().filter(|row| row.told().is_none());
        for row in rows.chain(places.quarantine) {
            let n = row.n();
            let call = by_number.get(&n).unwrap_or_else(|| panic!("a call that nobody made: {row:#?}"));
            assert!(seen.insert(n), "the call {n} is there twice: {row:#?}");
            row.check(self.seed, call.rejected);
            check_times(row, call);
        }
        let ids: HashSet<_> = places.table.iter().map(|row| &row.id).collect();
        assert_eq!(ids.len(), places.table.len(), "count(*) = count(distinct id)");
        check_identities(places, calls.len() as u64)
    }
}

/// The row has the time of the call, by the clock of then or, where the clock has jumped while it was queued, by that
/// of its leaving the queue; and no more time has passed in it than its caller saw.
fn check_times(row: &OracleRow, call: &Call) {
    let (began, returned) = call.between;
    let ahead = clock::ahead(began, returned);
    let is_time = |ahead: &i64| {
        // Nothing is before 1970.
        let [began, returned] = [began, returned].map(|time| (micros(time) + ahead * 1_000_000).max(0));
        (began - CLOCKS_DIFFER_BY..returned + CLOCKS_DIFFER_BY).contains(&row.created_at)
    };
    assert!(
        ahead.iter().any(is_time),
        "the call {} is of {:?}, {ahead:?} s ahead: {row:#?}",
        call.n,
        call.between
    );
    let took = row.context["planner_duration_ms"].as_f64();
    let at_most = call.took.as_secs_f64() * 1000.0 + ROUNDED_BY;
    assert!(took.is_some_and(|took| took <= at_most), "the call took {:?}: {row:#?}", call.took);
}

fn micros(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).expect("it is after 1970");
    since.as_micros().try_into().expect("no matter of many millennia")
}

/// The account adds up, and to what is really there; how many calls are nowhere.
fn check_identities(places: &CallPlaces<'_>, calls: u64) -> u64 {
    let CallPlaces { table, quarantine, stats } = places;
    let rows = table.iter().filter(|row| row.told().is_none()).count() as u64;
    let told: u64 = table.iter().filter_map(OracleRow::told).sum();
    let settled = stats.written + stats.quarantined + stats.dropped.total();
    assert_eq!(stats.offered, calls, "every call was offered: {stats}");
    assert_eq!(stats.offered, stats.accepted + stats.refused.total(), "{stats}");
    assert_eq!(stats.accepted, stats.in_flight + stats.spooled + settled, "{stats}");
    assert!(quarantine.len() as u64 <= stats.quarantined, "{stats}");
    // What was in hand when the writer was stopped may have been committed without its hearing of it.
    let most = stats.written + stats.in_flight + stats.spooled;
    assert!((stats.written..=most).contains(&rows), "{rows} rows in the table, and {stats}");
    let losses = stats.quarantined + stats.dropped.total() + stats.refused.total();
    assert!(told == losses || stats.in_flight > 0, "{told} losses are in the table, and {stats}");
    calls - rows - stats.quarantined - stats.dropped.total() - stats.refused.total()
}
