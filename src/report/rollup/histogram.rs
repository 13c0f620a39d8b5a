//! Counts of durations in buckets, each at most 1.6 % wide.
//!
//! HdrHistogram has the same error, and a counter for each bucket that there might be. A year has a hundred thousand
//! histograms of a few values, so here only buckets that hold something take room.

use std::collections::BTreeMap;

use crate::report::samples::{Samples, ordered, value};

/// The middle of a bucket stands for its values, and differs from each by at most this share.
pub(super) const ERROR_BOUND: f64 = 1.0 / 128.0;

/// A bucket has the sign, the exponent and six bits of the mantissa of its values.
const MANTISSA: u32 = 6;
const DROPPED: u32 = f64::MANTISSA_DIGITS - 1 - MANTISSA;
/// The buckets between two powers of two.
const OCTAVE: usize = 1 << MANTISSA;

#[derive(Clone, Debug, Default)]
pub(super) struct Histogram(BTreeMap<u64, [u64; OCTAVE]>);

impl Histogram {
    fn add(&mut self, bucket: u64, count: u64) {
        let octave = self.0.entry(bucket >> MANTISSA).or_insert([0; OCTAVE]);
        if let Some(counter) = octave.get_mut(bucket as usize % OCTAVE) {
            *counter = counter.saturating_add(count);
        }
    }

    /// Adds the contents of [`encode`]; `None` if they are something else.
    pub(super) fn merge(&mut self, mut bytes: &[u8]) -> Option<()> {
        let mut bucket = 0;
        while !bytes.is_empty() {
            bucket = u64::checked_add(bucket, take(&mut bytes)?)?;
            let count = take(&mut bytes)?;
            if bucket >> (u64::BITS - DROPPED) > 0 {
                return None;
            }
            self.add(bucket, count);
        }
        Some(())
    }

    /// The middle of each bucket as often as it counts, and the greatest value as it is.
    pub(super) fn samples(mut self, max: Option<f64>) -> Samples {
        let greatest = max.map(bucket);
        if let Some(counter) = greatest.and_then(|bucket| self.counter(bucket)) {
            *counter = counter.saturating_sub(1);
        }
        let most = max.unwrap_or(f64::INFINITY);
        let buckets = self.0.iter().flat_map(|(octave, counters)| {
            let buckets = counters.iter().zip(octave << MANTISSA..);
            buckets.filter(|(count, _)| **count > 0).map(|(count, bucket)| (middle(bucket), *count))
        });
        let all = buckets.map(|(value, count)| (value.min(most), count)).chain(max.map(|max| (max, 1)));
        Samples::of_counts(all)
    }

    fn counter(&mut self, bucket: u64) -> Option<&mut u64> {
        self.0.get_mut(&(bucket >> MANTISSA))?.get_mut(bucket as usize % OCTAVE)
    }
}

/// Values in ascending order with their counts, in few bytes: the distance of each bucket from the one before, and its count.
pub(super) fn encode(values: impl Iterator<Item = (f64, u64)>) -> Vec<u8> {
    let mut buckets: Vec<(u64, u64)> = Vec::new();
    for (value, count) in values {
        match buckets.last_mut() {
            Some((last, total)) if *last == bucket(value) => *total += count,
            _ => buckets.push((bucket(value), count)),
        }
    }
    let mut bytes = Vec::new();
    let mut before = 0;
    for (bucket, count) in buckets {
        put(&mut bytes, bucket - before);
        put(&mut bytes, count);
        before = bucket;
    }
    bytes
}

/// The sizes and units of durations with their counts, for the intervals.
pub(super) fn encode_units(counts: &BTreeMap<(u16, u8), u32>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut before = 0;
    for ((size, unit), count) in counts {
        let place = u64::from(*size) << 8 | u64::from(*unit);
        put(&mut bytes, place - before);
        put(&mut bytes, u64::from(*count));
        before = place;
    }
    bytes
}

/// Passes the contents of [`encode_units`] to `each`; `None` if they are something else.
pub(super) fn units(mut bytes: &[u8], mut each: impl FnMut((u16, u8), u32)) -> Option<()> {
    let mut place = 0_u64;
    while !bytes.is_empty() {
        place = place.checked_add(take(&mut bytes)?)?;
        let count = u32::try_from(take(&mut bytes)?).ok()?;
        each((u16::try_from(place >> 8).ok()?, place as u8), count);
    }
    Some(())
}

fn bucket(value: f64) -> u64 {
    ordered(value) >> DROPPED
}

fn middle(bucket: u64) -> f64 {
    let middle = value(bucket << DROPPED | 1 << (DROPPED - 1));
    if middle.abs() < f64::MIN_POSITIVE { 0.0 } else { middle }
}

/// Seven bits of the number in each byte, the lowest first. The last byte has the highest bit clear.
fn put(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..u64::BITS).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn through(values: &[f64]) -> Samples {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let mut histogram = Histogram::default();
        for part in sorted.chunks(1000) {
            histogram.merge(&encode(part.iter().map(|value| (*value, 1)))).expect("readable");
        }
        histogram.samples(sorted.last().copied())
    }

    #[test]
    fn every_percentile_is_within_the_bound() {
        let values: Vec<f64> =
            (0..50_000_u32).map(|i| f64::from(i * 7919 % 50_000).powi(3) / 1e6 - 3.0).collect();
        let mut exact = Samples::default();
        values.iter().for_each(|value| exact.take(Some(*value)));
        let (rolled, exact) = (through(&values).into_sorted(), exact.into_sorted());
        assert_eq!(rolled.n(), 50_000);
        assert_eq!(rolled.max(), exact.max());
        for level in 0..=1000 {
            let level = f64::from(level) / 1000.0;
            let (rolled, exact) =
                (rolled.percentile(level).expect("some"), exact.percentile(level).expect("some"));
            assert!(
                (rolled - exact).abs() <= exact.abs() * ERROR_BOUND + 1e-9,
                "{level}: {rolled} for {exact}"
            );
        }
    }

    #[test]
    fn extreme_values_have_a_bucket() {
        let values = [-1e300, -0.5, 0.0, 1e-320, 1e-300, 0.001, 1e300, f64::MAX];
        let rolled: Vec<f64> = through(&values).into_sorted().bars().map(|(value, _)| value).collect();
        assert_eq!(rolled.iter().filter(|value| **value == 0.0).count(), 1, "{rolled:?}");
        for (rolled, exact) in rolled.iter().zip([-1e300, -0.5, 0.0, 1e-300, 0.001, 1e300, f64::MAX]) {
            assert!((rolled - exact).abs() <= exact.abs() * ERROR_BOUND, "{rolled} for {exact}");
        }
    }

    #[test]
    fn units_come_back_with_their_counts() {
        let counts =
            BTreeMap::from([((0, 0), 1), ((0, 63), 300), ((40_000, 5), 2), ((u16::MAX, 63), u32::MAX)]);
        let bytes = encode_units(&counts);
        let mut back = BTreeMap::new();
        units(&bytes, |place, count| _ = back.insert(place, count)).expect("readable");
        assert_eq!(back, counts);
        assert_eq!(units(&bytes[..bytes.len() - 1], |_, _| {}), None);
    }

    #[test]
    fn other_bytes_are_refused() {
        let whole = encode([(1.0, 300), (2.0, 1)].into_iter());
        for bytes in [&whole[..whole.len() - 1], &whole[..1], &[0xff; 11], &[0xff, 0xff, 0xff, 0xff, 1, 1]] {
            assert_eq!(Histogram::default().merge(bytes), None, "{bytes:?}");
        }
    }
}
