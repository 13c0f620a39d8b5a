//! Computes the answer from rows, one at a time.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::time::SystemTime;

use jiff::Timestamp;

use super::answer::{Attempts, AttemptsBar, Baseline, CallGroup, Calls, JobGroup, Reason, Share};
use super::keys;
use super::observe::Observation;
use super::samples::Samples;

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
    pub(super) fn row(&mut self, row: &Observation<'_>) {
        self.extend_period(row.moment());
        self.unreadable += u64::from(!row.is_readable());
        match row.event_type() {
            keys::QUOTE => self.call(row),
            keys::SUMMARY => self.job(row),
            _ => {}
        }
    }

    fn extend_period(&mut self, moment: Option<Timestamp>) {
        let Some(moment) = moment else { return };
        let (first, last) = self.period.unwrap_or((moment, moment));
        self.period = Some((first.min(moment), last.max(moment)));
    }

    fn call(&mut self, row: &Observation<'_>) {
        self.calls.add(row);
        let groups = [&mut self.by_flow, &mut self.by_trigger, &mut self.by_strategy];
        for (groups, name) in groups.into_iter().zip(row.by()) {
            let name = name.map(Cow::into_owned).filter(|name| !name.is_empty());
            groups.entry(name).or_default().add(row);
        }
        match row.booking() {
            Some(booking) => *self.calls_of_booking.entry(booking.to_owned()).or_default() += 1,
            None => self.calls_without_booking += 1,
        }
        // A call of unknown outcome has no success, and is no failure either.
        if row.success() == Some(false) {
            let owned = |text: Option<&str>| text.map(str::to_owned);
            let reason = (owned(row.reason_category()), owned(row.reason_code()));
            *self.reasons.entry(reason).or_default() += 1;
        }
    }

    fn job(&mut self, row: &Observation<'_>) {
        let tally = self.jobs.entry(row.result().map(str::to_owned)).or_default();
        tally.count += 1;
        tally.attempts.take(row.attempts());
        tally.durations.take(row.duration_ms());
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
    fn add(&mut self, row: &Observation<'_>) {
        self.count += 1;
        match row.success() {
            Some(true) => self.succeeded += 1,
            Some(false) => self.failed += 1,
            None => {}
        }
        self.durations.take(row.duration_ms());
    }

    fn calls(self) -> Calls {
        let n = self.succeeded + self.failed;
        let rate = (n > 0).then(|| self.succeeded as f64 / n as f64);
        Calls { count: self.count, success: Share { n, rate }, duration_ms: self.durations.spread() }
    }
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
