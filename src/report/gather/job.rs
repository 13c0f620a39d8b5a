//! Jobs, and the calls of each booking.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::flow::Flows;
use crate::report::answer::{
    Attempts, AttemptsBar, FlowFigures, JobAttempts, JobFigures, ResultFigures, Share,
};
use crate::report::hash::hash;
use crate::report::observe::Observation;
use crate::report::question::JobRule;
use crate::report::samples::{Counts, Samples, Sorted};

/// How many bits of a booking say in which part it is counted.
const BOOKING_BITS: u32 = 4;

/// More results of an event type are counted together: other services may write any text.
const MOST_RESULTS: usize = 100;
const OTHER_RESULTS: &str = "(other results)";

/// The jobs of every rule that has them.
#[derive(Debug)]
pub(super) struct Jobs(Vec<JobTally>);

#[derive(Debug)]
struct JobTally {
    rule: JobRule,
    /// By event type, which are several if the rule has a pattern, and by result.
    results: BTreeMap<(String, Option<String>), ResultTally>,
    /// By the first bits of the bookings, so that little memory is needed to merge one part.
    calls_of_booking: Vec<Counts>,
    calls: u64,
    calls_without_booking: u64,
    flows: Flows,
}

#[derive(Debug, Default)]
pub(in crate::report) struct ResultTally {
    pub(in crate::report) count: u64,
    pub(in crate::report) attempts: Samples,
    pub(in crate::report) durations: Samples,
    /// The milliseconds of jobs that have both times: their calls, and all.
    pub(in crate::report) within_ms: f64,
    pub(in crate::report) total_ms: f64,
    pub(in crate::report) timed: u64,
}

impl Jobs {
    pub(super) fn new(rules: Vec<JobRule>) -> Self {
        let tally = |rule: JobRule| JobTally {
            results: BTreeMap::new(),
            calls_of_booking: vec![Counts::default(); 1 << BOOKING_BITS],
            calls: 0,
            calls_without_booking: 0,
            flows: Flows::new(&rule.flows),
            rule,
        };
        Self(rules.into_iter().map(tally).collect())
    }

    pub(super) fn row(&mut self, row: &Observation<'_>) {
        let job = self.0.iter().position(|tally| tally.rule.is_job(row.event_type()));
        for (place, tally) in self.0.iter_mut().enumerate() {
            if job == Some(place) {
                tally.job(row);
            } else if row.event_type() == tally.rule.of {
                tally.call(row);
            } else {
                tally.flows.row(row, booking);
            }
        }
    }

    /// Adds jobs that are rolled up.
    #[cfg(feature = "postgres")]
    pub(super) fn rolled(&mut self, event_type: &str, result: Option<String>, jobs: ResultTally) {
        if let Some(tally) = self.0.iter_mut().find(|tally| tally.rule.is_job(event_type)) {
            tally.tally(event_type, result.as_deref()).include(jobs);
        }
    }

    /// Adds rows that are rolled up, of any event type.
    #[cfg(feature = "postgres")]
    pub(super) fn rolled_events(&mut self, event_type: &str, count: u64) {
        self.0.iter_mut().for_each(|tally| tally.flows.rolled_events(event_type, count));
    }

    /// The jobs, and the calls of each booking by the event type of the calls.
    pub(super) fn figures(self) -> (Vec<JobFigures>, BTreeMap<String, Attempts>) {
        let mut attempts = BTreeMap::new();
        let mut jobs = Vec::new();
        for mut tally in self.0 {
            if tally.calls > 0 {
                let calls = std::mem::take(&mut tally.calls_of_booking);
                attempts.insert(tally.rule.of.clone(), of_bookings(calls, tally.calls_without_booking));
            }
            jobs.extend(tally.figures());
        }
        (jobs, attempts)
    }
}

impl ResultTally {
    #[cfg(feature = "postgres")]
    fn include(&mut self, other: Self) {
        self.count += other.count;
        self.attempts.extend(&other.attempts);
        self.durations.extend(&other.durations);
        self.within_ms += other.within_ms;
        self.total_ms += other.total_ms;
        self.timed += other.timed;
    }
}

impl JobTally {
    /// That of this result, or of all further ones.
    fn tally(&mut self, event_type: &str, result: Option<&str>) -> &mut ResultTally {
        let mut key = (event_type.to_owned(), result.map(str::to_owned));
        if !self.results.contains_key(&key) {
            let first = (event_type.to_owned(), None);
            let known = self.results.range(first..).take_while(|((known, _), _)| known == event_type);
            if known.count() >= MOST_RESULTS {
                key.1 = Some(OTHER_RESULTS.to_owned());
            }
        }
        self.results.entry(key).or_default()
    }

    fn job(&mut self, row: &Observation<'_>) {
        let tally = self.tally(row.event_type(), row.result());
        tally.count += 1;
        tally.attempts.take(row.attempts());
        tally.durations.take(row.duration_ms());
        if let (Some(within), Some(total)) = (row.within_ms(), row.duration_ms()) {
            tally.within_ms += within;
            tally.total_ms += total;
            tally.timed += 1;
        }
        self.flows.job(row, booking);
    }

    fn call(&mut self, row: &Observation<'_>) {
        self.calls += 1;
        match row.booking() {
            Some(name) => {
                let booking = booking(name);
                let part = (booking >> (u64::BITS - BOOKING_BITS)) as usize;
                self.calls_of_booking.get_mut(part).into_iter().for_each(|calls| calls.add(booking));
            }
            None => self.calls_without_booking += 1,
        }
    }

    /// Of each event type.
    fn figures(self) -> Vec<JobFigures> {
        let mut event_types: BTreeMap<String, Vec<(Option<String>, ResultTally)>> = BTreeMap::new();
        for ((event_type, result), tally) in self.results {
            event_types.entry(event_type).or_default().push((result, tally));
        }
        let (of, flows) = (self.rule.of, self.flows.figures());
        event_types
            .into_iter()
            .map(|(event_type, results)| figures(event_type, &of, results, &flows))
            .collect()
    }
}

fn figures(
    event_type: String,
    of: &str,
    results: Vec<(Option<String>, ResultTally)>,
    flows: &[FlowFigures],
) -> JobFigures {
    let mut all = Samples::default();
    let (mut within_ms, mut total_ms, mut timed) = (0.0, 0.0, 0);
    for (_, tally) in &results {
        all.extend(&tally.attempts);
        within_ms += tally.within_ms;
        total_ms += tally.total_ms;
        timed += tally.timed;
    }
    let result = |(result, tally): (Option<String>, ResultTally)| ResultFigures {
        result,
        count: tally.count,
        attempts: tally.attempts.spread(),
        duration_ms: tally.durations.spread(),
    };
    let mut results: Vec<_> = results.into_iter().map(result).collect();
    results.sort_by_key(|result| Reverse(result.count));
    let rate = (total_ms > 0.0).then(|| within_ms / total_ms);
    JobFigures {
        event_type,
        of: of.to_owned(),
        jobs: results.iter().map(|result| result.count).sum(),
        results,
        attempts: of_jobs(&all.into_sorted()),
        calls_share: Share { n: timed, rate },
        flows: flows.to_vec(),
    }
}

/// A number for a booking. Two of ten million bookings have the same one with a chance of 3 in a million.
fn booking(name: &str) -> u64 {
    hash(name.as_bytes())
}

fn of_jobs(sorted: &Sorted) -> JobAttempts {
    JobAttempts {
        n: sorted.n(),
        mean: sorted.mean(),
        median: sorted.percentile(0.5),
        p90: sorted.percentile(0.9),
        max: sorted.max(),
        histogram: histogram(sorted),
    }
}

fn of_bookings(calls: Vec<Counts>, calls_without_booking: u64) -> Attempts {
    let mut samples = Samples::default();
    for (_, calls) in calls.into_iter().flat_map(Counts::into_pairs) {
        samples.take(Some(calls as f64));
    }
    let sorted = samples.into_sorted();
    Attempts { per_booking: sorted.spread(), histogram: histogram(&sorted), calls_without_booking }
}

fn histogram(sorted: &Sorted) -> Vec<AttemptsBar> {
    let mut up_to = 0;
    let bars = sorted.bars().map(|(attempts, count)| {
        up_to += count;
        AttemptsBar { attempts, count, cumulative: up_to as f64 / sorted.n() as f64 }
    });
    bars.collect()
}
