//! The torture suite: everything that a ledger promises, while the things around it fail.
//!
//! A [fault](faults::ALL) is one way things go wrong. It gets a [scene](scene::Scene): a fresh database behind a
//! [proxy](proxy::Proxy), a ledger, and callers whose calls are numbered. When it is over, the
//! [oracle](oracle::Oracle) says where every single call is. Run by `cargo test` each fault comes once, small;
//! `scripts/torture --minutes 20` goes on in growing rounds. Every run prints its seed, and takes one.
//!
//! It has a `main` of its own, which speaks as `cargo test` expects, because the table at the end is for people to
//! see, and because [lanes] and some faults run this program once more.

mod app;
mod arguments;
mod clock;
mod faults;
mod lanes;
mod load;
mod memory;
mod oracle;
mod pooler;
mod proxy;
mod report;
mod rng;
mod scene;
mod stage;
mod stalls;
mod tmpfs;
mod tracer;
mod wait;
mod witness;

use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use arguments::Arguments;
use lanes::FaultLane;
use report::TortureReport;

/// How many faults of the short form run side by side: most of a fault is waiting. Those of the long form have the
/// machine for themselves.
const LANES: usize = 3;

fn main() -> ExitCode {
    if app::is_wanted() {
        return app::run();
    }
    tmpfs::enter_namespace();
    let arguments = match Arguments::read() {
        Ok(arguments) => arguments,
        Err(wrong) => return report::refuse(&wrong),
    };
    if lanes::is_wanted() {
        return lanes::run(&arguments);
    }
    if arguments.list {
        report::list(&arguments.faults());
        return ExitCode::SUCCESS;
    }
    let mut report = TortureReport::begin(&arguments);
    let mut lanes: Vec<_> = (0..arguments.lanes(LANES)).map(|_| FaultLane::new(arguments.seed)).collect();
    for round in 0.. {
        run_round(&arguments, round, &mut lanes, &mut report);
        if !arguments.goes_on(report.elapsed()) {
            break;
        }
    }
    report.end()
}

/// Runs every fault once. The first round is whole, however long it takes.
fn run_round(arguments: &Arguments, round: u32, lanes: &mut [FaultLane], report: &mut TortureReport) {
    let faults = Mutex::new(arguments.faults().into_iter());
    let report = Mutex::new(report);
    let next = || {
        let goes_on = round == 0 || arguments.goes_on(lock(&report).elapsed());
        goes_on.then(|| lock(&faults).next()).flatten()
    };
    thread::scope(|scope| {
        for lane in lanes {
            scope.spawn(|| {
                while let Some(fault) = next() {
                    let began = Instant::now();
                    let outcome = lane.run(fault, round);
                    lock(&report).add(fault.name, began.elapsed(), outcome);
                }
            });
        }
    });
}

/// A lane that panics takes nothing from the others.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
