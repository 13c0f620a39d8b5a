//! The service that is to be killed: this program once more, which says over a pipe what is safe.

use std::env;
use std::io::{BufRead, BufReader, Write as _, stdout};
use std::process::{Child, ChildStdout, Command, ExitCode, Stdio};
use std::time::Duration;

use tracing::Dispatch;
use tracing_subscriber::prelude::*;
use tracing_subscriber::registry::Registry;

use crate::load::call;
use crate::wait::pause;

/// Set in the service: the URL, the seed, and the number of its first call.
const SERVICE: &str = "LEDGER_TORTURE_SERVICE";
const BATCH: u64 = 20;

/// A running service.
pub(crate) struct App {
    child: Child,
    said: BufReader<ChildStdout>,
}

impl App {
    pub(crate) fn start(url: &str, seed: u64, first: u64) -> Self {
        let mut child = Command::new(env::current_exe().expect("this program is a file"))
            .env(SERVICE, format!("{url} {seed} {first}"))
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

/// Calls and calls until it is killed, and says after every flush how many calls are safe.
pub(crate) fn run() -> ExitCode {
    let wanted = env::var(SERVICE).expect("it was looked for");
    let mut words = wanted.split(' ');
    let url = words.next().expect("the first word is the URL");
    let mut number = || words.next().and_then(|word| word.parse::<u64>().ok()).expect("a number follows");
    let (seed, first) = (number(), number());
    let (layer, guard) = tracing_ledger::layer::<Registry>(url).expect("a ledger");
    let dispatch: Dispatch = tracing_subscriber::registry().with(layer).into();
    for batch in 0.. {
        let calls = first + batch * BATCH..first + (batch + 1) * BATCH;
        tracing::dispatcher::with_default(&dispatch, || {
            for n in calls.clone() {
                call(seed, n, false);
            }
        });
        if guard.flush(Duration::from_millis(200)).is_ok() && writeln!(stdout(), "{}", calls.end).is_err() {
            break;
        }
        pause(Duration::from_micros(200));
    }
    ExitCode::FAILURE
}
