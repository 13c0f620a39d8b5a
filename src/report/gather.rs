//! Computes the answer from rows, one at a time.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::time::SystemTime;

use jiff::Timestamp;
use serde_json::Value;
use serde_json::value::RawValue;

use super::answer::{Attempts, AttemptsBar, Baseline, CallGroup, Calls, JobGroup, Reason, Share};
use super::keys;
use super::samples::Samples;
use crate::store::read::ReadRow;

/// The values are parsed only where they are used: any of the others may be a number that no `f64` holds, or deeply nested.
type Context<'a> = BTreeMap<String, &'a RawValue>;

/// The counts so far.
#[derive(Debug, Default)]
pub(super) struct Gather {
    period: Option<(Timestamp, Timestamp)>,
    calls: CallTally,
    by_flow: Groups<CallTally>,
    by_trigger: Groups<CallTally>,
    by_strategy: Groups<CallTally>,
    calls_of_booking: HashMap<String, u64>,
    calls_without_booking: u64,
    reasons: BTreeMap<(Option<String>, Option<String>), u64>,
    jobs: Groups<JobTally>,
    unreadable: u64,
}

/// By name; rows without one are under `None`.
type Groups<T> = BTreeMap<Option<String>, T>;

#[derive(Debug, Default)]
struct CallTally {
    count: u64,
    succeeded: u64,
    failed: u64,
    durations: Samples,
}

#[derive(Debug, Default)]
struct JobTally {
    count: u64,
    attempts: Samples,
    durations: Samples,
}

impl Gather {
    pub(super) fn row(&mut self, row: ReadRow) {
        self.extend_period(row.created_at);
        let context: Option<Context<'_>> =
            row.context.as_deref().and_then(|text| serde_json::from_str(text).ok());
        self.unreadable += u64::from(context.is_none() || row.created_at.is_none());
        let context = context.unwrap_or_default();
        match row.event_type.as_str() {
            keys::QUOTE => self.call(row.booking_id, &context),
            keys::SUMMARY => self.job(&context),
            _ => {}
        }
    }

    fn extend_period(&mut self, moment: Option<Timestamp>) {
        let Some(moment) = moment else { return };
        let (first, last) = self.period.unwrap_or((moment, moment));
        self.period = Some((first.min(moment), last.max(moment)));
    }

    fn call(&mut self, booking_id: Option<String>, context: &Context<'_>) {
        self.calls.add(context);
        self.by_flow.entry(label(context, keys::FLOW)).or_default().add(context);
        self.by_trigger.entry(label(context, keys::TRIGGER)).or_default().add(context);
        self.by_strategy.entry(strategy(context)).or_default().add(context);
        match booking_id.or_else(|| label(context, keys::BOOKING_ID)) {
            Some(booking) => *self.calls_of_booking.entry(booking).or_default() += 1,
            None => self.calls_without_booking += 1,
        }
        self.reason(context);
    }

    fn reason(&mut self, context: &Context<'_>) {
        // A call of unknown outcome has no success, and is no failure either.
        if success(context) == Some(false) {
            let code = label(context, keys::PLANNER_REASON_CODE);
            let category = label(context, keys::PLANNER_REASON_CATEGORY);
            *self.reasons.entry((category, code)).or_default() += 1;
        }
    }

    fn job(&mut self, context: &Context<'_>) {
        let tally = self.jobs.entry(label(context, keys::RESULT)).or_default();
        tally.count += 1;
        tally.attempts.take(number(context, keys::ATTEMPTS_USED));
        tally.durations.take(number(context, keys::TOTAL_DURATION_MS));
    }

    pub(super) fn baseline(self, since: Option<SystemTime>) -> Baseline {
        Baseline {
            since,
            first: self.period.map(|(first, _)| first.into()),
            last: self.period.map(|(_, last)| last.into()),
            calls: self.calls.calls(),
            by_flow: call_groups(self.by_flow),
            by_trigger: call_groups(self.by_trigger),
            by_strategy: call_groups(self.by_strategy),
            attempts: attempts(self.calls_of_booking, self.calls_without_booking),
            reasons: reasons(self.reasons),
            jobs: job_groups(self.jobs),
            unreadable: self.unreadable,
        }
    }
}

impl CallTally {
    fn add(&mut self, context: &Context<'_>) {
        self.count += 1;
        match success(context) {
            Some(true) => self.succeeded += 1,
            Some(false) => self.failed += 1,
            None => {}
        }
        self.durations.take(number(context, keys::PLANNER_DURATION_MS));
    }

    fn calls(self) -> Calls {
        let n = self.succeeded + self.failed;
        let rate = (n > 0).then(|| self.succeeded as f64 / n as f64);
        Calls { count: self.count, success: Share { n, rate }, duration_ms: self.durations.spread() }
    }
}

fn success(context: &Context<'_>) -> Option<bool> {
    value(context, keys::PLANNER_SUCCESS)?.as_bool()
}

fn number(context: &Context<'_>, key: &str) -> Option<f64> {
    value(context, key)?.as_f64()
}

fn value(context: &Context<'_>, key: &str) -> Option<Value> {
    serde_json::from_str(context.get(key)?.get()).ok()
}

fn label(context: &Context<'_>, key: &str) -> Option<String> {
    let raw = context.get(key)?;
    match value(context, key) {
        Some(Value::Null) => None,
        Some(Value::String(text)) => Some(text),
        _ => Some(compact(raw)),
    }
}

/// The same text from every database: each has spaces of its own.
fn compact(raw: &RawValue) -> String {
    serde_json::from_str(raw.get()).map_or_else(|_| raw.to_string(), |value: Value| value.to_string())
}

/// Sorted by key, because `jsonb` has an order of its own and SQLite keeps the order in which keys were written.
fn strategy(context: &Context<'_>) -> Option<String> {
    let object: Context<'_> = serde_json::from_str(context.get(keys::PLANNER_STRATEGY)?.get()).ok()?;
    let parts: Vec<String> = object.iter().map(|(key, raw)| format!("{key}={}", compact(raw))).collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

fn call_groups(groups: Groups<CallTally>) -> Vec<CallGroup> {
    let mut groups: Vec<_> =
        groups.into_iter().map(|(name, tally)| CallGroup { name, calls: tally.calls() }).collect();
    groups.sort_by_key(|group| Reverse(group.calls.count));
    groups
}

fn job_groups(groups: Groups<JobTally>) -> Vec<JobGroup> {
    let group = |(result, tally): (_, JobTally)| JobGroup {
        result,
        count: tally.count,
        attempts_used: tally.attempts.spread(),
        total_duration_ms: tally.durations.spread(),
    };
    let mut groups: Vec<_> = groups.into_iter().map(group).collect();
    groups.sort_by_key(|group| Reverse(group.count));
    groups
}

fn reasons(reasons: BTreeMap<(Option<String>, Option<String>), u64>) -> Vec<Reason> {
    let mut reasons: Vec<_> =
        reasons.into_iter().map(|((category, code), count)| Reason { category, code, count }).collect();
    reasons.sort_by_key(|reason| Reverse(reason.count));
    reasons
}

fn attempts(calls_of_booking: HashMap<String, u64>, calls_without_booking: u64) -> Attempts {
    let mut bars = BTreeMap::<u64, u64>::new();
    let mut samples = Samples::default();
    for attempts in calls_of_booking.into_values() {
        *bars.entry(attempts).or_default() += 1;
        samples.take(Some(attempts as f64));
    }
    let histogram = bars.into_iter().map(|(attempts, bookings)| AttemptsBar { attempts, bookings }).collect();
    Attempts { per_booking: samples.spread(), histogram, calls_without_booking }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn baseline(rows: &[(&str, Option<&str>, &str)]) -> Baseline {
        let mut gather = Gather::default();
        for (event_type, booking, context) in rows {
            gather.row(ReadRow {
                created_at: None,
                event_type: (*event_type).to_owned(),
                booking_id: booking.map(str::to_owned),
                context: Some((*context).to_owned()),
            });
        }
        gather.baseline(None)
    }

    #[test]
    fn an_unknown_outcome_is_a_call_but_neither_success_nor_failure() {
        let report = baseline(&[
            (keys::QUOTE, None, r#"{"planner_success": true}"#),
            (keys::QUOTE, None, r#"{"planner_success": null}"#),
        ]);
        assert_eq!((report.calls.count, report.calls.success.n), (2, 1));
        assert_eq!(report.calls.success.rate, Some(1.0));
        assert_eq!(report.reasons, []);
    }

    #[test]
    fn a_booking_that_is_no_uuid_counts_as_a_booking() {
        let named = r#"{"booking_id": "B-7"}"#;
        let report =
            baseline(&[(keys::QUOTE, None, named), (keys::QUOTE, None, named), (keys::QUOTE, None, "{}")]);
        assert_eq!(report.attempts.histogram, [AttemptsBar { attempts: 2, bookings: 1 }]);
        assert_eq!(report.attempts.calls_without_booking, 1);
    }

    #[test]
    fn a_strategy_is_the_same_in_any_order_of_its_keys() {
        let report = baseline(&[
            (keys::QUOTE, None, r#"{"planner_strategy": {"requireAdjacency": true, "maxTables": 3}}"#),
            (keys::QUOTE, None, r#"{"planner_strategy": {"maxTables": 3, "requireAdjacency": true}}"#),
        ]);
        let names: Vec<_> = report.by_strategy.iter().map(|group| group.name.as_deref()).collect();
        assert_eq!(names, [Some("maxTables=3, requireAdjacency=true")]);
    }

    #[test]
    fn a_context_that_cannot_be_read_is_still_a_call() {
        let report = baseline(&[(keys::QUOTE, None, "[]"), (keys::SUMMARY, None, "nonsense")]);
        assert_eq!((report.calls.count, report.jobs.len(), report.unreadable), (1, 1, 2));
    }
}
