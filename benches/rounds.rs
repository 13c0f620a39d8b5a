//! Compares variants in one run: each measurement is a process of its own, because subscribers that live in
//! one process change each other's callsite caches, and the processes take turns, because a machine's speed
//! drifts.

use std::env;
use std::fmt::Write as _;
use std::process::{Command, ExitCode};

use crate::cost::CostPerRun;
use crate::options::Options;
use crate::samples::{extremes, median};

/// Names the variant to a child, with `SPANS` the size of its run.
const VARIANT: &str = "LEDGER_BENCH_VARIANT";
const SPANS: &str = "LEDGER_BENCH_SPANS";

/// One thing to measure.
pub struct Variant {
    /// As the table names it.
    pub name: &'static str,
    /// Measures so many spans; runs in a process of its own.
    pub measure: fn(u64) -> CostPerRun,
}

/// Measures the variants round by round and prints a Markdown table, with ratios to the variant `floor`.
pub fn compare(variants: &[Variant], floor: &str) -> ExitCode {
    if let Ok(name) = env::var(VARIANT) {
        return child(variants, &name);
    }
    let options = Options::from_args(15, 200_000, "spans in each process");
    let mut samples = vec![Vec::new(); variants.len()];
    for round in 0..options.rounds {
        // Each round starts with another variant, so that none always follows the same neighbour.
        for turn in 0..variants.len() {
            let at = (round + turn) % variants.len();
            samples[at].push(in_a_process(variants[at].name, options.size));
        }
    }
    println!("{}", table(variants, &samples, floor, &options));
    ExitCode::SUCCESS
}

/// The child's part: one measurement, told on stdout.
fn child(variants: &[Variant], name: &str) -> ExitCode {
    let variant = variants.iter().find(|variant| variant.name == name).expect("the parent knows the names");
    let spans = env::var(SPANS).ok().and_then(|spans| spans.parse().ok()).expect("the parent says how many");
    let cost = (variant.measure)(spans);
    println!("{} {}", cost.cpu_ns, cost.allocations);
    ExitCode::SUCCESS
}

fn in_a_process(name: &str, spans: u64) -> CostPerRun {
    let output = Command::new(env::current_exe().expect("a bench is a file"))
        .env(VARIANT, name)
        .env(SPANS, spans.to_string())
        .output()
        .expect("a bench starts itself");
    assert!(output.status.success(), "{name} failed: {}", String::from_utf8_lossy(&output.stderr));
    let stdout = String::from_utf8(output.stdout).expect("two numbers");
    let (cpu_ns, allocations) = stdout.trim().split_once(' ').expect("two numbers");
    let number = |text: &str| text.parse().expect("a number");
    CostPerRun { cpu_ns: number(cpu_ns), allocations: number(allocations) }
}

fn table(variants: &[Variant], samples: &[Vec<CostPerRun>], floor: &str, options: &Options) -> String {
    let median_ns = |samples: &[CostPerRun]| median(samples.iter().map(|cost| cost.cpu_ns));
    let floor = variants.iter().position(|variant| variant.name == floor).expect("the floor is a variant");
    let floor_ns = median_ns(&samples[floor]);
    let mut text = format!(
        "{} rounds of {} spans; CPU time of the calling thread, medians (fastest and slowest round)\n\n\
         | variant | ns per span | times the floor | allocations per span |\n|---|---:|---:|---:|\n",
        options.rounds, options.size
    );
    for (variant, samples) in variants.iter().zip(samples) {
        let ns = median_ns(samples);
        let (fastest, slowest) = extremes(samples.iter().map(|cost| cost.cpu_ns));
        let allocations = median(samples.iter().map(|cost| cost.allocations));
        writeln!(
            text,
            "| {} | {ns:.0} ({fastest:.0} to {slowest:.0}) | {:.2} | {allocations:.2} |",
            variant.name,
            ns / floor_ns
        )
        .expect("a String takes everything");
    }
    text
}
