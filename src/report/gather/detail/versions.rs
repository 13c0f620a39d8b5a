//! The versions that make the rows, and when one takes over from another.

use std::collections::BTreeMap;
use std::time::SystemTime;

use jiff::Timestamp;

use super::by_time::{ByTime, StepData};
use crate::report::detail::{Deploy, VersionRows};
use crate::report::observe::Observation;

/// More versions of one event type are counted together: a version may be any text.
const MOST_VERSIONS: usize = 200;
const OTHER_VERSIONS: &str = "(other versions)";
/// Finer than the steps of a chart, so that a version that was soon taken back shows.
const MOST_STEPS: i64 = 500;
/// How many times likelier the rows must be with one more change of the mixture of versions than without, as a logarithm. The
/// logarithm of the number of steps adds to it: among more of them, more look like a change by chance.
const LEAST_GAIN: f64 = 2.0;
/// The share of the rows between two changes that the leading version makes at least. Without one, several versions run.
const LEAST_SHARE: f64 = 2.0 / 3.0;

/// The counts so far.
#[derive(Debug, Default)]
pub(super) struct Versions {
    names: BTreeMap<String, usize>,
    steps: ByTime<StepVersions, MOST_STEPS>,
    /// Of rows without a time.
    timeless: BTreeMap<usize, u64>,
}

/// By the number of the version.
type StepVersions = BTreeMap<usize, VersionTally>;

#[derive(Clone, Copy, Debug)]
struct VersionTally {
    calls: u64,
    first: Timestamp,
    last: Timestamp,
}

impl StepData for StepVersions {
    fn include(&mut self, other: &Self) {
        for (version, tally) in other {
            self.entry(*version).and_modify(|own| own.include(tally)).or_insert(*tally);
        }
    }
}

impl VersionTally {
    fn include(&mut self, other: &Self) {
        self.calls += other.calls;
        self.first = self.first.min(other.first);
        self.last = self.last.max(other.last);
    }
}

impl Versions {
    pub(super) fn add(&mut self, row: &Observation<'_>) {
        let Some(version) = row.version() else { return };
        let version = self.number(version);
        match row.moment() {
            None => *self.timeless.entry(version).or_default() += 1,
            Some(moment) => {
                let tally = VersionTally { calls: 1, first: moment, last: moment };
                self.steps.at(moment).include(&BTreeMap::from([(version, tally)]));
            }
        }
    }

    fn number(&mut self, version: &str) -> usize {
        if let Some(number) = self.names.get(version) {
            return *number;
        }
        let next = self.names.len();
        let version = if next < MOST_VERSIONS { version } else { OTHER_VERSIONS };
        *self.names.entry(version.to_owned()).or_insert(next)
    }

    pub(super) fn figures(self) -> (Vec<VersionRows>, Vec<Deploy>) {
        let steps = self.steps.with_rows();
        let mut all = StepVersions::new();
        steps.iter().for_each(|step| all.include(step));
        let rows = self.names.iter().map(|(name, number)| {
            let timed = all.get(number);
            VersionRows {
                version: name.clone(),
                first: timed.map(|tally| SystemTime::from(tally.first)),
                last: timed.map(|tally| SystemTime::from(tally.last)),
                calls: timed.map_or(0, |tally| tally.calls)
                    + self.timeless.get(number).copied().unwrap_or_default(),
            }
        });
        let mut rows: Vec<_> = rows.collect();
        rows.sort_by_key(|version| version.first);
        let name = |number| self.names.iter().find(|(_, own)| **own == number).map(|(name, _)| name.clone());
        let deploy = |(at, [from, to]): (Timestamp, [usize; 2])| {
            Some(Deploy { at: Some(at.into()), from: name(from)?, to: name(to)? })
        };
        (rows, changes(&steps).into_iter().filter_map(deploy).collect())
    }
}

/// The moments at which another version leads, with the one before and the one after.
fn changes(steps: &[StepVersions]) -> Vec<(Timestamp, [usize; 2])> {
    let mut changes = Vec::new();
    let mut leading = None;
    for (begin, end) in parts(steps) {
        let Some(version) = leader(&steps[begin..end]) else { continue };
        if let Some(before) = leading.filter(|before| *before != version) {
            changes.extend(moment(steps, begin, [before, version]).map(|at| (at, [before, version])));
        }
        leading = Some(version);
    }
    changes
}

/// The version that makes most of the rows.
fn leader(steps: &[StepVersions]) -> Option<usize> {
    let mut sums = BTreeMap::<usize, u64>::new();
    for (version, tally) in steps.iter().flatten() {
        *sums.entry(*version).or_default() += tally.calls;
    }
    let all: u64 = sums.values().sum();
    let (version, most) = sums.into_iter().max_by_key(|(_, calls)| *calls)?;
    (most as f64 >= LEAST_SHARE * all as f64).then_some(version)
}

/// When a version took over that leads from this step on: it often begins within the step before.
fn moment(steps: &[StepVersions], at: usize, [from, to]: [usize; 2]) -> Option<Timestamp> {
    let of = |back: usize, version: usize| steps.get(at.checked_sub(back)?)?.get(&version);
    match of(1, to) {
        Some(before) if of(2, to).is_none() => Some(before.first),
        Some(_) if of(0, from).is_none() => of(1, from).map(|tally| tally.last),
        _ => of(0, to).map(|tally| tally.first),
    }
}

/// Divides the steps where the mixture of versions changes, so that hosts with different versions make no change: the parts
/// with the least entropy, where each part costs as much as [`LEAST_GAIN`] says.
fn parts(steps: &[StepVersions]) -> Vec<(usize, usize)> {
    let cost_of_part = LEAST_GAIN + (steps.len().max(1) as f64).ln();
    // For each number of steps: the least cost, and where its last part begins.
    let mut best: Vec<(f64, usize)> = vec![(0.0, 0)];
    for end in 1..=steps.len() {
        let mut mixture = Mixture::default();
        let mut least = (f64::INFINITY, 0);
        for begin in (0..end).rev() {
            mixture.add(&steps[begin]);
            let cost = best[begin].0 + mixture.entropy() + cost_of_part;
            // Of parts with the same cost the longest counts, whatever the rounding.
            if cost <= least.0 + 1e-9 {
                least = (cost, begin);
            }
        }
        best.push(least);
    }
    let mut parts = Vec::new();
    let mut end = steps.len();
    while end > 0 {
        let begin = best[end].1;
        parts.push((begin, end));
        end = begin;
    }
    parts.reverse();
    parts
}

/// How many rows several steps have of each version.
#[derive(Default)]
struct Mixture {
    calls: BTreeMap<usize, u64>,
    all: u64,
    /// The sum of [`n_log_n`] of all counts.
    logs: f64,
}

impl Mixture {
    fn add(&mut self, step: &StepVersions) {
        for (version, tally) in step {
            let calls = self.calls.entry(*version).or_default();
            self.logs -= n_log_n(*calls);
            *calls += tally.calls;
            self.logs += n_log_n(*calls);
            self.all += tally.calls;
        }
    }

    /// Of all rows together: the logarithm of how unlikely they are in this mixture.
    fn entropy(&self) -> f64 {
        if self.calls.len() < 2 { 0.0 } else { n_log_n(self.all) - self.logs }
    }
}

fn n_log_n(n: u64) -> f64 {
    let n = n as f64;
    if n > 1.0 { n * n.ln() } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of these versions, one each ten seconds, and the changes as "second: from > to".
    fn changes_of(versions: impl IntoIterator<Item = &'static str>) -> Vec<String> {
        let mut all = Versions::default();
        let mut rows: Vec<_> = (0..).map(|number| number * 10).zip(versions).collect();
        // They may come in any order.
        rows.sort_by_key(|(second, _)| (second % 7, *second));
        for (second, version) in rows {
            let moment = Timestamp::from_second(1_770_000_000 + second).expect("a time");
            let tally = VersionTally { calls: 1, first: moment, last: moment };
            let version = all.number(version);
            all.steps.at(moment).include(&BTreeMap::from([(version, tally)]));
        }
        let second =
            |deploy: &Deploy| Timestamp::try_from(deploy.at.expect("a time")).expect("a time").as_second();
        let word =
            |deploy: Deploy| format!("{}: {} > {}", second(&deploy) - 1_770_000_000, deploy.from, deploy.to);
        all.figures().1.into_iter().map(word).collect()
    }

    fn times(version: &'static str, n: usize) -> impl Iterator<Item = &'static str> {
        std::iter::repeat_n(version, n)
    }

    /// The second one with this probability, by a number that looks random.
    fn mixed(share: f64, n: u64) -> impl Iterator<Item = &'static str> {
        (0..n).map(move |number| {
            let mixed = (number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            if ((mixed >> 40) as f64 / (1_u64 << 24) as f64) < share { "1.1" } else { "1.0" }
        })
    }

    #[test]
    fn a_version_that_comes_back_is_a_change_to_the_row() {
        for n in [12, 40, 400, 4_000, 40_000] {
            let rows =
                times("1.0", n).chain(times("1.1", n / 2)).chain(times("1.0", n)).chain(times("1.2", n));
            let at = |rows: usize| 10 * rows;
            let changes = changes_of(rows);
            // The way back may be told by the last row before it.
            let back = at(n + n / 2);
            let expected = |back: usize| {
                vec![
                    format!("{}: 1.0 > 1.1", at(n)),
                    format!("{back}: 1.1 > 1.0"),
                    format!("{}: 1.0 > 1.2", at(2 * n + n / 2)),
                ]
            };
            assert!(changes == expected(back) || changes == expected(back - 10), "{n}: {changes:?}");
        }
    }

    #[test]
    fn a_version_of_a_few_minutes_in_a_week_is_seen() {
        let rows = times("1.0", 30_000).chain(times("1.1", 150)).chain(times("1.0", 30_000));
        let changes = changes_of(rows);
        assert_eq!(changes.len(), 2, "{changes:?}");
        assert!(changes[0].starts_with("300000: 1.0 > 1.1"), "{changes:?}");
    }

    #[test]
    fn hosts_with_different_versions_make_no_change() {
        for n in [50, 500, 5_000, 50_000] {
            for share in [0.1, 0.3, 0.5, 0.6] {
                assert_eq!(changes_of(mixed(share, n)), Vec::<String>::new(), "{n} {share}");
            }
        }
    }

    #[test]
    fn a_rolling_deploy_is_one_change() {
        let shares = (1..20).flat_map(|tenth| mixed(f64::from(tenth) / 20.0, 60));
        let changes = changes_of(times("1.0", 3_000).chain(shares).chain(times("1.1", 3_000)));
        assert_eq!(changes.len(), 1, "{changes:?}");
        assert!(changes[0].ends_with("1.0 > 1.1"), "{changes:?}");
    }

    #[test]
    fn a_version_for_each_row_is_no_change() {
        let names: Vec<&'static str> =
            (0..300).map(|n| &*Box::leak(format!("v{n}").into_boxed_str())).collect();
        assert_eq!(changes_of(names), Vec::<String>::new());
        assert_eq!(changes_of([]), Vec::<String>::new());
    }
}
