//! A gate as the command line writes it, such as `p95<=+10%`.

use super::tally::{ATTEMPTS, LEVELS, MEDIAN, SUCCESS};
use crate::error::Error;
use crate::report::stats::gates::Limit;

/// A limit for one metric.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::report) struct GateSpec {
    pub(in crate::report) text: String,
    pub(super) metric: String,
    /// Whether the limit is a change from the side before; else it is a value of the side after.
    pub(in crate::report) is_change: bool,
    /// On the scale of the interval that it is held against.
    pub(in crate::report) limit: Limit,
}

impl GateSpec {
    pub(super) fn parse(text: &str) -> Result<Self, Error> {
        let (metric, at_most, bound) = match (text.split_once("<="), text.split_once(">=")) {
            (Some((metric, bound)), None) => (metric, true, bound),
            (None, Some((metric, bound))) => (metric, false, bound),
            _ => return Err(mistake("a gate has one <= or >=")),
        };
        let (metric, bound) = (metric.trim(), bound.trim());
        let metric = if metric == "p50" { MEDIAN } else { metric };
        if !metrics().any(|known| known == metric) {
            let known: Vec<_> = metrics().collect();
            return Err(mistake(&format!("no metric has that name: use {}", known.join(", "))));
        }
        let is_change = bound.starts_with(['+', '-']);
        let number =
            if metric == SUCCESS { share(bound, is_change) } else { amount(bound, metric, is_change) };
        let number = number.ok_or_else(|| mistake(&format!("{metric} cannot have that limit")))?;
        if at_most == (metric == SUCCESS) {
            let (worse, sign) = if at_most { ("lower", ">=") } else { ("higher", "<=") };
            return Err(Error::config(format!(
                "{metric} is worse the {worse} it is, so a gate that has {} would hold for what is worse: write \
                 {metric}{sign}{bound}",
                if at_most { "<=" } else { ">=" }
            )));
        }
        let limit = if at_most { Limit::AtMost(number) } else { Limit::AtLeast(number) };
        Ok(Self { text: text.to_owned(), metric: metric.to_owned(), is_change, limit })
    }
}

pub(super) fn metrics() -> impl Iterator<Item = &'static str> {
    LEVELS.into_iter().map(|(name, _)| name).chain([SUCCESS, ATTEMPTS])
}

fn mistake(what: &str) -> Error {
    Error::config(format!(
        "{what}; write p95<=+10%, p95<=800ms, success>=-1pt, success>=99% or attempts.mean<=2.25"
    ))
}

/// A difference in points, or a share in percent.
fn share(bound: &str, is_change: bool) -> Option<f64> {
    let number = if is_change { bound.strip_suffix("pt")? } else { bound.strip_suffix('%')? };
    let least = if is_change { -1.0 } else { 0.0 };
    finite(number).map(|number| number / 100.0).filter(|share| (least..=1.0).contains(share))
}

/// The logarithm of a ratio, or a value.
fn amount(bound: &str, metric: &str, is_change: bool) -> Option<f64> {
    if is_change {
        let ratio = 1.0 + finite(bound.strip_suffix('%')?)? / 100.0;
        return (ratio > 0.0).then(|| ratio.ln());
    }
    if metric == ATTEMPTS {
        return finite(bound);
    }
    UNITS.iter().find_map(|(unit, length)| Some(finite(bound.strip_suffix(unit)?)? * length))
}

/// Units of durations, in milliseconds.
const UNITS: [(&str, f64); 6] =
    [("µs", 0.001), ("us", 0.001), ("ms", 1.0), ("s", 1000.0), ("min", 60_000.0), ("h", 3_600_000.0)];

fn finite(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|number: &f64| number.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_read() {
        for (text, is_change, limit) in [
            ("p95<=+10%", true, Limit::AtMost(1.1_f64.ln())),
            ("median<=-5%", true, Limit::AtMost(0.95_f64.ln())),
            ("p99<=800ms", false, Limit::AtMost(800.0)),
            ("p90<=1.5s", false, Limit::AtMost(1500.0)),
            ("p50 <= 250 µs", false, Limit::AtMost(0.25)),
            ("p99<=2min", false, Limit::AtMost(120_000.0)),
            ("success>=-1pt", true, Limit::AtLeast(-0.01)),
            ("success>=99%", false, Limit::AtLeast(0.99)),
            ("attempts.mean<=2.25", false, Limit::AtMost(2.25)),
            ("attempts.mean<=+5%", true, Limit::AtMost(1.05_f64.ln())),
        ] {
            let gate = GateSpec::parse(text).expect(text);
            assert_eq!((gate.is_change, gate.limit), (is_change, limit), "{text}");
        }
        let [median, p50] = ["median<=1s", "p50<=1s"].map(|text| GateSpec::parse(text).expect(text).metric);
        assert_eq!(median, p50);
    }

    #[test]
    fn a_mistake_is_refused() {
        for text in [
            "p95",
            "p95<10%",
            "p95<=10%",
            "p97<=+10%",
            "success>=-1%",
            "success>=0.99",
            "attempts.p95<=3",
            "p95<=+x%",
            "p95<=-100%",
            "p95<=",
            "p95<=nanms",
            "a<=b>=c",
            "success>=101%",
            "success>=-101pt",
        ] {
            assert!(GateSpec::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_gate_that_holds_for_what_is_worse_is_refused() {
        for (text, instead) in [
            ("p50>=+10%", "write median<=+10%"),
            ("p99 >= 800ms", "write p99<=800ms"),
            ("success<=-1pt", "write success>=-1pt"),
            ("success<=99%", "write success>=99%"),
            ("attempts.mean>=2", "write attempts.mean<=2"),
        ] {
            let error = GateSpec::parse(text).expect_err(text).to_string();
            assert!(error.ends_with(instead), "{error}");
        }
    }
}
