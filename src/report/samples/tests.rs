use super::*;

fn samples(values: &[f64]) -> Samples {
    let mut samples = Samples::default();
    values.iter().for_each(|value| samples.take(Some(*value)));
    samples
}

#[test]
fn percentiles_between_two_values_are_interpolated() {
    let four = samples(&[4.0, 1.0, 3.0, 2.0]).spread();
    assert_eq!((four.n, four.median, four.max), (4, Some(2.5), Some(4.0)));
    assert_eq!(samples(&[0.0, 10.0]).into_sorted().percentile(0.95), Some(9.5));
}

#[test]
fn a_single_value_is_every_percentile_and_without_one_there_is_none() {
    let one = samples(&[7.0]).spread();
    assert_eq!([one.median, one.p95, one.p99, one.max], [Some(7.0); 4]);
    let none = samples(&[]).spread();
    assert_eq!((none.n, none.median, none.max), (0, None, None));
}

#[test]
fn values_that_are_no_finite_number_are_skipped() {
    let mut samples = Samples::default();
    for value in [None, Some(f64::NAN), Some(f64::INFINITY), Some(1.0)] {
        samples.take(value);
    }
    assert_eq!(samples.spread().n, 1);
}

#[test]
fn values_of_any_sign_are_in_order_and_counted_once_each() {
    let values = [1.5, -2.0, 0.0, -0.0, 1.5, 1e300, -1e300];
    let bars: Vec<_> = samples(&values).into_sorted().bars().collect();
    assert_eq!(bars, [(-1e300, 1), (-2.0, 1), (0.0, 2), (1.5, 2), (1e300, 1)]);
}

#[test]
fn every_value_comes_back_to_the_bit() {
    let values =
        [0.1, 0.001, 0.0005, 1.0 / 3.0, -12.345, 1e15, 1e16, 9e12, 9_007_199_254_740.993, 5e-324, f64::MAX];
    for value in values {
        let bars: Vec<_> = samples(&[value]).into_sorted().bars().collect();
        assert_eq!(bars, [(value, 1)]);
    }
    let mut sorted = values;
    sorted.sort_by(f64::total_cmp);
    let all: Vec<_> = samples(&values).into_sorted().bars().map(|(value, _)| value).collect();
    assert_eq!(all, sorted);
}

#[test]
fn of_many_values_the_percentiles_are_within_four_thousandths() {
    let values: Vec<f64> = (1..=30_000_u64).map(|i| (i * i * 7919 % 1_000_003) as f64 / 1000.0).collect();
    let (mut one, mut other, mut reversed) =
        (FewSamples::default(), FewSamples::default(), FewSamples::default());
    values[..1_999].iter().for_each(|value| one.take(Some(*value)));
    assert!(!one.is_rounded());
    values[1_999..].iter().for_each(|value| other.take(Some(*value)));
    values.iter().rev().for_each(|value| reversed.take(Some(*value)));
    one.extend(&other);
    assert!(one.is_rounded() && one.counts.clone().into_pairs().count() < 3000);
    let (rough, exact) = (one.spread(), samples(&values).spread());
    assert_eq!(rough, reversed.spread());
    assert_eq!((rough.n, rough.max), (exact.n, exact.max));
    for (rough, exact) in [(rough.median, exact.median), (rough.p95, exact.p95), (rough.p99, exact.p99)] {
        let (rough, exact) = (rough.expect("some"), exact.expect("some"));
        assert!((rough / exact - 1.0).abs() < 0.004, "{rough} for {exact}");
    }
}

#[test]
fn few_values_of_each_of_many_parts_are_not_merged_part_by_part() {
    let mut all = Samples::default();
    (0..100).for_each(|value| all.extend(&samples(&[f64::from(value)])));
    assert_eq!(all.thousandths.fresh.len(), 100);
    assert_eq!(all.into_sorted().n(), 100);
}

#[test]
fn few_values_are_exact_and_zero_stays_zero() {
    let mut few = FewSamples::default();
    (0..2000).for_each(|i| few.take(Some(f64::from(i % 2) / 3.0)));
    assert_eq!((few.is_rounded(), few.clone().spread().median), (false, Some(1.0 / 6.0)));
    (0..4000).for_each(|_| few.take(Some(0.0)));
    assert_eq!((few.is_rounded(), few.spread().median), (true, Some(0.0)));
}

#[test]
fn many_values_in_two_parts_are_as_exact_as_a_sorted_list() {
    let mut all: Vec<f64> = (0..100_000_u64).map(|i| (i * 7919 % 65_537) as f64 / 1000.0).collect();
    let mut both = samples(&all[..30_000]);
    both.extend(&samples(&all[30_000..]));
    all.sort_by(f64::total_cmp);
    let both = both.into_sorted();
    assert_eq!(both.n(), 100_000);
    for index in [0, 1, 49_999, 50_000, 94_999, 98_999, 99_999] {
        assert_eq!(both.at(index), Some(all[index as usize]), "{index}");
    }
}
