//! Compares variants in one run. Each measurement is a process of its own, because subscribers in one process change
//! each other's callsite caches. The processes take turns, because the speed of a machine drifts.

use std::env;
use std::process::{Command, exit};

use crate::options::BenchOptions;
use crate::samples::{extremes, median};

/// The environment variable that gives the variant to a child; `SIZE` gives the size of its run.
const VARIANT: &str = "LEDGER_BENCH_VARIANT";
const SIZE: &str = "LEDGER_BENCH_SIZE";

/// One measured variant, with `N` figures.
pub struct Variant<const N: usize> {
    /// The unique name in the table.
    pub name: String,
    /// Measures a run of that size, in its own process.
    pub measure: Box<dyn Fn(u64) -> [f64; N]>,
}

impl<const N: usize> Variant<N> {
    /// A variant of that name.
    pub fn new(name: impl Into<String>, measure: impl Fn(u64) -> [f64; N] + 'static) -> Self {
        Self { name: name.into(), measure: Box::new(measure) }
    }
}

/// The figures of one variant, round by round.
pub struct Samples<const N: usize>(Vec<[f64; N]>);

impl<const N: usize> Samples<N> {
    /// The median of one of the figures.
    pub fn median(&self, figure: usize) -> f64 {
        median(self.0.iter().map(|sample| sample[figure]))
    }

    /// The smallest and the largest value of one of the figures.
    pub fn extremes(&self, figure: usize) -> (f64, f64) {
        extremes(self.0.iter().map(|sample| sample[figure]))
    }

    /// The median ratio of a figure to that of `base` in the same round.
    pub fn ratio(&self, base: &Self, figure: usize) -> f64 {
        median(self.0.iter().zip(&base.0).map(|(sample, base)| sample[figure] / base[figure]))
    }
}

/// Measures the variants, round by round. In a child process, measures one of them and ends the process.
pub fn in_turns<const N: usize>(variants: &[Variant<N>], options: &BenchOptions) -> Vec<Samples<N>> {
    if let Ok(name) = env::var(VARIANT) {
        child(variants, &name);
    }
    let mut samples: Vec<_> = variants.iter().map(|_| Samples(Vec::new())).collect();
    for round in 0..options.rounds {
        // Each round starts with another variant, so that no variant always follows the same one.
        for turn in 0..variants.len() {
            let at = (round + turn) % variants.len();
            samples[at].0.push(in_a_process(&variants[at].name, options.size));
        }
    }
    samples
}

/// The part of the child: one measurement, printed to stdout.
fn child<const N: usize>(variants: &[Variant<N>], name: &str) -> ! {
    let variant = variants.iter().find(|variant| variant.name == name).expect("the parent knows the names");
    let size = env::var(SIZE).ok().and_then(|size| size.parse().ok()).expect("the parent says how much");
    let figures = (variant.measure)(size).map(|figure| figure.to_string());
    println!("{}", figures.join(" "));
    exit(0)
}

fn in_a_process<const N: usize>(name: &str, size: u64) -> [f64; N] {
    let output = Command::new(env::current_exe().expect("a bench is a file"))
        .env(VARIANT, name)
        .env(SIZE, size.to_string())
        .output()
        .expect("a bench starts itself");
    assert!(output.status.success(), "{name} failed: {}", String::from_utf8_lossy(&output.stderr));
    let stdout = String::from_utf8(output.stdout).expect("numbers");
    let figures: Vec<f64> =
        stdout.split_whitespace().map(|figure| figure.parse().expect("a number")).collect();
    figures.try_into().expect("as many numbers as there are figures")
}
