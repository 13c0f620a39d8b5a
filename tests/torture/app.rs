//! The service under torture, in a process of its own: this program once more, which reports over a pipe how many calls are
//! safe.

use std::env;
use std::io::{BufRead, BufReader, Read as _, Write as _, stdin, stdout};
use std::ops::Range;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tracing::Dispatch;
use tracing_ledger::{Guard, Stats};

use crate::load::{Call, Phase, timed_call};
use crate::scene::{DRAINED_WITHIN, ledger};
use crate::wait::pause;

/// Set in the service: what it is to do.
const SERVICE: &str = "LEDGER_TORTURE_SERVICE";
const BATCH: usize = 20;
const PATIENCE: Duration = Duration::from_millis(200);
/// Short, so that a batch is on its way whenever it is killed.
const FLUSH_INTERVAL: Duration = Duration::from_millis(20);
const SHUTDOWN: Duration = Duration::from_secs(60);

/// The task of a service.
#[derive(Clone)]
pub(crate) struct ServicePlan {
    pub(crate) url: String,
    pub(crate) seed: u64,
    /// Those it makes.
    pub(crate) calls: Range<u64>,
    pub(crate) spool: Option<PathBuf>,
    pub(crate) sync_interval: Option<Duration>,
}

/// The calls and `Stats` that a service reports when it ends in order.
pub(crate) struct Tally {
    pub(crate) calls: Vec<Call>,
    pub(crate) stats: Stats,
}

/// A running service.
pub(crate) struct ServiceProcess {
    child: Child,
    said: BufReader<ChildStdout>,
}

/// The command that starts this program once more.
pub(crate) fn itself() -> Command {
    Command::new(env::current_exe().expect("this program is a file"))
}

impl ServiceProcess {
    pub(crate) fn start(service: &ServicePlan) -> Self {
        Self::start_by(itself().stderr(Stdio::null()), service)
    }

    /// Starts it by a command that ends in [`itself`].
    pub(crate) fn start_by(command: &mut Command, service: &ServicePlan) -> Self {
        let mut child = command
            .env(SERVICE, service.to_json())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this program starts itself");
        let said = BufReader::new(child.stdout.take().expect("stdout is a pipe"));
        Self { child, said }
    }

    /// Waits until it has reported safe calls for the first time.
    pub(crate) fn wait_until_up(&mut self) -> Option<u64> {
        number(&mut self.said)
    }

    /// Waits until it has said that the calls up to that one are safe.
    pub(crate) fn wait_until_safe(&mut self, end: u64) {
        let began = Instant::now();
        while number(&mut self.said).expect("the service goes on") < end {
            assert!(began.elapsed() < DRAINED_WITHIN, "its calls are not safe within {DRAINED_WITHIN:?}");
        }
    }

    /// Kills it with SIGKILL. Returns the number of safe calls that it reported last.
    pub(crate) fn kill(mut self) -> Option<u64> {
        self.child.kill().expect("it is there to be killed");
        self.child.wait().expect("it is gone");
        std::iter::from_fn(|| number(&mut self.said)).last()
    }

    /// Lets it end in order; panics when it did not.
    pub(crate) fn end(mut self) -> Tally {
        drop(self.child.stdin.take());
        let account = self.said.by_ref().lines().map_while(Result::ok).last();
        let status = self.child.wait().expect("it ends");
        assert!(status.success(), "the service ended with {status}");
        Tally::from_json(&account.expect("it says what it came to"))
    }
}

/// A service that its scene leaves behind is killed too.
impl Drop for ServiceProcess {
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

/// Makes its calls, and says again and again how many are safe, until it is killed or standard input ends. Then it
/// shuts down and reports its `Stats`.
pub(crate) fn run() -> ExitCode {
    let service = ServicePlan::from_json(&env::var(SERVICE).expect("it was looked for"));
    let (dispatch, guard) = service.ledger();
    let inherited = guard.stats().accepted;
    let is_over = watch_stdin();
    let mut calls = Vec::new();
    let mut numbers = service.calls.clone();
    while !is_over.load(Ordering::Relaxed) {
        calls.extend(service.call(&dispatch, numbers.by_ref().take(BATCH)));
        let safe = if service.spool.is_some() {
            Some(service.calls.start + guard.stats().safe() - inherited)
        } else {
            guard.flush(PATIENCE).is_ok().then_some(numbers.start)
        };
        if safe.is_some_and(|safe| writeln!(stdout(), "{safe}").is_err()) {
            return ExitCode::FAILURE;
        }
        pause(Duration::from_micros(200));
    }
    let stats = guard.shutdown(SHUTDOWN).expect("everything is written or on disk");
    writeln!(stdout(), "{}", Tally { calls, stats }.to_json()).expect("somebody listens");
    ExitCode::SUCCESS
}

/// Hears when standard input ends.
fn watch_stdin() -> Arc<AtomicBool> {
    let is_over = Arc::new(AtomicBool::new(false));
    let over = Arc::clone(&is_over);
    thread::spawn(move || {
        stdin().read_to_end(&mut Vec::new()).ok();
        over.store(true, Ordering::Relaxed);
    });
    is_over
}

impl ServicePlan {
    fn to_json(&self) -> String {
        let Self { url, seed, calls, spool, sync_interval } = self;
        serde_json::json!([url, seed, calls.start, calls.end, spool, sync_interval.map(micros)]).to_string()
    }

    fn from_json(json: &str) -> Self {
        type Words = (String, u64, u64, u64, Option<PathBuf>, Option<u64>);
        let words: Words = serde_json::from_str(json).expect("what the suite said");
        let (url, seed, start, end, spool, sync_interval) = words;
        Self { url, seed, calls: start..end, spool, sync_interval: sync_interval.map(Duration::from_micros) }
    }

    fn ledger(&self) -> (Dispatch, Guard) {
        let mut builder = tracing_ledger::builder().flush_interval(FLUSH_INTERVAL);
        if let Some(spool) = &self.spool {
            builder = builder.spool_dir(spool);
        }
        if let Some(interval) = self.sync_interval {
            builder = builder.spool_sync_interval(interval);
        }
        ledger(builder, &self.url)
    }

    fn call(&self, dispatch: &Dispatch, numbers: impl Iterator<Item = u64>) -> Vec<Call> {
        tracing::dispatcher::with_default(dispatch, || {
            numbers.map(|n| timed_call(self.seed, n, Phase::Fault, false)).collect()
        })
    }
}

impl Tally {
    fn to_json(&self) -> String {
        let calls = self.calls.iter().map(|call| {
            let micros_at = |at: SystemTime| micros(at.duration_since(UNIX_EPOCH).expect("after 1970"));
            (call.n, micros_at(call.between.0), micros_at(call.between.1), micros(call.took))
        });
        let Stats { offered, accepted, in_flight, spooled, written, quarantined, refused, dropped, .. } =
            self.stats;
        let stats = [offered, accepted, in_flight, spooled, written, quarantined];
        let causes = [refused.queue_full, refused.shutdown, refused.forked, dropped.evicted, dropped.corrupt];
        serde_json::json!([calls.collect::<Vec<_>>(), stats, causes]).to_string()
    }

    fn from_json(json: &str) -> Self {
        type TallyNumbers = (Vec<(u64, u64, u64, u64)>, [u64; 6], [u64; 5]);
        let (calls, numbers, causes): TallyNumbers =
            serde_json::from_str(json).expect("what the service said");
        let calls = calls.into_iter().map(|(n, began, returned, took)| Call {
            n,
            between: (
                UNIX_EPOCH + Duration::from_micros(began),
                UNIX_EPOCH + Duration::from_micros(returned),
            ),
            took: Duration::from_micros(took),
            phase: Phase::Fault,
            rejected: false,
        });
        let mut stats = Stats::default();
        [stats.offered, stats.accepted, stats.in_flight, stats.spooled, stats.written, stats.quarantined] =
            numbers;
        let Stats { refused, dropped, .. } = &mut stats;
        [refused.queue_full, refused.shutdown, refused.forked, dropped.evicted, dropped.corrupt] = causes;
        Self { calls: calls.collect(), stats }
    }
}

/// Rounded up.
fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_nanos().div_ceil(1000)).expect("no matter of centuries")
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
