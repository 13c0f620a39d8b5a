//! Flows that try before a job does.

use jiff::SignedDuration;

use crate::report::answer::{FlowFigures, Share};
use crate::report::observe::Observation;

/// A job that begins later after a flow did not take it over.
const HANDOVER_US: i64 = 5 * 60 * 1_000_000;

/// The rows of flows and jobs, by booking.
#[derive(Debug)]
pub(super) struct Flows {
    flows: Vec<FlowTally>,
    /// Booking and beginning, in microseconds.
    jobs: Vec<(u64, i64)>,
    /// Whether rows of the flows are rolled up.
    has_rolled: bool,
}

#[derive(Debug)]
struct FlowTally {
    name: String,
    timeouts: u64,
    successes: u64,
    /// Booking, time in microseconds, and whether the flow succeeded.
    rows: Vec<(u64, i64, bool)>,
}

impl Flows {
    pub(super) fn new(names: &[String]) -> Self {
        let tally =
            |name: &String| FlowTally { name: name.clone(), timeouts: 0, successes: 0, rows: Vec::new() };
        Self { flows: names.iter().map(tally).collect(), jobs: Vec::new(), has_rolled: false }
    }

    /// Counts rows whose bookings are not known.
    #[cfg(feature = "postgres")]
    pub(super) fn rolled_events(&mut self, event_type: &str, count: u64) {
        for flow in &mut self.flows {
            match event_type.strip_prefix(flow.name.as_str()) {
                Some(".timeout") => flow.timeouts += count,
                Some(".succeeded") => flow.successes += count,
                _ => continue,
            }
            self.has_rolled = true;
        }
    }

    pub(super) fn row(&mut self, row: &Observation<'_>, booking: fn(&str) -> u64) {
        let event_type = row.event_type();
        for flow in &mut self.flows {
            let rest = event_type.strip_prefix(flow.name.as_str()).and_then(|rest| rest.strip_prefix('.'));
            let Some(rest) = rest else { continue };
            flow.timeouts += u64::from(rest == "timeout");
            flow.successes += u64::from(rest == "succeeded");
            if let (Some(name), Some(moment)) = (row.booking(), row.moment()) {
                flow.rows.push((booking(name), moment.as_microsecond(), rest == "succeeded"));
            }
        }
    }

    pub(super) fn job(&mut self, row: &Observation<'_>, booking: fn(&str) -> u64) {
        let (Some(name), Some(end)) = (row.booking(), row.moment()) else { return };
        if !self.flows.is_empty() {
            let duration = SignedDuration::try_from_secs_f64(row.duration_ms().unwrap_or_default() / 1000.0);
            let begin = duration.ok().and_then(|duration| end.checked_sub(duration).ok()).unwrap_or(end);
            self.jobs.push((booking(name), begin.as_microsecond()));
        }
    }

    pub(super) fn figures(mut self) -> Vec<FlowFigures> {
        self.jobs.sort_unstable();
        // Jobs without bookings do not belong to a flow. Those that are rolled up do not tell.
        let may_belong = !self.jobs.is_empty() || self.has_rolled;
        let flows = self.flows.into_iter().filter(|flow| match flow.rows.is_empty() {
            true => flow.timeouts + flow.successes > 0,
            false => may_belong,
        });
        flows.map(|flow| flow.figures(&self.jobs)).collect()
    }
}

impl FlowTally {
    fn figures(mut self, jobs: &[(u64, i64)]) -> FlowFigures {
        self.rows.sort_unstable();
        let (mut failed, mut handed_over) = (0, 0);
        for rows in self.rows.chunk_by(|one, other| one.0 == other.0) {
            if rows.iter().any(|(.., succeeded)| *succeeded) {
                continue;
            }
            failed += 1;
            let is_taken_over = |(booking, at, _): &(u64, i64, bool)| {
                let next = jobs.get(jobs.partition_point(|job| *job < (*booking, *at)));
                next.is_some_and(|(of, begin)| of == booking && *begin <= at + HANDOVER_US)
            };
            handed_over += u64::from(rows.iter().any(is_taken_over));
        }
        FlowFigures {
            flow: self.name,
            timeouts: Share::of(self.timeouts, self.timeouts + self.successes),
            handed_over: Share::of(handed_over, failed),
        }
    }
}
