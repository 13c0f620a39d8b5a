//! Tables on jobs and attempts.

use super::unit::{decimal, duration_or_none};
use super::{or_none, percent};
use crate::report::answer::{Attempts, AttemptsBar, FlowFigures, JobFigures, ResultFigures, Share};
use crate::report::grid::{Grid, NONE};

fn grid<const N: usize>(title: String, header: [&str; N], names: usize, rows: Vec<Vec<String>>) -> Grid {
    Grid { title, header: header.map(str::to_owned).to_vec(), names, rows }
}

/// How many calls a booking took.
pub(super) fn attempts(event_type: &str, attempts: &Attempts) -> Vec<Grid> {
    let spread = &attempts.per_booking;
    let row = vec![
        decimal(spread.median),
        decimal(spread.p95),
        whole(spread.max),
        spread.n.to_string(),
        attempts.calls_without_booking.to_string(),
    ];
    let header = ["median", "p95", "max", "bookings (n)", "calls without booking"];
    vec![
        grid(format!("{event_type} per booking"), header, 0, vec![row]),
        histogram(format!("Bookings by number of {event_type}"), "bookings", &attempts.histogram),
    ]
}

fn histogram(title: String, counted: &str, bars: &[AttemptsBar]) -> Grid {
    let row = |bar: &AttemptsBar| {
        let cumulative = format!("{:.1}%", bar.cumulative * 100.0);
        vec![whole(Some(bar.attempts)), bar.count.to_string(), cumulative]
    };
    grid(title, ["calls", counted, "at most so many"], 0, bars.iter().map(row).collect())
}

/// Whole numbers stay whole.
pub(in crate::report) fn whole(value: Option<f64>) -> String {
    value.map_or(NONE.to_owned(), |value| value.to_string())
}

pub(super) fn tables(job: &JobFigures) -> Vec<Grid> {
    let mut tables = vec![results(job), within(job)];
    if !job.attempts.histogram.is_empty() {
        let title = format!("{} by number of calls", job.event_type);
        tables.push(histogram(title, "jobs", &job.attempts.histogram));
    }
    if !job.flows.is_empty() {
        tables.push(flows(job));
    }
    tables
}

fn results(job: &JobFigures) -> Grid {
    let row = |result: &ResultFigures| {
        let (attempts, duration) = (&result.attempts, &result.duration_ms);
        vec![
            or_none(&result.result),
            result.count.to_string(),
            decimal(attempts.median),
            decimal(attempts.p95),
            attempts.n.to_string(),
            duration_or_none(duration.median),
            duration_or_none(duration.p95),
            duration.n.to_string(),
        ]
    };
    let header = ["result", "jobs", "attempts median", "p95", "n", "duration median", "p95", "n"];
    grid(format!("{} by result", job.event_type), header, 1, job.results.iter().map(row).collect())
}

fn within(job: &JobFigures) -> Grid {
    let attempts = &job.attempts;
    let waiting = Share { n: job.calls_share.n, rate: job.calls_share.rate.map(|rate| 1.0 - rate) };
    let row = vec![
        decimal(attempts.mean),
        decimal(attempts.median),
        decimal(attempts.p90),
        whole(attempts.max),
        attempts.n.to_string(),
        percent(&job.calls_share),
        percent(&waiting),
        waiting.n.to_string(),
    ];
    let header = ["calls mean", "median", "p90", "max", "n", "time in calls", "time waiting", "n"];
    grid(format!("{} within {}", job.of, job.event_type), header, 0, vec![row])
}

fn flows(job: &JobFigures) -> Grid {
    let row = |flow: &FlowFigures| {
        vec![
            flow.flow.clone(),
            percent(&flow.timeouts),
            flow.timeouts.n.to_string(),
            percent(&flow.handed_over),
            flow.handed_over.n.to_string(),
        ]
    };
    let header =
        ["flow", "timeouts", "of timeouts and successes (n)", "went on as a job", "of failed bookings (n)"];
    grid(format!("Flows before {}", job.event_type), header, 1, job.flows.iter().map(row).collect())
}
