//! Numbers and their exact percentiles.

use std::mem;

use super::answer::Spread;
use super::packed::Packed;

/// Numbers, each with how often it came. Memory grows with the numbers that differ.
#[derive(Clone, Debug, Default)]
pub(super) struct Counts {
    packed: Packed,
    fresh: Vec<u64>,
}

/// Fewer fresh numbers are not worth a merge.
const FRESH: usize = 128;
/// Fresh numbers take no more memory than the others.
const FRESH_SHARE: usize = size_of::<u64>();

impl Counts {
    pub(super) fn add(&mut self, number: u64) {
        self.fresh.push(number);
        self.merge_many();
    }

    /// Every number with its count, in ascending order.
    pub(super) fn into_pairs(mut self) -> impl Iterator<Item = (u64, u64)> {
        self.merge();
        self.packed.into_pairs()
    }

    /// How many numbers differ.
    fn distinct(&mut self) -> usize {
        self.merge();
        self.packed.pairs().count()
    }

    fn extend(&mut self, other: &Self) {
        self.fresh.extend_from_slice(&other.fresh);
        self.merge_many();
        if other.packed.pairs().next().is_some() {
            self.packed = merged(&self.packed, other.packed.pairs(), other.packed.size());
        }
    }

    /// A merge takes as long as there are numbers, so it waits until there are many fresh ones.
    fn merge_many(&mut self) {
        if self.fresh.len() >= FRESH.max(self.packed.size() / FRESH_SHARE) {
            self.merge();
        }
    }

    /// Replaces each number by another. The order stays.
    fn replace(&mut self, by: fn(u64) -> u64) {
        for (number, count) in mem::take(self).into_pairs() {
            self.packed.push(by(number), count);
        }
    }

    fn merge(&mut self) {
        let mut fresh = mem::take(&mut self.fresh);
        if !fresh.is_empty() {
            fresh.sort_unstable();
            let size = fresh.len();
            self.packed = merged(&self.packed, fresh.into_iter().map(|number| (number, 1)), size);
        }
    }
}

/// Merges two ascending sequences. `size` is a guess, in bytes.
fn merged(one: &Packed, other: impl Iterator<Item = (u64, u64)>, size: usize) -> Packed {
    let mut merged = Packed::with_capacity(one.size() + size);
    let (mut one, mut other) = (one.pairs().peekable(), other.peekable());
    loop {
        let next = match (one.peek(), other.peek()) {
            (Some(a), Some(b)) if a.0 <= b.0 => one.next(),
            (Some(_), None) => one.next(),
            _ => other.next(),
        };
        let Some((number, count)) = next else { break };
        merged.push(number, count);
    }
    merged.shrink();
    merged
}

/// The values of one figure, exact.
#[derive(Clone, Debug, Default)]
pub(super) struct Samples {
    /// Values with up to three decimals, as the ledger writes durations: near integers take few bytes.
    thousandths: Counts,
    others: Counts,
}

/// The sign bit of a number.
const SIGN: u64 = 1 << 63;
/// Up to here an `f64` holds every integer.
const MOST_THOUSANDTHS: f64 = (1_u64 << f64::MANTISSA_DIGITS) as f64;

impl Samples {
    /// Adds the value, if it is a finite number.
    pub(super) fn take(&mut self, value: Option<f64>) {
        let Some(value) = value.filter(|value| value.is_finite()) else { return };
        match thousandths(value) {
            Some(number) => self.thousandths.add(number),
            None => self.others.add(ordered(value)),
        }
    }

    /// From values, each with how often it came.
    #[cfg(feature = "postgres")]
    pub(super) fn of_counts(values: impl Iterator<Item = (f64, u64)>) -> Self {
        let mut all: Vec<_> = values.filter(|(_, count)| *count > 0).collect();
        all.sort_unstable_by(|(one, _), (other, _)| one.total_cmp(other));
        let mut samples = Self::default();
        for (value, count) in all {
            match thousandths(value) {
                Some(number) => samples.thousandths.packed.push(number, count),
                None => samples.others.packed.push(ordered(value), count),
            }
        }
        samples
    }

    pub(super) fn extend(&mut self, other: &Self) {
        self.thousandths.extend(&other.thousandths);
        self.others.extend(&other.others);
    }

    pub(super) fn into_sorted(mut self) -> Sorted {
        // A vector that grows needs up to three times the memory.
        let most = self.thousandths.distinct() + self.others.distinct();
        let one = self.thousandths.into_pairs().map(|(number, count)| (of_thousandths(number), count));
        let other = self.others.into_pairs().map(|(bits, count)| (value(bits), count));
        let (mut one, mut other) = (one.peekable(), other.peekable());
        let mut end = 0;
        let steps = std::iter::from_fn(|| {
            // No value is in both.
            let is_first = match (one.peek(), other.peek()) {
                (Some(a), Some(b)) => a.0 < b.0,
                (a, _) => a.is_some(),
            };
            let (value, count) = if is_first { one.next() } else { other.next() }?;
            end += count;
            Some((value, end))
        });
        let mut sorted = Vec::with_capacity(most);
        sorted.extend(steps);
        Sorted(sorted)
    }

    pub(super) fn spread(self) -> Spread {
        self.into_sorted().spread()
    }
}

/// A number for a value that is the nearest to a whole number of thousandths. Numbers are in the order of the values.
fn thousandths(value: f64) -> Option<u64> {
    let number = (value * 1000.0).round();
    let is_exact = number.abs() < MOST_THOUSANDTHS && number / 1000.0 == value;
    is_exact.then_some((number as i64).cast_unsigned() ^ SIGN)
}

fn of_thousandths(number: u64) -> f64 {
    (number ^ SIGN).cast_signed() as f64 / 1000.0
}

/// The values of one of many figures. They are rounded once there are more than two thousand.
#[derive(Clone, Debug, Default)]
pub(super) struct FewSamples {
    counts: Counts,
    n: u64,
    max: Option<f64>,
}

const MOST_EXACT: u64 = 2000;
/// Of the 52 bits of a fraction, 7 are kept. Values that have these in common are within 0.4 % of their middle.
const ROUNDED: u64 = 1 << (52 - 7);

impl FewSamples {
    /// Adds the value, if it is a finite number.
    pub(super) fn take(&mut self, value: Option<f64>) {
        let Some(value) = value.filter(|value| value.is_finite()) else { return };
        self.n += 1;
        self.max = Some(self.max.map_or(value, |max| max.max(value)));
        let number = ordered(value);
        self.counts.add(if self.is_rounded() { rounded(number) } else { number });
        if self.n == MOST_EXACT + 1 {
            self.counts.replace(rounded);
        }
    }

    pub(super) fn extend(&mut self, other: &Self) {
        self.n += other.n;
        self.max = other.max.iter().chain(&self.max).copied().reduce(f64::max);
        self.counts.extend(&other.counts);
        if self.is_rounded() {
            self.counts.replace(rounded);
        }
    }

    /// Whether the percentiles are within 0.4 % of the exact ones only. It does not depend on the order of the values.
    pub(super) fn is_rounded(&self) -> bool {
        self.n > MOST_EXACT
    }

    pub(super) fn spread(self) -> Spread {
        let at_most = |value: Option<f64>| Some(value?.min(self.max?));
        let spread = Samples { others: self.counts, ..Samples::default() }.spread();
        Spread {
            median: at_most(spread.median),
            p95: at_most(spread.p95),
            p99: at_most(spread.p99),
            max: self.max,
            ..spread
        }
    }
}

/// The middle of the numbers that begin alike. Those next to zero, which have no exponent, become zero.
fn rounded(ordered: u64) -> u64 {
    if value(ordered).abs() < f64::MIN_POSITIVE {
        return self::ordered(0.0);
    }
    ordered & !(ROUNDED - 1) | (ROUNDED >> 1)
}

/// The bits of a number, in an order in which integers compare as the numbers do.
pub(super) fn ordered(value: f64) -> u64 {
    // Zero has two forms, which are one value.
    let bits = (value + 0.0).to_bits();
    if bits & SIGN == 0 { bits | SIGN } else { !bits }
}

pub(super) fn value(ordered: u64) -> f64 {
    f64::from_bits(if ordered & SIGN == 0 { !ordered } else { ordered & !SIGN })
}

/// Values in ascending order, each with the number of values up to it.
#[derive(Debug)]
pub(super) struct Sorted(Vec<(f64, u64)>);

impl Sorted {
    pub(super) fn n(&self) -> u64 {
        self.0.last().map_or(0, |(_, end)| *end)
    }

    pub(super) fn max(&self) -> Option<f64> {
        self.0.last().map(|(value, _)| *value)
    }

    /// Each value with its count.
    pub(super) fn bars(&self) -> impl Iterator<Item = (f64, u64)> {
        let ends = std::iter::once(0).chain(self.0.iter().map(|(_, end)| *end));
        self.0.iter().zip(ends).map(|((value, end), before)| (*value, end - before))
    }

    pub(super) fn sum(&self) -> f64 {
        self.bars().map(|(value, count)| value * count as f64).sum()
    }

    pub(super) fn mean(&self) -> Option<f64> {
        (self.n() > 0).then(|| self.sum() / self.n() as f64)
    }

    pub(super) fn spread(&self) -> Spread {
        Spread {
            n: self.n(),
            median: self.percentile(0.5),
            p95: self.percentile(0.95),
            p99: self.percentile(0.99),
            max: self.max(),
            interval: None,
        }
    }

    /// As PostgreSQL's [`percentile_cont`]: "a value corresponding to the specified fraction within the ordered
    /// set of aggregated argument values", interpolating linearly between the two values next to it.
    ///
    /// [`percentile_cont`]: https://www.postgresql.org/docs/current/functions-aggregate.html#FUNCTIONS-ORDEREDSET-TABLE
    pub(super) fn percentile(&self, fraction: f64) -> Option<f64> {
        let last = self.n().checked_sub(1)?;
        let position = fraction * last as f64;
        let below = self.at(position.floor() as u64)?;
        let above = self.at(position.ceil() as u64)?;
        Some(below + position.fract() * (above - below))
    }

    fn at(&self, index: u64) -> Option<f64> {
        let step = self.0.partition_point(|(_, end)| *end <= index);
        self.0.get(step).map(|(value, _)| *value)
    }
}

#[cfg(test)]
mod tests;
