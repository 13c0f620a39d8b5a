//! The answer as text, Markdown and JSON.

use std::fmt::{self, Write};

use super::answer::{Attempts, Baseline, CallGroup, Calls, JobGroup, Reason, Share, moment_text};
use super::grid::{Grid, NONE};
use crate::escape::visible_json;

const EMPTY: &str = "The ledger has no planner call and no job in this period. Check that the service has run \
                     with the layer, and that it writes to this database.";

impl fmt::Display for Baseline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", heading(self))?;
        for table in tables(self) {
            writeln!(f)?;
            table.text(f)?;
        }
        Ok(())
    }
}

impl Baseline {
    /// The same tables in Markdown.
    pub fn to_markdown(&self) -> String {
        let mut out = format!("## Baseline\n\n{}\n", heading(self));
        for table in tables(self) {
            out.push('\n');
            // Writing to a String cannot fail.
            table.markdown(&mut out).ok();
        }
        out
    }

    /// All figures as one JSON object, indented: the fields of this type under their names, times as RFC 3339
    /// text in UTC.
    pub fn to_json(&self) -> String {
        // Serialising cannot fail: every key is a string.
        visible_json(&serde_json::to_string_pretty(self).unwrap_or_default())
    }
}

fn heading(baseline: &Baseline) -> String {
    let mut out = period(baseline);
    if baseline.is_empty() {
        out.push_str("\n\n");
        out.push_str(EMPTY);
    }
    if baseline.unreadable > 0 {
        let rows = if baseline.unreadable == 1 { "row" } else { "rows" };
        // Writing to a String cannot fail.
        write!(
            out,
            "\n\n{} {rows} cannot be read in full: the context is no JSON object, or created_at is no time.",
            baseline.unreadable
        )
        .ok();
    }
    out
}

fn period(baseline: &Baseline) -> String {
    let since = moment_text(baseline.since).map_or(String::new(), |since| format!(", counted since {since}"));
    match (moment_text(baseline.first), moment_text(baseline.last)) {
        (Some(first), Some(last)) => format!("Rows from {first} to {last}{since}."),
        _ => format!("No rows{since}."),
    }
}

fn tables(baseline: &Baseline) -> Vec<Grid> {
    vec![
        all_calls(&baseline.calls),
        call_groups("Planner calls by flow", "flow", &baseline.by_flow),
        call_groups("Planner calls by trigger", "trigger", &baseline.by_trigger),
        call_groups("Planner calls by strategy", "strategy", &baseline.by_strategy),
        attempts(&baseline.attempts),
        histogram(&baseline.attempts),
        reasons(&baseline.reasons),
        jobs(&baseline.jobs),
    ]
}

const CALL_COLUMNS: [&str; 7] = ["calls", "success", "n", "median ms", "p95 ms", "p99 ms", "n"];

fn all_calls(calls: &Calls) -> Grid {
    Grid { title: "Planner calls", header: CALL_COLUMNS.to_vec(), names: 0, rows: vec![call_cells(calls)] }
}

fn call_groups(title: &'static str, name: &'static str, groups: &[CallGroup]) -> Grid {
    let mut header = vec![name];
    header.extend(CALL_COLUMNS);
    let row = |group: &CallGroup| [vec![or_none(&group.name)], call_cells(&group.calls)].concat();
    Grid { title, header, names: 1, rows: groups.iter().map(row).collect() }
}

fn call_cells(calls: &Calls) -> Vec<String> {
    let spread = &calls.duration_ms;
    vec![
        calls.count.to_string(),
        percent(&calls.success),
        calls.success.n.to_string(),
        decimal(spread.median),
        decimal(spread.p95),
        decimal(spread.p99),
        spread.n.to_string(),
    ]
}

fn attempts(attempts: &Attempts) -> Grid {
    let spread = &attempts.per_booking;
    Grid {
        title: "Planner calls per booking",
        header: vec!["median", "p95", "max", "bookings (n)", "calls without booking"],
        names: 0,
        rows: vec![vec![
            decimal(spread.median),
            decimal(spread.p95),
            spread.max.map_or(NONE.to_owned(), |max| max.to_string()),
            spread.n.to_string(),
            attempts.calls_without_booking.to_string(),
        ]],
    }
}

fn histogram(attempts: &Attempts) -> Grid {
    let bars = attempts.histogram.iter();
    Grid {
        title: "Bookings by number of planner calls",
        header: vec!["calls", "bookings"],
        names: 0,
        rows: bars.map(|bar| vec![bar.attempts.to_string(), bar.bookings.to_string()]).collect(),
    }
}

fn reasons(reasons: &[Reason]) -> Grid {
    let row =
        |reason: &Reason| vec![or_none(&reason.category), or_none(&reason.code), reason.count.to_string()];
    Grid {
        title: "Planner calls that did not succeed",
        header: vec!["category", "code", "calls"],
        names: 2,
        rows: reasons.iter().map(row).collect(),
    }
}

fn jobs(jobs: &[JobGroup]) -> Grid {
    Grid {
        title: "Jobs",
        header: vec!["result", "jobs", "attempts median", "p95", "n", "duration median ms", "p95 ms", "n"],
        names: 1,
        rows: jobs.iter().map(job_cells).collect(),
    }
}

fn job_cells(job: &JobGroup) -> Vec<String> {
    let (attempts, duration) = (&job.attempts_used, &job.total_duration_ms);
    vec![
        or_none(&job.result),
        job.count.to_string(),
        decimal(attempts.median),
        decimal(attempts.p95),
        attempts.n.to_string(),
        decimal(duration.median),
        decimal(duration.p95),
        duration.n.to_string(),
    ]
}

fn or_none(name: &Option<String>) -> String {
    name.clone().unwrap_or_else(|| NONE.to_owned())
}

/// Two decimals, and a third for figures that two would show as next to nothing. Durations have three.
fn decimal(value: Option<f64>) -> String {
    match value {
        None => NONE.to_owned(),
        Some(value) if value > 0.0 && value < 0.0005 => "<0.001".to_owned(),
        Some(value) if value > 0.0 && value < 0.0995 => format!("{value:.3}"),
        Some(value) => format!("{value:.2}"),
    }
}

fn percent(share: &Share) -> String {
    share.rate.map_or(NONE.to_owned(), |rate| format!("{:.1}%", rate * 100.0))
}
