//! A comparison as CSV: one line for each figure, in the columns of a report.

use super::compared::{Compared, Pair};
use super::snapshot::Snapshot;
use super::tally::{ATTEMPTS, SUCCESS};
use super::words::{judgement_word, result_word};
use crate::report::csv::{self, HEADER, cell, part, part_or_none};
use crate::report::stats::ALPHA;
use crate::report::stats::estimate::Estimate;

impl Compared {
    /// All figures in long form, with the columns of [`Report::to_csv`](crate::report::Report::to_csv). The source is
    /// `before`, `after`, `change` or `gate`; the metrics `…_low` and `…_high` are the ends of intervals. A change is a
    /// ratio minus 1, or for shares a difference. The values of `…_verdict` and of gates are words.
    pub fn to_csv(&self) -> String {
        let mut out = HEADER.to_owned();
        for pair in &self.pairs {
            let mut of = part("event_type", &pair.event_type);
            let by = self.before.filter.by.iter().zip(&pair.by);
            by.for_each(|(key, value)| of += &format!(";{}", part_or_none(key, value.as_deref())));
            let sides = [("before", &self.before, &pair.before), ("after", &self.after, &pair.after)];
            for (name, side, estimate) in sides {
                if let Some(estimate) = estimate {
                    of_side(&mut out, name, side, &pair.metric, &of, estimate);
                }
            }
            of_change(&mut out, &self.after, pair, &of);
        }
        for gate in &self.gates {
            let of = part("event_type", &gate.pair.event_type);
            line(&mut out, &self.after, [&gate.spec.text, &of, result_word(gate.result), "", "", "gate"]);
        }
        out
    }
}

fn of_side(out: &mut String, name: &str, side: &Snapshot, metric: &str, of: &str, estimate: &Estimate) {
    let unit = match metric {
        SUCCESS => "ratio",
        ATTEMPTS => "calls",
        _ => "ms",
    };
    let interval = estimate.can_show().then(|| estimate.interval(ALPHA));
    let values = [
        ("", Some(estimate.value)),
        ("_low", interval.map(|interval| interval.lo)),
        ("_high", interval.map(|interval| interval.hi)),
    ];
    for (end, value) in values {
        let n = estimate.n.to_string();
        line(out, side, [&format!("{metric}{end}"), of, &number(value), unit, &n, name]);
    }
}

fn of_change(out: &mut String, side: &Snapshot, pair: &Pair, of: &str) {
    let metric = &pair.metric;
    if let Some(contrast) = pair.contrast().filter(|contrast| contrast.is_known()) {
        let scale = |value: f64| if metric == SUCCESS { value } else { value.exp_m1() };
        let interval = contrast.interval(ALPHA);
        let n = contrast.before.n.min(contrast.after.n).to_string();
        let values = [
            ("", contrast.estimate()),
            ("_low", interval.lo),
            ("_high", interval.hi),
            ("_smallest_shown", contrast.least_to_show()),
        ];
        for (end, value) in values {
            let value = number(Some(scale(value)));
            line(out, side, [&format!("{metric}{end}"), of, &value, "ratio", &n, "change"]);
        }
    }
    let verdict = judgement_word(pair.judgement());
    line(out, side, [&format!("{metric}_verdict"), of, verdict, "", "", "change"]);
}

/// Empty for a value that is not known.
fn number(value: Option<f64>) -> String {
    value.filter(|value| value.is_finite()).map(csv::number).unwrap_or_default()
}

/// Metric, dimension, value, unit, sample size and source.
fn line(out: &mut String, side: &Snapshot, cells: [&str; 6]) {
    let window = [side.first.as_str(), side.last.as_str()];
    let cells: Vec<_> = window.into_iter().chain(cells).map(cell).collect();
    out.push_str(&cells.join(","));
    out.push('\n');
}
