//! The service that is to be killed: this program once more, which says over a pipe what is safe.

use std::env;
use std::io::{BufRead, BufReader, Write as _, stdout};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitCode, Stdio};
use std::time::Duration;

use tracing_ledger::Stats;

use crate::load::call;
use crate::scene::ledger;
use crate::wait::pause;

/// Set in the service: the URL, the seed, the number of its first call, and its spool where it has one.
const SERVICE: &str = "LEDGER_TORTURE_SERVICE";
const BATCH: u64 = 20;
const PATIENCE: Duration = Duration::from_millis(200);
/// Short, so that a batch is on its way whenever it is killed.
const FLUSH_INTERVAL: Duration = Duration::from_millis(20);

/// A running service.
pub(crate) struct App {
    child: Child,
    said: BufReader<ChildStdout>,
}

impl App {
    pub(crate) fn start(url: &str, seed: u64, first: u64, spool: Option<&Path>) -> Self {
        let spool = spool.unwrap_or(Path::new("")).display();
        let mut child = Command::new(env::current_exe().expect("this program is a file"))
            .env(SERVICE, format!("{url} {seed} {first} {spool}"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("this program starts itself");
        let said = BufReader::new(child.stdout.take().expect("stdout is a pipe"));
        Self { child, said }
    }

    /// Waits until it has said for the first time what is safe.
    pub(crate) fn wait_until_up(&mut self) -> Option<u64> {
        number(&mut self.said)
    }

    /// Kills it with SIGKILL; the last it said, which is how many calls are safe.
    pub(crate) fn kill(mut self) -> Option<u64> {
        self.child.kill().expect("it is there to be killed");
        self.child.wait().expect("it is gone");
        std::iter::from_fn(|| number(&mut self.said)).last()
    }
}

/// A service that its scene leaves behind is killed too.
impl Drop for App {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The next whole line. The last one may be torn by the kill.
fn number(said: &mut impl BufRead) -> Option<u64> {
    let mut line = String::new();
    said.read_line(&mut line).ok()?;
    line.strip_suffix('\n')?.parse().ok()
}

/// Whether this process is the service.
pub(crate) fn is_wanted() -> bool {
    env::var_os(SERVICE).is_some()
}

/// Calls and calls until it is killed, and says again and again how many calls are safe: those that a flush said
/// to be written, or with a spool those that the account says are on disk or past it.
pub(crate) fn run() -> ExitCode {
    let wanted = env::var(SERVICE).expect("it was looked for");
    let mut words = wanted.split(' ');
    let mut word = || words.next().expect("the URL, the seed, the first number and the spool");
    let (url, seed, first, spool) = (word(), parse(word()), parse(word()), word());
    let builder = tracing_ledger::builder().flush_interval(FLUSH_INTERVAL);
    let builder = if spool.is_empty() { builder } else { builder.spool_dir(spool) };
    let (dispatch, guard) = ledger(builder, url);
    let inherited = guard.stats().accepted;
    for batch in 0.. {
        let calls = first + batch * BATCH..first + (batch + 1) * BATCH;
        tracing::dispatcher::with_default(&dispatch, || {
            for n in calls.clone() {
                call(seed, n, false);
            }
        });
        let safe = if spool.is_empty() {
            guard.flush(PATIENCE).is_ok().then_some(calls.end)
        } else {
            Some(first + guard.stats().safe() - inherited)
        };
        if safe.is_some_and(|safe| writeln!(stdout(), "{safe}").is_err()) {
            break;
        }
        pause(Duration::from_micros(200));
    }
    ExitCode::FAILURE
}

fn parse(word: &str) -> u64 {
    word.parse().expect("a number")
}

trait Safe {
    /// Records that survive the process.
    fn safe(&self) -> u64;
}

impl Safe for Stats {
    fn safe(&self) -> u64 {
        self.spooled + self.written + self.quarantined + self.dropped.total()
    }
}
