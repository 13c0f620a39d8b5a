//! The positions of values on an axis, and the values that an axis names.

/// An axis between two positions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::report::page) struct Scale {
    lo: f64,
    hi: f64,
    from: f64,
    to: f64,
    is_log: bool,
}

/// A position with its label.
pub(in crate::report::page) type Tick = (f64, String);

impl Scale {
    pub(in crate::report::page) fn linear([lo, hi]: [f64; 2], [from, to]: [f64; 2]) -> Self {
        // Values that are all alike are in the middle of an axis.
        let (lo, hi) = if hi > lo { (lo, hi) } else { (lo - 0.5, lo + 0.5) };
        Self { lo, hi, from, to, is_log: false }
    }

    /// Values must be above zero.
    pub(in crate::report::page) fn log([lo, hi]: [f64; 2], [from, to]: [f64; 2]) -> Self {
        let lo = lo.max(1e-6);
        let hi = if hi > lo { hi } else { lo };
        let (lo, hi) = if hi / lo > 1.01 { (lo, hi) } else { (lo / 1.5, hi * 1.5) };
        Self { lo: lo.log10(), hi: hi.log10(), from, to, is_log: true }
    }

    pub(in crate::report::page) fn at(&self, value: f64) -> f64 {
        let value = if self.is_log { value.max(1e-300).log10() } else { value };
        let share = ((value - self.lo) / (self.hi - self.lo)).clamp(0.0, 1.0);
        self.from + share * (self.to - self.from)
    }

    /// Both ends of the axis.
    pub(super) fn ends(&self) -> [f64; 2] {
        [self.lo, self.hi]
    }

    /// On a logarithmic axis, with ends of two digits, which have room for a label.
    pub(in crate::report::page) fn log_outward([lo, hi]: [f64; 2], ends: [f64; 2]) -> (Self, [f64; 2]) {
        let digits = |value: f64, round: fn(f64) -> f64| {
            let unit = 10_f64.powf(value.log10().floor() - 1.0);
            round((value / unit * 1e9).round() / 1e9) * unit
        };
        let edges = [digits(lo, f64::floor), digits(hi, f64::ceil)];
        (Self::log(edges, ends), edges)
    }

    /// At most about `most` values, evenly spaced: multiples of 1, 2 or 5 times a power of ten.
    pub(in crate::report::page) fn nice(&self, most: usize) -> Vec<f64> {
        if self.is_log {
            return self.nice_log(most);
        }
        let rough = (self.hi - self.lo) / most.max(1) as f64;
        let power = 10_f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power);
        let step = step.into_iter().find(|step| *step >= rough * 0.999).unwrap_or(10.0 * power);
        let (first, last) = ((self.lo / step - 1e-9).ceil() as i64, (self.hi / step + 1e-9).floor() as i64);
        (first..=last).map(|number| number as f64 * step).collect()
    }

    /// Powers of ten; with 2 and 5 times them if there is room, or every second, third … if there is not.
    fn nice_log(&self, most: usize) -> Vec<f64> {
        let powers = (self.lo - 1e-9).floor() as i32..=(self.hi + 1e-9).ceil() as i32;
        let within = |value: &f64| {
            let value = value.log10();
            value >= self.lo - 1e-9 && value <= self.hi + 1e-9
        };
        for factors in [&[1.0, 2.0, 5.0][..], &[1.0, 3.0], &[1.0]] {
            let each = powers.clone().flat_map(|power| factors.iter().map(move |f| f * 10_f64.powi(power)));
            let values: Vec<f64> = each.filter(within).collect();
            if values.len() <= most {
                return values;
            }
        }
        let every = powers.clone().count().div_ceil(most.max(1));
        powers.step_by(every).map(|power| 10_f64.powi(power)).filter(within).collect()
    }
}

/// The label of a duration in milliseconds on an axis.
pub(in crate::report::page) fn duration_label(milliseconds: f64) -> String {
    let (value, unit) = match milliseconds {
        ms if ms < 0.999_999 && ms > 0.0 => (ms * 1e3, "µs"),
        ms if ms < 999.999 => (ms, "ms"),
        ms if ms < 99_999.9 => (ms / 1e3, "s"),
        ms if ms < 3_600_000.0 => (ms / 6e4, "min"),
        ms => (ms / 3.6e6, "h"),
    };
    // One digit has room beside an axis.
    if value >= 1e6 || (value < 1e-3 && value > 0.0) {
        return format!("{value:.0e} {unit}");
    }
    // Ten digits drop what binary fractions add.
    let rounded = (value * 1e3).round() / 1e3;
    format!("{rounded} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_has_its_place() {
        let linear = Scale::linear([0.0, 50.0], [100.0, 0.0]);
        assert_eq!([0.0, 25.0, 50.0, 99.0].map(|value| linear.at(value)), [100.0, 50.0, 0.0, 0.0]);
        let log = Scale::log([1.0, 100.0], [0.0, 10.0]);
        assert_eq!([1.0, 10.0, 100.0, 0.0, -5.0].map(|value| log.at(value)), [0.0, 5.0, 10.0, 0.0, 0.0]);
        // One value alone.
        assert_eq!(Scale::linear([7.0, 7.0], [0.0, 10.0]).at(7.0), 5.0);
        assert!((Scale::log([7.0, 7.0], [0.0, 10.0]).at(7.0) - 5.0).abs() < 1e-9);
    }

    #[test]
    fn ticks_are_nice_numbers() {
        let linear = |lo, hi| Scale::linear([lo, hi], [0.0, 1.0]).nice(5);
        assert_eq!(linear(0.0, 50.0), [0.0, 10.0, 20.0, 30.0, 40.0, 50.0]);
        assert_eq!(linear(0.0, 7.3), [0.0, 2.0, 4.0, 6.0]);
        assert_eq!(linear(-0.4, 0.4), [-0.4, -0.2, 0.0, 0.2, 0.4]);
        let log = |lo, hi| Scale::log([lo, hi], [0.0, 1.0]).nice(6);
        assert_eq!(log(1.0, 100.0), [1.0, 3.0, 10.0, 30.0, 100.0]);
        assert_eq!(log(12.0, 90.0), [20.0, 50.0]);
        assert_eq!(log(1e-3, 1e6).len(), 5);
        let wide = log(1e-6, 1e12);
        assert!(wide.len() <= 6 && wide.len() >= 3, "{wide:?}");
    }

    #[test]
    fn a_duration_is_named_in_its_unit() {
        let labels = [0.05, 1.0, 300.0, 1000.0, 30_000.0, 120_000.0, 7_200_000.0].map(duration_label);
        assert_eq!(labels, ["50 µs", "1 ms", "300 ms", "1 s", "30 s", "2 min", "2 h"]);
        assert_eq!([1e308, 7.2e12, 1e-9].map(duration_label), ["3e301 h", "2e6 h", "1e-6 µs"]);
    }
}
