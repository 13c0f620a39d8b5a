//! The torture suite: everything a ledger promises, while its surroundings fall to pieces.
//!
//! A [fault](faults::ALL) is one way things go wrong. It gets a [scene](scene::Scene): a fresh database behind a
//! [proxy](proxy::Proxy) of our own, a ledger, and callers whose calls are numbered. When it is over, the
//! [oracle](oracle::Oracle) says where every single call is. Run by `cargo test` each fault comes once, small;
//! `scripts/torture --minutes 20` goes on in growing rounds. Every run prints its seed, and takes one.
//!
//! It has a `main` of its own, which speaks as `cargo test` expects, because the table at the end is for people to
//! see, faults must not run side by side (they measure the callers), and some run this program once more.

mod app;
mod arguments;
mod clock;
mod faults;
mod load;
mod memory;
mod oracle;
mod pooler;
mod proxy;
mod report;
mod rng;
mod scene;
mod stage;
mod tmpfs;
mod tracer;
mod wait;
mod witness;

use std::process::ExitCode;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use arguments::Arguments;
use faults::Fault;
use report::Report;
use rng::Rng;
use scene::{Round, Verdict};

/// A fault that takes longer than this hangs.
const HANGS_AFTER: Duration = Duration::from_secs(600);

fn main() -> ExitCode {
    if app::is_wanted() {
        return app::run();
    }
    tmpfs::enter_namespace();
    let arguments = match Arguments::read() {
        Ok(arguments) => arguments,
        Err(wrong) => return report::refuse(&wrong),
    };
    if arguments.list {
        report::list(&arguments.faults());
        return ExitCode::SUCCESS;
    }
    witness::install();
    let mut report = Report::begin(&arguments);
    for round in 0.. {
        for fault in arguments.faults() {
            // The first round is whole, however long it takes.
            if round > 0 && !arguments.goes_on(report.elapsed()) {
                return report.end();
            }
            let began = Instant::now();
            let outcome = torture(fault, &arguments, round);
            report.add(fault.name, began.elapsed(), outcome);
        }
        if !arguments.goes_on(report.elapsed()) {
            break;
        }
    }
    report.end()
}

/// Runs a fault once; `None` when it panicked, which its message has said.
fn torture(fault: &'static Fault, arguments: &Arguments, number: u32) -> Option<Verdict> {
    let mut rng = Rng::part(arguments.seed, fault.name, number);
    let round = Round {
        spooled: rng.percent(50),
        rng,
        scale: arguments.scale(number),
        thorough: arguments.is_long() && number == 0,
    };
    let (done, verdict) = mpsc::channel();
    let thread = thread::Builder::new().name(fault.name.to_owned());
    let thread = thread.spawn(move || done.send((fault.run)(round))).expect("a thread starts");
    match verdict.recv_timeout(HANGS_AFTER) {
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("{} hangs", fault.name),
        received => {
            thread.join().ok();
            received.ok()
        }
    }
}
