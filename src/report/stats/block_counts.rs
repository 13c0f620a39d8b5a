//! How many values of each size every block has: the variances of quantiles, from one pass over any number of values.

use std::collections::BTreeMap;

use super::blocks::{TimeBlocks, UNIT_BLOCKS, Variance, Variances};
use super::sizes::Sizes;
use super::times::{DAY, TIME_BLOCKS, Times};

/// Up to this number, values are kept one by one, in four bytes each; then as one row of counts for each size.
const MOST_SINGLE: usize = 65_536;

const UNITS: usize = UNIT_BLOCKS as usize;

/// Values of one figure by size and block. Sizes within 3 % count as one, so memory has a bound: about 0.2 MB for values
/// within a factor of 1,000.
#[derive(Clone, Debug, Default)]
pub(crate) struct BlockCounts {
    times: Times,
    single: Vec<PackedBlock>,
    /// By unit, then by time.
    sizes: Sizes<{ UNITS + TIME_BLOCKS }>,
    n: u64,
}

/// The size, the unit and the place of the block of time.
#[derive(Clone, Copy, Debug)]
struct PackedBlock(u32);

impl PackedBlock {
    fn new(size: u16, unit: usize, time: usize) -> Self {
        Self(u32::from(size) << 12 | (unit as u32) << 6 | time as u32)
    }

    fn parts(self) -> (u16, usize, usize) {
        ((self.0 >> 12) as u16, (self.0 >> 6) as usize % UNITS, self.0 as usize % TIME_BLOCKS)
    }
}

/// The exponent and five bits of the fraction. Values that are not above zero have one size.
fn size(value: f64) -> u16 {
    if value > 0.0 { (value.to_bits() >> 47) as u16 } else { 0 }
}

impl BlockCounts {
    /// `at` is in microseconds since 1970.
    pub(crate) fn add(&mut self, value: f64, at: i64, unit: u8) {
        let time = self.place(at);
        self.n += 1;
        self.count(size(value), usize::from(unit) % UNITS, time);
    }

    /// The place of the block of time.
    pub(crate) fn place(&mut self, at: i64) -> usize {
        loop {
            match self.times.place(at) {
                Some(place) => return place,
                None => self.lengthen(self.times.step + 1),
            }
        }
    }

    fn count(&mut self, size: u16, unit: usize, time: usize) {
        if self.sizes.is_empty() {
            self.single.push(PackedBlock::new(size, unit, time));
            if self.single.len() == MOST_SINGLE {
                let single = std::mem::take(&mut self.single);
                single.into_iter().map(PackedBlock::parts).for_each(|(size, unit, time)| {
                    self.tally(size, unit, time, 1);
                });
            }
        } else {
            self.tally(size, unit, time, 1);
        }
    }

    fn tally(&mut self, size: u16, unit: usize, time: usize, count: u32) {
        let counts = self.sizes.counts(size);
        counts[unit] = counts[unit].saturating_add(count);
        counts[UNITS + time] = counts[UNITS + time].saturating_add(count);
    }

    /// How many values each size and unit have.
    #[cfg(feature = "postgres")]
    pub(crate) fn by_unit(&self) -> BTreeMap<(u16, u8), u32> {
        let mut counts = BTreeMap::new();
        for (size, unit, _) in self.single.iter().copied().map(PackedBlock::parts) {
            *counts.entry((size, unit as u8)).or_default() += 1;
        }
        for (size, row) in self.sizes.iter() {
            let units = row.iter().take(UNITS).zip(0..).filter(|(count, _)| **count > 0);
            units.for_each(|(count, unit)| *counts.entry((size, unit)).or_default() += count);
        }
        counts
    }

    /// Adds values of one size and unit. `time` is from [`BlockCounts::place`], and no other place was asked for since.
    #[cfg(feature = "postgres")]
    pub(crate) fn add_counted(&mut self, (size, unit): (u16, u8), time: usize, count: u32) {
        let unit = usize::from(unit) % UNITS;
        self.n += u64::from(count);
        let mut left = count;
        while left > 0 && self.sizes.is_empty() {
            self.count(size, unit, time);
            left -= 1;
        }
        if left > 0 {
            self.tally(size, unit, time, left);
        }
    }

    pub(crate) fn extend(&mut self, other: &Self) {
        let step = self.times.common_step(&other.times);
        self.lengthen(step);
        let places: Vec<usize> =
            other.times.labels_at(step).map(|label| self.times.place_of(label)).collect();
        self.n += other.n;
        for (size, unit, time) in other.single.iter().copied().map(PackedBlock::parts) {
            self.count(size, unit, places[time]);
        }
        if other.sizes.is_empty() {
            return;
        }
        for (size, unit, time) in std::mem::take(&mut self.single).into_iter().map(PackedBlock::parts) {
            self.tally(size, unit, time, 1);
        }
        for (size, others) in other.sizes.iter() {
            let own = self.sizes.counts(size);
            let (units, times) = others.split_at(UNITS);
            own.iter_mut().zip(units).for_each(|(own, other)| *own = own.saturating_add(*other));
            for (place, other) in places.iter().zip(times) {
                own[UNITS + place] = own[UNITS + place].saturating_add(*other);
            }
        }
    }

    /// Makes the blocks of time longer.
    fn lengthen(&mut self, step: u32) {
        if step <= self.times.step {
            return;
        }
        let places = self.times.lengthen(step);
        for packed in &mut self.single {
            let (size, unit, time) = packed.parts();
            *packed = PackedBlock::new(size, unit, places[time]);
        }
        for counts in self.sizes.iter_mut() {
            let mut times = [0; TIME_BLOCKS];
            for (place, count) in places.iter().zip(&counts[UNITS..]) {
                times[*place] += count;
            }
            counts[UNITS..].copy_from_slice(&times);
        }
    }

    /// How many values there are.
    pub(crate) fn n(&self) -> u64 {
        self.n
    }

    /// Days, if there are enough of them; else equal parts of the time.
    pub(crate) fn time_blocks(&self) -> TimeBlocks {
        let first = self.times.begins().min().unwrap_or_default();
        let mut days: Vec<_> = self.times.begins().map(|begin| (begin - first) / DAY).collect();
        days.sort_unstable();
        days.dedup();
        if days.len() >= TimeBlocks::Days.least() as usize { TimeBlocks::Days } else { TimeBlocks::Parts }
    }

    /// The variances of the share of values up to the quantile `value`, which is `level`.
    pub(crate) fn variances(&self, level: f64, value: f64) -> Variances {
        let (up_to, at, all) = self.sums(size(value));
        let total = |counts: &[f64]| counts.iter().take(UNITS).sum::<f64>();
        let n = total(&all).max(1.0);
        // Of the size of the quantile, this share is below it.
        let share = ((level * n - total(&up_to)) / total(&at).max(1.0)).clamp(0.0, 1.0);
        let residual = |block: usize| up_to[block] + share * at[block] - level * all[block];
        let units: Vec<f64> = (0..UNITS).map(residual).collect();
        let used = all.iter().take(UNITS).filter(|count| **count > 0.0).count();
        let mut times = BTreeMap::<i64, f64>::new();
        for (place, block) in self.blocks() {
            *times.entry(block).or_default() += residual(UNITS + place);
        }
        let times: Vec<f64> = times.into_values().collect();
        // Values of one size are not told apart: they count as independent.
        let within = share * (1.0 - share) * total(&at) / (n * n);
        let variance = |sums: &[f64], blocks: usize| {
            let Variance { value, blocks } = Variance::of(sums, blocks as u32, n);
            Variance { value: value + within, blocks }
        };
        Variances { units: variance(&units, used), times: variance(&times, times.len()) }
    }

    /// For each block: the values below a size, those of that size, and all.
    fn sums(&self, size: u16) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
        let none = vec![0.0; UNITS + TIME_BLOCKS];
        let (mut below, mut at, mut all) = (none.clone(), none.clone(), none);
        let mut add = |of: u16, block: usize, count: f64| {
            all[block] += count;
            match of.cmp(&size) {
                std::cmp::Ordering::Less => below[block] += count,
                std::cmp::Ordering::Equal => at[block] += count,
                std::cmp::Ordering::Greater => {}
            }
        };
        for (of, unit, time) in self.single.iter().copied().map(PackedBlock::parts) {
            add(of, unit, 1.0);
            add(of, UNITS + time, 1.0);
        }
        for (of, counts) in self.sizes.iter() {
            counts.iter().enumerate().for_each(|(block, count)| add(of, block, f64::from(*count)));
        }
        (below, at, all)
    }

    /// Each place with the block that it stands for in the end. They are in the order of time, because the last digits of
    /// a sum depend on its order.
    fn blocks(&self) -> Vec<(usize, i64)> {
        let blocks = self.time_blocks();
        let begins: Vec<i64> = self.times.begins().collect();
        let first = begins.iter().copied().min().unwrap_or_default();
        let last = begins.iter().copied().max().unwrap_or_default() + self.times.length() - 1;
        let micros = |seconds: i64| seconds.saturating_mul(1_000_000);
        let mut places: Vec<_> = (0..begins.len()).collect();
        places.sort_unstable_by_key(|place| begins[*place]);
        let block = |place: usize| blocks.block(micros(begins[place]), micros(first), micros(last));
        places.into_iter().map(|place| (place, block(place))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::blocks::{Measurement, TimeAndUnit};
    use super::super::quantile::Ranked;
    use super::*;

    const SECOND: i64 = 1_000_000;
    const LEVELS: [f64; 3] = [0.5, 0.95, 0.99];

    /// Values over some days, of which every other is slower, and of units that differ.
    fn sample(n: i64, days: i64) -> Vec<Measurement> {
        let each = |i: i64| {
            let (unit, day) = ((i * 31 % 64) as u8, i * days / n);
            let value = (1.0 + (i * 7919 % 1009) as f64)
                * f64::from(50 + unit)
                * if day % 2 == 0 { 1.2 } else { 1.0 };
            Measurement { value, place: TimeAndUnit::new(i * days * DAY * SECOND / n, unit) }
        };
        (0..n).map(each).collect()
    }

    fn counted(sample: &[Measurement]) -> BlockCounts {
        let mut counts = BlockCounts::default();
        sample.iter().for_each(|one| counts.add(one.value, one.place.at(), one.place.unit()));
        counts
    }

    /// The same from the values one by one.
    fn exact(sample: &[Measurement], level: f64) -> (f64, Variances) {
        let values = sample.iter().map(|one| one.value).collect();
        let value = Ranked::new(values).quantile(level).expect("values");
        let residual = |other: f64| f64::from(u8::from(other <= value)) - level;
        (value, Variances::of(sample, TimeBlocks::Days, residual))
    }

    #[track_caller]
    fn near(one: Variance, other: Variance) {
        near_to(one, other, 0.1);
    }

    #[track_caller]
    fn near_to(one: Variance, other: Variance, by: f64) {
        assert_eq!(one.blocks, other.blocks);
        assert!((one.value / other.value - 1.0).abs() < by, "{one:?} is not {other:?}");
    }

    #[test]
    fn counts_have_the_variances_of_the_values() {
        for (n, days) in [(2000, 14), (200_000, 14), (20_000, 63)] {
            let sample = sample(n, days);
            let counts = counted(&sample);
            assert_eq!((counts.n(), counts.time_blocks()), (n as u64, TimeBlocks::Days));
            for level in LEVELS {
                let (value, exact) = exact(&sample, level);
                let variances = counts.variances(level, value);
                near(variances.units, exact.units);
                near(variances.times, exact.times);
            }
        }
    }

    #[test]
    fn parts_put_together_are_the_whole() {
        for n in [3000, 200_000] {
            let sample = sample(n, 14);
            let whole = counted(&sample);
            let mut parts = BlockCounts::default();
            // The first part has shorter blocks of time than the others.
            for part in [&sample[..10], &sample[10..n as usize / 3], &sample[n as usize / 3..]] {
                parts.extend(&counted(part));
            }
            assert_eq!(parts.n(), whole.n());
            assert_eq!(parts.variances(0.95, 50_000.0), whole.variances(0.95, 50_000.0));
        }
    }

    #[cfg(feature = "postgres")]
    #[test]
    fn counts_by_unit_and_time_are_the_values_again() {
        for n in [3000, 200_000] {
            let sample = sample(n, 14);
            let whole = counted(&sample);
            let mut back = BlockCounts::default();
            let hour_of = |one: &Measurement| one.place.at() / (3600 * SECOND);
            for hour in sample.chunk_by(|one, next| hour_of(one) == hour_of(next)) {
                let time = back.place(hour[0].place.at());
                for (place, count) in counted(hour).by_unit() {
                    back.add_counted(place, time, count);
                }
            }
            assert_eq!((back.n(), back.time_blocks()), (whole.n(), whole.time_blocks()));
            for level in LEVELS {
                let (value, _) = exact(&sample, level);
                let (back, whole) = (back.variances(level, value), whole.variances(level, value));
                // Only the order of the sums differs.
                near_to(back.units, whole.units, 1e-9);
                near_to(back.times, whole.times, 1e-9);
            }
        }
    }

    #[test]
    fn a_short_time_has_eight_parts_and_a_long_one_longer_blocks() {
        let over = |seconds: i64| {
            let each = |i: i64| Measurement {
                value: 1.0,
                place: TimeAndUnit::new(i * seconds * SECOND / 5000, (i % 64) as u8),
            };
            let counts = counted(&(0..5000).map(each).collect::<Vec<_>>());
            (counts.time_blocks(), counts.variances(0.5, 1.0).times.blocks)
        };
        for seconds in [60, 3600, 80_000, 5 * DAY] {
            assert_eq!(over(seconds), (TimeBlocks::Parts, 8), "{seconds} s");
        }
        assert_eq!(over(6 * DAY), (TimeBlocks::Days, 6));
        let (blocks, count) = over(3 * 365 * DAY);
        assert!(blocks == TimeBlocks::Days && (32..=64).contains(&count), "{count}");
    }

    #[test]
    fn a_time_far_away_costs_one_block() {
        let mut sample = sample(4000, 20);
        sample[0].place = TimeAndUnit::new(-30_000_000_000 * SECOND, 0);
        let counts = counted(&sample);
        assert!(counts.variances(0.5, 1.0).times.blocks >= 6, "{:?}", counts.times);
    }

    #[test]
    fn memory_has_a_bound() {
        let counts = counted(&sample(300_000, 30));
        assert!(counts.single.is_empty() && counts.sizes.iter().count() < 500, "{counts:?}");
    }
}
