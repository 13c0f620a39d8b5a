//! Shares of successes, also where nearly all calls succeed.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::super::ALPHA;
use super::super::blocks::TimeBlocks;
use super::super::contrast::Contrast;
use super::super::distributions::normal;
use super::super::estimate::Estimate;
use super::super::gates::{Limit, results};
use super::{HOUR, QUIET, SIGMA, World, most_mistaken, result_place};

/// Calls that succeed if the noise is below a bound. In an outage every call of an hour fails.
fn rate(share: f64, outages: f64, world: World, rng: &mut StdRng) -> Estimate {
    let bound = (SIGMA * normal(share)).exp();
    let hours: Vec<bool> = (0..world.days * 24).map(|_| rng.random::<f64>() < outages).collect();
    let mut sample = world.sample(1.0, rng);
    for one in &mut sample {
        let is_out = hours[(one.place.at() / HOUR) as usize];
        one.value = f64::from(u8::from(share >= 1.0 || one.value <= bound) * u8::from(!is_out));
    }
    let rate = Estimate::rate(&sample, TimeBlocks::Days).expect("the sample has values");
    Estimate { unit_size: if world.spread { 20.0 } else { 2.4 }, ..rate }
}

/// The share without outages, the share of hours with one, and the world.
pub(super) type Successes = (f64, f64, World);

pub(super) const OFTEN: [Successes; 3] =
    [(0.6, 0.0, QUIET), (0.95, 0.0, QUIET), (0.6, 0.0, World { drift: 0.2, ..QUIET })];

/// Many samples of these have no failure, or few.
pub(super) const RARELY: [Successes; 8] = [
    (1.0, 0.0, QUIET),
    (0.9995, 0.0, QUIET),
    (0.998, 0.0, World { icc: 0.9, ..QUIET }),
    (0.998, 0.0, World { drift: 0.2, ..QUIET }),
    (0.998, 0.0, World { icc: 0.9, spread: true, days: 14, ..QUIET }),
    (1.0, 0.003, QUIET),
    (0.999, 0.0, World { icc: 0.9, n: 4000, ..QUIET }),
    (1.0, 0.006, World { n: 4000, ..QUIET }),
];

/// How often a share is taken for another one, and how often its own interval covers it.
pub(super) fn shares_are_rarely_mistaken(times: u32, cases: &[Successes]) {
    let mut rng = StdRng::seed_from_u64(11);
    for &(share, outages, world) in cases {
        let (mut mistaken, mut covered) = (0.0, 0.0);
        for _ in 0..times {
            let [before, after] = [(); 2].map(|()| rate(share, outages, world, &mut rng));
            let interval = Contrast { before: &before, after: &after }.interval(ALPHA);
            let one = |is: bool| if is { 1.0 / f64::from(times) } else { 0.0 };
            mistaken += one(interval.lo > 0.0 || interval.hi < 0.0);
            let (truth, own) = (share * (1.0 - outages), before.interval(ALPHA));
            covered += one(own.lo <= truth && truth <= own.hi);
        }
        let World { n, icc, drift, days, .. } = world;
        let drift = drift * 100.0;
        println!(
            "| success {share}, {outages} | {n} | {days} | {icc} | {drift:.0} % | both | {covered:.3} | {mistaken:.3} | |"
        );
        assert!(mistaken <= most_mistaken(times), "{mistaken} of {times}");
        // No failure says nothing of an outage that came on no day.
        assert!(covered >= 0.93 || outages > 0.0, "{covered} of {times}");
    }
}

/// How often a gate of -1 point holds, is broken and is undecided.
fn gate_on_successes(shares: [f64; 2], world: World, times: u32) -> [f64; 3] {
    let mut rng = StdRng::seed_from_u64(19);
    let mut counts = [0_u32; 3];
    for _ in 0..times {
        let [before, after] = shares.map(|share| rate(share, 0.0, world, &mut rng));
        let interval = |alpha| Contrast { before: &before, after: &after }.interval(alpha);
        let result = results(&[(Limit::AtLeast(-0.01), interval)])[0];
        counts[result_place(result)] += 1;
    }
    counts.map(|count| f64::from(count) / f64::from(times))
}

pub(super) fn a_gate_on_all_successes_is_decided_and_right(times: u32) {
    let world = World { n: 2000, ..QUIET };
    let [holds, ..] = gate_on_successes([1.0, 1.0], world, times);
    assert!(holds == 1.0, "no call fails: {holds}");
    let [holds, broken, _] = gate_on_successes([1.0, 0.99], world, times);
    assert!(holds.max(broken) <= most_mistaken(times), "at the limit itself: {holds} and {broken}");
    let [holds, broken, _] = gate_on_successes([1.0, 0.95], world, times);
    assert!(holds == 0.0 && broken >= 0.9, "far below the limit: {holds} and {broken}");
}

/// With the number that is printed, a gate holds four times out of five.
pub(super) fn the_number_needed_is_true(share: f64, times: u32) {
    let mut rng = StdRng::seed_from_u64(23);
    let needed = || {
        let [before, after] = [(); 2].map(|()| rate(share, 0.0, World { n: 500, ..QUIET }, &mut rng));
        Contrast { before: &before, after: &after }.needed(-0.01)
    };
    let mut needed: Vec<_> = std::iter::repeat_with(needed).take(25).collect();
    needed.sort_by(f64::total_cmp);
    let n = needed[12] as usize;
    let [holds, ..] = gate_on_successes([share; 2], World { n, ..QUIET }, times);
    println!("needed for {share}: {n}, of which {holds:.2} hold");
    assert!(holds >= 0.8 - 2.0 * (0.16 / f64::from(times)).sqrt(), "{holds} with {n}");
}
