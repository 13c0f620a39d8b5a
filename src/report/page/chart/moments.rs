//! The labels of an axis of time, in UTC. The script has the same.

use std::time::SystemTime;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::Offset;

use super::has_room_beside;
use super::scale::{Scale, Tick};

const DAY: i64 = 86_400;
/// In seconds.
const STEPS: [i64; 23] = [
    1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200, 86_400,
    172_800, 259_200, 432_000, 604_800, 1_209_600,
];
/// Longer ones, in months.
const MONTHS: [i64; 16] =
    [1, 2, 3, 6, 12, 24, 60, 120, 240, 600, 1_200, 2_400, 6_000, 12_000, 30_000, 60_000];

/// Between two seconds since 1970: at most `most` and one more, with the date where a day begins and the year where a reader
/// needs it.
pub(in crate::report::page) fn time_ticks(scale: &Scale, most: usize) -> Vec<Tick> {
    let [lo, hi] = scale.ends();
    let enough = |step: &&i64| (hi - lo) / **step as f64 <= most as f64;
    let moments = match STEPS.iter().find(enough) {
        Some(step) => each_step(lo, hi, *step),
        None => {
            let enough = |months: &&i64| enough(&&(**months * 28 * DAY));
            each_month(lo, hi, MONTHS.iter().find(enough).copied().unwrap_or(60_000))
        }
    };
    let mut ticks: Vec<Tick> = Vec::new();
    for (second, label) in moments {
        let tick = (scale.at(second as f64), label);
        if ticks.last().is_none_or(|last| has_room_beside(last, &tick)) {
            ticks.push(tick);
        }
    }
    ticks
}

/// On an axis of several years, the first date of each year shows the year.
fn each_step(lo: f64, hi: f64, step: i64) -> Vec<(i64, String)> {
    let [first, last] = [lo, hi].map(|second| label(second.floor() as i64, "%Y"));
    let mut year = if first == last { first } else { None };
    let numbers = (lo / step as f64).ceil() as i64..=(hi / step as f64).floor() as i64;
    let each = numbers.filter_map(|number| {
        let second = number * step;
        let format = match () {
            () if second.rem_euclid(DAY) == 0 => {
                let own = label(second, "%Y");
                let is_new = own != year;
                year = own;
                if is_new { "%b %-d %Y" } else { "%b %-d" }
            }
            () if step < 60 => "%H:%M:%S",
            () => "%H:%M",
        };
        Some((second, label(second, format)?))
    });
    each.collect()
}

fn each_month(lo: f64, hi: f64, step: i64) -> Vec<(i64, String)> {
    let month = |second: f64| {
        let date = Offset::UTC.to_datetime(Timestamp::from_second(second as i64).ok()?);
        Some(i64::from(date.year()) * 12 + i64::from(date.month()) - 1)
    };
    let (Some(first), Some(last)) = (month(lo), month(hi)) else { return Vec::new() };
    let format = if step < 12 { "%b %Y" } else { "%Y" };
    let each = (first.div_euclid(step)..=last.div_euclid(step)).filter_map(|number| {
        let month = number * step;
        let [year, month] = [month.div_euclid(12), month.rem_euclid(12) + 1];
        let date = Date::new(year.try_into().ok()?, month.try_into().ok()?, 1).ok()?;
        let second =
            Offset::UTC.to_timestamp(date.to_datetime(jiff::civil::Time::midnight())).ok()?.as_second();
        Some((second, label(second, format)?)).filter(|_| second as f64 >= lo)
    });
    each.collect()
}

fn label(second: i64, format: &str) -> Option<String> {
    Some(Timestamp::from_second(second).ok()?.strftime(format).to_string())
}

/// Seconds since 1970.
pub(in crate::report::page) fn seconds(moment: Option<SystemTime>) -> Option<f64> {
    let moment = Timestamp::try_from(moment?).ok()?;
    Some(moment.as_microsecond() as f64 / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(from: &str, to: &str) -> Vec<String> {
        let second = |text: &str| text.parse::<Timestamp>().expect("a moment").as_second() as f64;
        let scale = Scale::linear([second(from), second(to)], [0.0, super::super::PLOT]);
        let ticks = time_ticks(&scale, 5);
        for two in ticks.windows(2) {
            assert!(has_room_beside(&two[0], &two[1]), "{from} to {to}: {two:?}");
        }
        ticks.into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn ticks_of_time_are_whole_steps_and_name_the_day() {
        assert_eq!(labels("2026-11-28T22:10:00Z", "2026-11-29T01:50:00Z"), ["23:00", "Nov 29", "01:00"]);
        assert_eq!(labels("2026-11-28T22:10:00Z", "2026-11-28T22:10:03Z")[0], "22:10:00");
        // 2026-11-28T22:10:00Z and three hours later.
        let scale = Scale::linear([1_795_903_800.0, 1_795_914_600.0], [0.0, 300.0]);
        assert!((time_ticks(&scale, 4)[0].0 - 300.0 * 50.0 / 180.0).abs() < 1e-9);
    }

    #[test]
    fn an_axis_of_several_years_names_them() {
        let year = labels("2025-11-29T00:00:00Z", "2026-11-29T00:00:00Z");
        assert_eq!(year, ["Jan 2026", "Apr 2026", "Jul 2026", "Oct 2026"]);
        let turn = labels("2025-12-20T00:00:00Z", "2026-01-10T00:00:00Z");
        assert_eq!(turn, ["Dec 23 2025", "Dec 28", "Jan 2 2026", "Jan 7"]);
        assert_eq!(
            labels("2026-05-20T00:00:00Z", "2026-06-10T00:00:00Z"),
            ["May 22", "May 27", "Jun 1", "Jun 6"]
        );
        assert_eq!(labels("1970-01-01T00:00:00Z", "2026-11-29T00:00:00Z"), ["1980", "2000", "2020"]);
        let all = labels("0001-01-01T00:00:00Z", "9999-12-30T00:00:00Z");
        assert_eq!(all, ["2500", "5000", "7500"]);
    }

    /// A window of any length has some labels, and they do not touch.
    #[test]
    fn an_axis_of_any_length_has_a_few_labels() {
        for begin in ["1970-01-01T00:00:00Z", "2025-12-28T13:14:15Z", "2026-02-27T00:00:00Z"] {
            let from = begin.parse::<Timestamp>().expect("a moment");
            let mut length = 3;
            while length < 7_000 * 366 * DAY {
                let to = Timestamp::from_second(from.as_second() + length).expect("a moment");
                let count = labels(begin, &to.to_string()).len();
                assert!((1..=6).contains(&count), "{count} labels from {begin} to {to}");
                length += length / 3;
            }
        }
    }
}
