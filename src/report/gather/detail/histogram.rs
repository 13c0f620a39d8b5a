//! Durations by size.

use crate::report::detail::DurationBar;
use crate::report::preferred::{EDGES_A_DECADE, edge, place};
use crate::report::samples::Sorted;

/// More bars are no longer a picture.
const MOST_BARS: i32 = 200;

/// The numbers of edges that one bar may span. The first with which all values fit in the shown bars is taken.
const SPANS: [i32; 5] = [1, 2, 4, 20, 100];

/// The bars from the least value to the greatest. Values that are not above 0 have the first one to themselves.
pub(super) fn histogram(sorted: &Sorted) -> Vec<DurationBar> {
    let mut bars: Vec<DurationBar> = Vec::new();
    let mut positive = sorted.bars().skip_while(|(value, _)| *value <= 0.0).peekable();
    let mut low = sorted.bars().take_while(|(value, _)| *value <= 0.0);
    if let Some((from, n)) = low.next() {
        bars.push(DurationBar { from, to: 0.0, n: n + low.map(|(_, n)| n).sum::<u64>() });
    }
    let (Some((least, _)), Some(most)) = (positive.peek().copied(), sorted.max()) else { return bars };
    let span = span(least, most, bars.len() as i32);
    let mut place = place(least).div_euclid(span) * span;
    let mut bar = bar_at(place, span);
    for (value, n) in positive {
        while value >= bar.to && bar.to < f64::MAX {
            bars.push(bar);
            place += span;
            bar = bar_at(place, span);
        }
        bar.n += n;
    }
    bars.push(bar);
    bars
}

fn bar_at(place: i32, span: i32) -> DurationBar {
    DurationBar { from: edge(place), to: edge(place + span), n: 0 }
}

/// The smallest number of edges for a bar that gives few enough bars.
fn span(least: f64, most: f64, others: i32) -> i32 {
    let (first, last) = (place(least), place(most));
    let fits = |span: &i32| last.div_euclid(*span) - first.div_euclid(*span) + 1 + others <= MOST_BARS;
    SPANS.into_iter().find(fits).unwrap_or(EDGES_A_DECADE * EDGES_A_DECADE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::samples::Samples;

    fn bars(values: &[f64]) -> Vec<(f64, f64, u64)> {
        let mut samples = Samples::default();
        values.iter().for_each(|value| samples.take(Some(*value)));
        histogram(&samples.into_sorted()).iter().map(|bar| (bar.from, bar.to, bar.n)).collect()
    }

    #[test]
    fn a_value_on_an_edge_begins_a_bar_and_no_bar_is_left_out() {
        assert_eq!(bars(&[1.12, 1.13, 1.6]), [(1.12, 1.25, 2), (1.25, 1.4, 0), (1.4, 1.6, 0), (1.6, 1.8, 1)]);
        assert_eq!(bars(&[0.0009, 0.001]), [(0.0009, 0.001, 1), (0.001, 0.00112, 1)]);
        assert_eq!(bars(&[]), []);
    }

    #[test]
    fn values_that_are_not_above_zero_have_a_bar_of_their_own() {
        assert_eq!(bars(&[-3.0, 0.0, 7.1]), [(-3.0, 0.0, 2), (7.1, 8.0, 1)]);
        assert_eq!(bars(&[0.0, 0.0]), [(0.0, 0.0, 2)]);
    }

    #[test]
    fn values_of_any_size_fit_in_two_hundred_bars() {
        for (least, most) in [(1e-3, 1e7), (1e-9, 1e12), (f64::MIN_POSITIVE, f64::MAX), (5e-324, 1e308)] {
            let all = bars(&[-1.0, least, 1.0, most]);
            assert!(all.len() <= 200, "{} bars", all.len());
            assert_eq!(all.iter().map(|bar| bar.2).sum::<u64>(), 4);
            assert!(all.windows(2).skip(1).all(|two| two[0].1 == two[1].0 && two[0].0 < two[0].1));
        }
    }
}
