//! The parts of sentences and cells that show a comparison.

use super::tally::{ATTEMPTS, SUCCESS};
use crate::report::grid::NONE;
use crate::report::render::unit::{self, duration};
use crate::report::stats::Interval;
use crate::report::stats::contrast::Judgement;
use crate::report::stats::gates::GateResult;

/// A line of constants and of texts from the database, which are escaped.
pub(in crate::report) type Line = Vec<(bool, String)>;

pub(in crate::report) fn text_of(line: &Line, escape: fn(&str) -> String) -> String {
    line.iter().map(|(foreign, part)| if *foreign { escape(part) } else { part.clone() }).collect()
}

pub(super) fn own(part: impl Into<String>) -> (bool, String) {
    (false, part.into())
}

pub(super) fn foreign(part: impl Into<String>) -> (bool, String) {
    (true, part.into())
}

pub(in crate::report) fn judgement_word(judgement: Judgement) -> &'static str {
    match judgement {
        Judgement::Better => "better",
        Judgement::Worse => "worse",
        Judgement::NoDifferenceShown => "no difference shown",
        Judgement::NotEnoughData => "not enough data",
    }
}

pub(in crate::report) fn result_word(result: GateResult) -> &'static str {
    match result {
        GateResult::Holds => "holds",
        GateResult::Broken => "broken",
        GateResult::Undecided => "undecided",
        GateResult::NoAnswer => "no answer",
    }
}

pub(in crate::report) fn value(metric: &str, value: f64) -> String {
    match metric {
        SUCCESS => unit::percent(value),
        ATTEMPTS => unit::decimal(Some(value)),
        _ => duration(value),
    }
}

pub(in crate::report) fn values(metric: &str, within: Interval) -> String {
    match metric {
        SUCCESS | ATTEMPTS => format!("{} to {}", value(metric, within.lo), value(metric, within.hi)),
        _ => unit::range((within.lo, within.hi)),
    }
}

/// A change as the JSON has it: a difference of shares, or a part of the value before.
pub(in crate::report) fn change_of(metric: &str, change: f64) -> f64 {
    if metric == SUCCESS { change } else { change.exp_m1() }
}

/// A change on the scale of its interval.
pub(in crate::report) fn amount(metric: &str, change: f64) -> String {
    match metric {
        SUCCESS => unit::change(change * 100.0) + " pt",
        _ => unit::change(change.exp_m1() * 100.0) + "%",
    }
}

pub(in crate::report) fn range(metric: &str, within: Interval) -> String {
    let low = amount(metric, within.lo);
    match within {
        Interval::EVERYTHING => NONE.to_owned(),
        Interval { hi: f64::INFINITY, .. } => format!("{low} or more"),
        Interval { hi, .. } => format!("{low} to {}", amount(metric, hi)),
    }
}
