//! Tables of the CPU time and allocations that spans cost their thread.

use std::hint::black_box;

use tracing::Subscriber;
use uuid::Uuid;

use crate::cost::Cost;
use crate::options::BenchOptions;
use crate::rounds::{Samples, Variant, in_turns};
use crate::workload::{ATTEMPTS, job, quote};

/// Spans between two waits for the thread of a variant. Every queue holds more, because a span that is dropped for want
/// of room costs less than one that is kept.
pub const BURST: u64 = 10_000;

/// The measured code.
#[derive(Clone, Copy)]
pub struct Workload {
    /// One run.
    pub run: fn(Uuid),
    /// Spans of one run.
    pub spans: u64,
}

/// A table of variants under a heading.
pub struct SpanTable {
    /// Its heading.
    pub title: &'static str,
    /// Its rows.
    pub rows: Vec<TableRow>,
}

/// A variant and the one that it is compared with.
pub struct TableRow {
    base: &'static str,
    variant: Variant<2>,
}

/// A row of a table. `base` names the row that it is compared with.
pub fn row(name: &str, base: &'static str, measure: impl Fn(u64) -> [f64; 2] + 'static) -> TableRow {
    TableRow { base, variant: Variant::new(name, measure) }
}

/// Measures the rows of all tables in turns, and prints them as Markdown.
pub fn run(tables: impl IntoIterator<Item = SpanTable>, options: &BenchOptions) {
    let tables: Vec<_> = tables.into_iter().collect();
    let headings: Vec<_> = tables.iter().map(|table| (table.title, table.rows.len())).collect();
    let rows = tables.into_iter().flat_map(|table| table.rows);
    let (bases, variants): (Vec<_>, Vec<_>) = rows.map(|row| (row.base, row.variant)).unzip();
    let samples = in_turns(&variants, options);
    println!(
        "{} rounds of {} spans; CPU time of the calling thread, medians (fastest to slowest round)",
        options.rounds, options.size
    );
    let mut lines = variants.iter().zip(&samples).zip(&bases).map(|((variant, sample), base)| {
        let at = variants.iter().position(|other| other.name == *base).expect("a variant");
        line(&variant.name, sample, base, &samples[at])
    });
    for (title, rows) in headings {
        println!("\n### {title}\n");
        println!("| variant | ns per span | compared | allocations per span |\n|---|---:|---:|---:|");
        lines.by_ref().take(rows).for_each(|line| println!("{line}"));
    }
}

fn line(name: &str, samples: &Samples<2>, base: &str, of_base: &Samples<2>) -> String {
    let (fastest, slowest) = samples.extremes(0);
    format!(
        "| {name} | {:.0} ({fastest:.0} to {slowest:.0}) | {:.2} × {base} | {:.2} |",
        samples.median(0),
        samples.ratio(of_base, 0),
        samples.median(1)
    )
}

impl Workload {
    /// A planner call alone.
    pub const CALL: Self = Self { run: quote, spans: 1 };

    /// A job and its planner calls.
    pub const JOB: Self = Self { run: job, spans: ATTEMPTS + 1 };

    /// Runs it in bursts. Calls `settle` after each, outside of the measurement, with the number of spans so far:
    /// it waits until the thread of the variant has them all.
    pub fn measure(self, spans: u64, mut settle: impl FnMut(u64)) -> [f64; 2] {
        let mut cost = Cost::default();
        self.burst(BURST); // warms caches and callsites
        settle(BURST);
        let mut done = 0;
        while done < spans {
            cost += self.burst(BURST);
            done += BURST;
            settle(BURST + done);
        }
        cost.per(done)
    }

    /// The cost of so many spans to the calling thread.
    pub fn burst(self, spans: u64) -> Cost {
        let before = Cost::so_far();
        for n in 0..spans / self.spans {
            (self.run)(black_box(Uuid::from_u64_pair(n, n)));
        }
        Cost::so_far() - before
    }
}

/// Installs the subscriber for this process.
pub fn install(subscriber: impl Subscriber + Send + Sync) {
    tracing::subscriber::set_global_default(subscriber).expect("one subscriber to a process");
}
