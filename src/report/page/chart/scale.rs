//! Where a value is on an axis, and which values an axis names.

use std::time::SystemTime;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

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
    if milliseconds.abs() >= 1e12 {
        return format!("{:.2e} h", milliseconds / 3.6e6);
    }
    let (value, unit) = match milliseconds {
        ms if ms < 0.999_999 && ms > 0.0 => (ms * 1e3, "µs"),
        ms if ms < 999.999 => (ms, "ms"),
        ms if ms < 99_999.9 => (ms / 1e3, "s"),
        ms if ms < 3_600_000.0 => (ms / 6e4, "min"),
        ms => (ms / 3.6e6, "h"),
    };
    // Ten digits drop what binary fractions add.
    let rounded = (value * 1e3).round() / 1e3;
    format!("{rounded} {unit}")
}

/// The steps of an axis of time, in seconds. The script has the same.
const STEPS: [i64; 24] = [
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400,
    172_800, 259_200, 604_800, 1_209_600, 2_419_200, 7_257_600,
];

/// Moments in UTC between two seconds since 1970: at most `most`, with the date where a day begins.
pub(in crate::report::page) fn time_ticks(scale: &Scale, most: usize) -> Vec<Tick> {
    let enough = |step: &&i64| (scale.hi - scale.lo) / **step as f64 <= most as f64;
    let Some(step) = STEPS.iter().find(enough).copied() else { return year_ticks(scale, most) };
    let (first, last) = ((scale.lo / step as f64).ceil() as i64, (scale.hi / step as f64).floor() as i64);
    let moments = (first..=last).map(|number| number * step);
    moments.map(|second| (scale.at(second as f64), moment_label(second, step))).collect()
}

/// The first days of years.
fn year_ticks(scale: &Scale, most: usize) -> Vec<Tick> {
    let year = |second: f64| Some(Timestamp::from_second(second as i64).ok()?.to_zoned(TimeZone::UTC).year());
    let (Some(first), Some(last)) = (year(scale.lo), year(scale.hi)) else { return Vec::new() };
    let every = usize::from(last.abs_diff(first)).div_ceil(most.max(1)).max(1) as i16;
    let tick = |year: i16| {
        let begin = Date::new(year, 1, 1).ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp().as_second();
        Some((scale.at(begin as f64), year.to_string()))
    };
    (first + 1..=last).filter(|year| year.rem_euclid(every) == 0).filter_map(tick).collect()
}

fn moment_label(second: i64, step: i64) -> String {
    let Ok(moment) = Timestamp::from_second(second) else { return String::new() };
    let format = match () {
        () if step >= 2_419_200 => "%Y-%m-%d",
        () if second.rem_euclid(86_400) == 0 => "%b %-d",
        () if step < 60 => "%H:%M:%S",
        () => "%H:%M",
    };
    moment.strftime(format).to_string()
}

/// Seconds since 1970.
pub(in crate::report::page) fn seconds(moment: Option<SystemTime>) -> Option<f64> {
    let moment = Timestamp::try_from(moment?).ok()?;
    Some(moment.as_microsecond() as f64 / 1e6)
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
        assert_eq!(duration_label(1e308), "2.78e301 h");
    }

    #[test]
    fn ticks_of_time_are_whole_steps_and_name_the_day() {
        // 2026-11-28T22:10:00Z and three hours later.
        let scale = Scale::linear([1_795_903_800.0, 1_795_914_600.0], [0.0, 300.0]);
        let ticks = time_ticks(&scale, 4);
        let labels: Vec<_> = ticks.iter().map(|(_, label)| label.as_str()).collect();
        assert_eq!(labels, ["23:00", "Nov 29", "01:00"]);
        assert!((ticks[0].0 - 300.0 * 50.0 / 180.0).abs() < 1e-9);
        let short = Scale::linear([1_795_903_800.0, 1_795_903_803.0], [0.0, 300.0]);
        assert_eq!(time_ticks(&short, 5)[0].1, "22:10:00");
        let labels = |last: f64| -> Vec<String> {
            let scale = Scale::linear([1_795_903_800.0 - last, 1_795_903_800.0], [0.0, 300.0]);
            time_ticks(&scale, 5).into_iter().map(|(_, label)| label).collect()
        };
        assert_eq!(labels(365.0 * 86_400.0)[0], "2026-02-12");
        assert_eq!(labels(1_795_903_800.0), ["1980", "1992", "2004", "2016"]);
        assert_eq!(labels(3.0 * 365.0 * 86_400.0), ["2024", "2025", "2026"]);
    }
}
