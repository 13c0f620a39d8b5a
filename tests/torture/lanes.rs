//! Lanes run faults side by side. Each is a process of its own: a fault measures its process, and one that hangs or
//! takes its process down ends no other.

use std::env;
use std::io::{self, BufRead, BufReader, Write as _, stdin, stdout};
use std::process::{Child, ChildStdin, Command, ExitCode, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use crate::arguments::Arguments;
use crate::faults::{ALL, Fault};
use crate::rng::Rng;
use crate::scene::{FaultVerdict, Round};
use crate::witness;

/// Set in the process of a lane.
const LANE: &str = "LEDGER_TORTURE_LANE";
/// A fault that takes longer than this hangs.
const HANGS_AFTER: Duration = Duration::from_secs(600);

/// Whether this process is a lane.
pub(crate) fn is_wanted() -> bool {
    env::var_os(LANE).is_some()
}

/// Runs the faults that standard input names, and answers each with its verdict.
pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    witness::install();
    for line in stdin().lines().map_while(Result::ok) {
        let (name, round) = line.split_once(' ').expect("a fault and a round");
        let fault = ALL.iter().find(|fault| fault.name == name).expect("the suite names faults that exist");
        let verdict = torture(fault, arguments, round.parse().expect("the round is a number"));
        let answer = serde_json::to_string(&verdict.map(FaultVerdict::to_numbers)).expect("numbers are JSON");
        if writeln!(stdout(), "{answer}").is_err() {
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// Runs a fault once; `None` when it panicked.
fn torture(fault: &'static Fault, arguments: &Arguments, number: u32) -> Option<FaultVerdict> {
    let mut rng = Rng::part(arguments.seed, fault.name, number);
    let round = Round {
        spooled: rng.percent(50),
        rng,
        scale: arguments.scale(number),
        thorough: arguments.is_long() && number == 0,
    };
    // The thread has the name of the fault, which stands before the message of its panic.
    let thread = thread::Builder::new().name(fault.name.to_owned());
    let thread = thread.spawn(move || (fault.run)(round)).expect("a thread starts");
    thread.join().ok()
}

/// One lane, as the suite sees it. Its process starts with its first fault, and again after one that took it down.
pub(crate) struct FaultLane {
    seed: u64,
    process: Option<Process>,
}

struct Process {
    child: Child,
    orders: ChildStdin,
    answers: Receiver<String>,
}

impl FaultLane {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, process: None }
    }

    /// Runs a fault once; `None` when it failed.
    pub(crate) fn run(&mut self, fault: &Fault, round: u32) -> Option<FaultVerdict> {
        let seed = self.seed;
        let process = self.process.get_or_insert_with(|| Process::start(seed));
        let answer = process.ask(&format!("{} {round}", fault.name));
        if answer.is_none() {
            writeln!(io::stderr(), "{}: its process hangs or has ended", fault.name).ok();
            self.process = None;
        }
        let numbers: Option<[u64; 10]> = serde_json::from_str(&answer?).expect("a lane answers with numbers");
        numbers.map(FaultVerdict::from_numbers)
    }
}

impl Process {
    fn start(seed: u64) -> Self {
        let mut child = Command::new(env::current_exe().expect("this program is a file"))
            .args(env::args_os().skip(1))
            .env(LANE, "1")
            .env("TORTURE_SEED", seed.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this program starts once more");
        let orders = child.stdin.take().expect("stdin is a pipe");
        let lines = BufReader::new(child.stdout.take().expect("stdout is a pipe")).lines();
        let (answer, answers) = mpsc::channel();
        thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| answer.send(line)));
        Self { child, orders, answers }
    }

    /// Its answer; `None` when it has ended or hangs.
    fn ask(&mut self, order: &str) -> Option<String> {
        writeln!(self.orders, "{order}").ok()?;
        self.answers.recv_timeout(HANGS_AFTER).ok()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
