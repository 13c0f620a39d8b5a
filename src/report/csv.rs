//! The answer as CSV in long form: one line for each figure.

use super::answer::{EventFigures, Figures, JobFigures, Report, Share, Spread, moment_text};
use crate::escape::visible;

pub(super) const HEADER: &str = "window_start,window_end,metric,dimension,value,unit,sample_size,source\n";

impl Report {
    /// All figures in long form: `window_start`, `window_end`, `metric`, `dimension`, `value`, `unit`, `sample_size` and
    /// `source`. The dimension is `key=value;…`, with `\` before each `;` and `\` of a value; a key without `=` stands for rows
    /// that have no such value. A figure without samples has an empty value.
    pub fn to_csv(&self) -> String {
        let mut lines = Lines { out: HEADER.to_owned(), start: String::new(), end: String::new() };
        lines.start = moment_text(self.window.since.or(self.window.first)).unwrap_or_default();
        lines.end = moment_text(self.window.until.or(self.window.last)).unwrap_or_default();
        let calls = self.events.iter().map(|event| event.figures.calls).sum();
        if let Some(rollup) = &self.rollup {
            lines.line("percentile_error", "", Some(rollup.error_bound), "ratio", calls, "");
            let until = moment_text(rollup.until).unwrap_or_default();
            lines.text("rolled_up_until", "", &until, "time", calls, "");
            rollup.notes.iter().for_each(|note| lines.text("note", "", note, "text", calls, ""));
        }
        lines.line("unreadable", "", Some(self.unreadable as f64), "rows", calls, "");
        if self.later > 0 {
            lines.line("later", "", Some(self.later as f64), "rows", calls, "");
        }
        self.events.iter().for_each(|event| lines.event(event));
        for (event_type, attempts) in &self.attempts {
            let of = part("event_type", event_type);
            lines.spread("attempts_per_booking", &of, &attempts.per_booking, "calls", "");
            for bar in &attempts.histogram {
                let of = format!("{of};attempts={}", bar.attempts);
                lines.line("bookings", &of, Some(bar.count as f64), "bookings", attempts.per_booking.n, "");
            }
        }
        self.jobs.iter().for_each(|job| lines.job(job));
        lines.out
    }
}

/// A number of very many digits has an exponent.
pub(super) fn number(value: f64) -> String {
    if value == 0.0 || (1e-9..1e18).contains(&value.abs()) { value.to_string() } else { format!("{value:e}") }
}

struct Lines {
    out: String,
    start: String,
    end: String,
}

impl Lines {
    fn line(&mut self, metric: &str, of: &str, value: Option<f64>, unit: &str, n: u64, source: &str) {
        let value = value.map(number).unwrap_or_default();
        self.text(metric, of, &value, unit, n, source);
    }

    fn text(&mut self, metric: &str, of: &str, value: &str, unit: &str, n: u64, source: &str) {
        let (start, end) = (self.start.clone(), self.end.clone());
        let cells = [&start, &end, metric, of, value, unit, &n.to_string(), source].map(cell);
        self.out.push_str(&cells.join(","));
        self.out.push('\n');
    }

    fn event(&mut self, event: &EventFigures) {
        let own = part("event_type", &event.event_type);
        self.figures(&own, &event.figures);
        for group in &event.groups {
            let by = group.by.iter().map(|(key, value)| format!(";{}", part_or_none(key, value.as_deref())));
            self.figures(&(own.clone() + &by.collect::<String>()), &group.figures);
        }
    }

    fn figures(&mut self, of: &str, figures: &Figures) {
        let source = figures.source.as_deref().unwrap_or_default();
        self.line("calls", of, Some(figures.calls as f64), "rows", figures.calls, source);
        self.line("rows_per_hour", of, figures.rows_per_hour, "rows/h", figures.calls, source);
        self.share("success", of, &figures.success, source);
        self.spread("duration", of, &figures.duration_ms, "ms", source);
        for (outcome, count) in &figures.outcomes {
            let of = format!("{of};{}", part("outcome", outcome));
            self.line("outcome", &of, Some(*count as f64), "rows", figures.calls, source);
        }
        for reason in &figures.reasons {
            let mut of = format!("{of};{}", part_or_none("reason", reason.code.as_deref()));
            if let Some(category) = &reason.category {
                of += &format!(";{}", part("category", category));
            }
            self.line("reason", &of, Some(reason.count as f64), "rows", figures.calls, source);
        }
    }

    fn job(&mut self, job: &JobFigures) {
        let own = part("event_type", &job.event_type);
        let attempts = &job.attempts;
        let figures = [
            ("mean", attempts.mean),
            ("median", attempts.median),
            ("p90", attempts.p90),
            ("max", attempts.max),
        ];
        for (name, value) in figures {
            self.line(&format!("attempts_{name}"), &own, value, "calls", attempts.n, "");
        }
        for bar in &attempts.histogram {
            let of = format!("{own};attempts={}", bar.attempts);
            self.line("jobs", &of, Some(bar.count as f64), "jobs", attempts.n, "");
        }
        self.share("time_in_calls", &own, &job.calls_share, "");
        for result in &job.results {
            let of = format!("{own};{}", part_or_none("result", result.result.as_deref()));
            self.line("jobs", &of, Some(result.count as f64), "jobs", job.jobs, "");
            self.spread("attempts", &of, &result.attempts, "calls", "");
            self.spread("duration", &of, &result.duration_ms, "ms", "");
        }
        for flow in &job.flows {
            let of = format!("{own};flow={}", flow.flow);
            self.share("timeouts", &of, &flow.timeouts, "");
            self.share("handed_over", &of, &flow.handed_over, "");
        }
    }

    fn share(&mut self, metric: &str, of: &str, share: &Share, source: &str) {
        self.line(metric, of, share.rate, "ratio", share.n, source);
    }

    fn spread(&mut self, metric: &str, of: &str, spread: &Spread, unit: &str, source: &str) {
        let figures =
            [("median", spread.median), ("p95", spread.p95), ("p99", spread.p99), ("max", spread.max)];
        for (name, value) in figures {
            self.line(&format!("{metric}_{name}"), of, value, unit, spread.n, source);
        }
        let Some(interval) = &spread.interval else { return };
        for (name, interval) in [("median", interval.median), ("p95", interval.p95), ("p99", interval.p99)] {
            let (low, high) = interval.unzip();
            for (end, value) in [("low", low), ("high", high)] {
                self.line(&format!("{metric}_{name}_{end}"), of, value, unit, spread.n, source);
            }
        }
    }
}

/// A part of the dimension. A `\` marks a separator that is in a value.
pub(super) fn part(key: &str, value: &str) -> String {
    format!("{key}={}", value.replace('\\', r"\\").replace(';', r"\;"))
}

/// The same for a value that may be missing, which is not an empty text.
pub(super) fn part_or_none(key: &str, value: Option<&str>) -> String {
    value.map_or_else(|| key.to_owned(), |value| part(key, value))
}

/// A cell, quoted where it must be. A spreadsheet takes a text that begins with one of these signs for a formula.
pub(super) fn cell(text: &str) -> String {
    let text = visible(text);
    let text = if text.starts_with(['=', '+', '@']) { format!("'{text}") } else { text };
    if text.contains(['"', ',', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_dimension_are_told_from_values_that_look_like_parts() {
        assert_eq!(part("route", r"/a;status=5\"), r"route=/a\;status=5\\");
    }
}
