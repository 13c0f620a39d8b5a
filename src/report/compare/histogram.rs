//! Durations in a file: a histogram of microseconds with three significant digits, in HdrHistogram's compressed form.

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
const MICROSECONDS: f64 = 1000.0;

pub(super) fn serialize<S: Serializer>(ranked: &Arc<Ranked>, serializer: S) -> Result<S::Ok, S::Error> {
    let mut histogram = Histogram::<u64>::new(DIGITS).map_err(S::Error::custom)?;
    for (value, count) in ranked.counts() {
        histogram.record_n((value * MICROSECONDS).round() as u64, count).map_err(S::Error::custom)?;
    }
    let mut bytes = Vec::new();
    V2DeflateSerializer::new().serialize(&histogram, &mut bytes).map_err(S::Error::custom)?;
    STANDARD.encode(bytes).serialize(serializer)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<Ranked>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let bytes = STANDARD.decode(text).map_err(D::Error::custom)?;
    let histogram: Histogram<u64> = Reader::new()
        .deserialize(&mut bytes.as_slice())
        .map_err(|error| D::Error::custom(format!("{error:?}")))?;
    let value = |value| histogram.median_equivalent(value) as f64 / MICROSECONDS;
    let counts = histogram
        .iter_recorded()
        .map(|step| (value(step.value_iterated_to()), step.count_since_last_iteration()));
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
}
