//! The output: lines like those of `cargo test`, and the table.
#![expect(clippy::print_stdout, reason = "this is the program that prints the result of the tests")]

use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::arguments::Arguments;
use crate::faults::{ALL, Fault};
use crate::scene::FaultVerdict;

pub(crate) fn list(faults: &[&Fault]) {
    for fault in faults {
        println!("{}: test", fault.name);
    }
}

/// Reports a wrong argument.
pub(crate) fn refuse(wrong: &str) -> ExitCode {
    println!("{wrong}");
    ExitCode::from(2)
}

/// The means that a fault lacks here.
fn lack(fault: &Fault) -> &'static str {
    fault.takes.lacks().unwrap_or_default()
}

/// All tries of one fault.
struct ReportLine {
    fault: &'static str,
    tries: u32,
    failures: u32,
    took: Duration,
    sum: FaultVerdict,
}

/// The tries so far.
pub(crate) struct TortureReport {
    seed: u64,
    began: Instant,
    filtered_out: usize,
    left_out: Vec<&'static Fault>,
    lines: Vec<ReportLine>,
}

impl TortureReport {
    pub(crate) fn begin(arguments: &Arguments) -> Self {
        let faults = arguments.faults().len();
        println!("\nrunning {faults} tests");
        println!("TORTURE_SEED={} makes the same choices again", arguments.seed);
        let left_out = arguments.left_out();
        for fault in &left_out {
            println!("test {} ... ignored, LEFT OUT: it takes {}", fault.name, lack(fault));
        }
        Self {
            seed: arguments.seed,
            began: Instant::now(),
            filtered_out: ALL.len() - faults - left_out.len(),
            left_out,
            lines: Vec::new(),
        }
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// Notes the figures of a try; `None` if it failed.
    pub(crate) fn add(&mut self, fault: &'static str, took: Duration, outcome: Option<FaultVerdict>) {
        match outcome {
            Some(_) => println!("test {fault} ... ok"),
            None => println!("test {fault} ... FAILED\n  again by TORTURE_SEED={} and {fault}", self.seed),
        }
        let line = self.line(fault);
        line.tries += 1;
        line.took += took;
        match outcome {
            Some(verdict) => line.sum = line.sum.and(verdict),
            None => line.failures += 1,
        }
    }

    fn line(&mut self, fault: &'static str) -> &mut ReportLine {
        let place = self.lines.iter().position(|line| line.fault == fault).unwrap_or_else(|| {
            self.lines.push(ReportLine {
                fault,
                tries: 0,
                failures: 0,
                took: Duration::ZERO,
                sum: FaultVerdict::default(),
            });
            self.lines.len() - 1
        });
        &mut self.lines[place]
    }

    /// Prints the table and the line that counts.
    pub(crate) fn end(mut self) -> ExitCode {
        self.lines.sort_by_key(|line| ALL.iter().position(|fault| fault.name == line.fault));
        let failed = self.lines.iter().filter(|line| line.failures > 0).count();
        self.print_table();
        println!(
            "\ntest result: {}. {} passed; {failed} failed; {} ignored; 0 measured; {} filtered out; finished \
             in {:.2}s\n",
            if failed == 0 { "ok" } else { "FAILED" },
            self.lines.len() - failed,
            self.left_out.len(),
            self.filtered_out,
            self.elapsed().as_secs_f64(),
        );
        if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

    fn print_table(&self) {
        if self.lines.is_empty() && self.left_out.is_empty() {
            return;
        }
        println!("\nseed {}; counted: refused or pushed out, or said to be unwritten at the exit", self.seed);
        println!(
            "{:24} {:>5} {:>6} {:>8} {:>9} {:>7} {:>10} {:>4} {:>7} {:>10} {:>7} {:>16} {:>9}",
            "fault",
            "tries",
            "failed",
            "took",
            "records",
            "counted",
            "quarantine",
            "lost",
            "doubled",
            "drained in",
            "on disk",
            "p99.9 calm/fault",
            "memory"
        );
        for ReportLine { fault, tries, failures, took, sum } in &self.lines {
            println!(
                "{fault:24} {tries:>5} {failures:>6} {:>6} s {:>9} {:>7} {:>10} {:>4} {:>7} {:>8.2} s {:>4} ms {:>13} µs {:>6} MB",
                took.as_secs(),
                sum.records,
                sum.counted,
                sum.quarantined,
                sum.lost,
                sum.doubled,
                sum.drain.as_secs_f64(),
                sum.on_disk.as_millis(),
                format!("{}/{}", sum.calm.as_micros(), sum.fault.as_micros()),
                sum.memory / (1024 * 1024),
            );
        }
        for fault in &self.left_out {
            println!("{:24} LEFT OUT: it takes {}", fault.name, lack(fault));
        }
    }
}

impl FaultVerdict {
    /// As a lane says it to the suite, times in microseconds.
    pub(crate) fn to_numbers(self) -> [u64; 10] {
        let Self { records, counted, quarantined, lost, doubled, drain, on_disk, calm, fault, memory } = self;
        let [drain, on_disk, calm, fault] = [drain, on_disk, calm, fault].map(|time| time.as_micros() as u64);
        [records, counted, quarantined, lost, doubled, drain, on_disk, calm, fault, memory]
    }

    pub(crate) fn from_numbers(numbers: [u64; 10]) -> Self {
        let [records, counted, quarantined, lost, doubled, drain, on_disk, calm, fault, memory] = numbers;
        let [drain, on_disk, calm, fault] = [drain, on_disk, calm, fault].map(Duration::from_micros);
        Self { records, counted, quarantined, lost, doubled, drain, on_disk, calm, fault, memory }
    }

    /// Both together: counts are summed up, of all else the worst is kept.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            records: self.records + other.records,
            counted: self.counted + other.counted,
            quarantined: self.quarantined + other.quarantined,
            lost: self.lost + other.lost,
            doubled: self.doubled + other.doubled,
            drain: self.drain.max(other.drain),
            on_disk: self.on_disk.max(other.on_disk),
            calm: self.calm.max(other.calm),
            fault: self.fault.max(other.fault),
            memory: self.memory.max(other.memory),
        }
    }
}
