//! Durations in a file, with three significant digits: a histogram of nanoseconds in HdrHistogram's compressed form, and the
//! values that it cannot hold.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer as Reader, Serializer as _, V2DeflateSerializer};
use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::report::stats::quantile::Ranked;

const DIGITS: u8 = 3;
/// In a millisecond.
const NANOSECONDS: f64 = 1e6;
const MICROSECONDS: f64 = 1e3;

/// From a microsecond to thirty years. A histogram of nanoseconds keeps three digits of a microsecond. Rows may have any number.
const HELD: std::ops::Range<f64> = 1e-3..1e12;

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum SavedDurations {
    /// A histogram of whole microseconds, in files that do not keep their keys.
    Microseconds(String),
    Nanoseconds {
        nanoseconds: String,
        /// Such as `-5e0:2 3.04e-4:17`: milliseconds and their count.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        other_milliseconds: String,
    },
}

pub(super) fn serialize<S: Serializer>(ranked: &Arc<Ranked>, serializer: S) -> Result<S::Ok, S::Error> {
    let mut histogram = Histogram::<u64>::new(DIGITS).map_err(S::Error::custom)?;
    let mut others = Vec::<(f64, u64)>::new();
    for (value, count) in ranked.counts() {
        if value == 0.0 || HELD.contains(&value) {
            let nanoseconds = (value * NANOSECONDS).round() as u64;
            histogram.record_n(nanoseconds, count).map_err(S::Error::custom)?;
        } else {
            let value = three_digits(value);
            match others.last_mut().filter(|(last, _)| *last == value) {
                Some((_, sum)) => *sum += count,
                None => others.push((value, count)),
            }
        }
    }
    let mut bytes = Vec::new();
    V2DeflateSerializer::new().serialize(&histogram, &mut bytes).map_err(S::Error::custom)?;
    let others: Vec<_> = others.iter().map(|(value, count)| format!("{value:e}:{count}")).collect();
    let (nanoseconds, other_milliseconds) = (STANDARD.encode(bytes), others.join(" "));
    SavedDurations::Nanoseconds { nanoseconds, other_milliseconds }.serialize(serializer)
}

/// The greatest number would be rounded up to infinity.
fn three_digits(value: f64) -> f64 {
    format!("{value:.2e}").parse().ok().filter(|rounded: &f64| rounded.is_finite()).unwrap_or(value)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<Ranked>, D::Error> {
    let (text, others, unit) = match SavedDurations::deserialize(deserializer)? {
        SavedDurations::Microseconds(text) => (text, String::new(), MICROSECONDS),
        SavedDurations::Nanoseconds { nanoseconds, other_milliseconds } => {
            (nanoseconds, other_milliseconds, NANOSECONDS)
        }
    };
    let bytes = STANDARD.decode(text).map_err(D::Error::custom)?;
    let histogram: Histogram<u64> = Reader::new()
        .deserialize(&mut bytes.as_slice())
        .map_err(|error| D::Error::custom(format!("{error:?}")))?;
    let value = |value| histogram.median_equivalent(value) as f64 / unit;
    let mut counts: Vec<(f64, u64)> = histogram
        .iter_recorded()
        .map(|step| (value(step.value_iterated_to()), step.count_since_last_iteration()))
        .collect();
    for part in others.split_whitespace() {
        let other = part.split_once(':').and_then(|(value, count)| {
            let value = value.parse().ok().filter(|value: &f64| value.is_finite())?;
            Some((value, count.parse().ok()?))
        });
        counts.push(other.ok_or_else(|| D::Error::custom("a duration is no number with a count"))?);
    }
    counts.sort_unstable_by(|(one, _), (other, _)| one.total_cmp(other));
    Ok(Arc::new(Ranked::from_counts(counts)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Serialize, Deserialize)]
    struct Saved(#[serde(with = "super")] Arc<Ranked>);

    #[test]
    fn a_saved_quantile_is_within_a_thousandth() {
        let values: Vec<f64> = (0..20_000).map(|i| 0.9 + f64::from(i * 7919 % 20_000) * 1.7).collect();
        let exact = Arc::new(Ranked::new(values));
        let text = serde_json::to_string(&Saved(Arc::clone(&exact))).expect("writable");
        assert!(text.len() < 20_000, "{} bytes", text.len());
        let read: Saved = serde_json::from_str(&text).expect("readable");
        assert_eq!(read.0.len(), 20_000);
        for level in [0.01, 0.5, 0.95, 0.99] {
            let (saved, exact) =
                (read.0.quantile(level).expect("some"), exact.quantile(level).expect("some"));
            assert!((saved / exact - 1.0).abs() < 0.001, "{level}: {saved} for {exact}");
        }
    }
    #[test]
    fn values_of_any_size_are_kept() {
        let values =
            [-1e300, -5.0, -0.0004, 0.0, 1e-300, 0.000_2, 0.000_3, 0.001_4, 0.02, 5.0, 1e13, 1e300, f64::MAX];
        let exact = Arc::new(Ranked::new(values.to_vec()));
        let text = serde_json::to_string(&Saved(Arc::clone(&exact))).expect("writable");
        let read: Saved = serde_json::from_str(&text).expect("readable");
        assert_eq!(read.0.len(), values.len() as u64);
        for ((saved, count), value) in read.0.counts().zip(values) {
            assert!((saved - value).abs() <= value.abs() * 0.001 && count == 1, "{saved} for {value}");
        }
    }
    #[test]
    fn a_histogram_of_microseconds_is_read() {
        let mut histogram = Histogram::<u64>::new(DIGITS).expect("a histogram");
        histogram.record_n(50_000, 7).expect("recorded");
        let mut bytes = Vec::new();
        V2DeflateSerializer::new().serialize(&histogram, &mut bytes).expect("written");
        let read: Saved = serde_json::from_str(&format!("\"{}\"", STANDARD.encode(bytes))).expect("readable");
        let [(value, 7)] = read.0.counts().collect::<Vec<_>>()[..] else { panic!("{:?}", read.0) };
        assert!((value - 50.0).abs() < 0.05, "{value}");
    }
}
