//! A disk that fails under a real process: strace answers system calls in the kernel's place.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use tempfile::TempDir;

/// Threads too. A filter in the kernel lets through at full speed what is not traced.
const OPTIONS: [&str; 4] = ["-f", "--seccomp-bpf", "-qq", "-e"];

/// A system call that fails.
pub(crate) struct DiskFailure {
    /// The system call.
    pub(crate) call: &'static str,
    /// On this file of the spool alone.
    pub(crate) file: Option<&'static str>,
    /// Which of these calls of a thread, as strace puts it.
    pub(crate) when: &'static str,
}

/// Lets calls of a process fail with EIO, and keeps its stderr.
pub(crate) struct Tracer {
    dir: TempDir,
}

impl Tracer {
    pub(crate) fn new() -> Self {
        assert_eq!(refusal(), None, "nothing can be traced here");
        Self { dir: tempfile::Builder::new().prefix("ledger-traced-").tempdir().expect("a temporary folder") }
    }

    /// The command that starts another one in which such calls fail.
    pub(crate) fn command(&self, failure: &DiskFailure, spool: &Path, traced: &Command) -> Command {
        let DiskFailure { call, file, when } = failure;
        let mut strace = Command::new("strace");
        strace.args(OPTIONS).arg(format!("inject={call}:error=EIO:when={when}"));
        strace.arg("-e").arg(format!("trace={call}")).arg("-o").arg(self.calls());
        if let Some(file) = file {
            strace.arg("-P").arg(spool.join(file));
        }
        strace.arg(traced.get_program()).args(traced.get_args());
        strace.stderr(File::create(self.stderr()).expect("a file is made"));
        strace
    }

    /// How many calls have failed so far.
    pub(crate) fn failed(&self) -> usize {
        fs::read_to_string(self.calls()).map_or(0, |calls| calls.matches("(INJECTED)").count())
    }

    /// The stderr of the process so far.
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(self.stderr()).expect("it is there since the start")
    }

    fn calls(&self) -> PathBuf {
        self.dir.path().join("calls")
    }

    fn stderr(&self) -> PathBuf {
        self.dir.path().join("stderr")
    }
}

/// Why no process can be traced here, as in a container that may not.
pub(crate) fn refusal() -> Option<&'static str> {
    static REFUSAL: LazyLock<Option<String>> = LazyLock::new(probe);
    REFUSAL.as_deref()
}

fn probe() -> Option<String> {
    let mut strace = Command::new("strace");
    strace.args(OPTIONS).args(["trace=fdatasync", "-o", "/dev/null", "true"]).stdin(Stdio::null());
    match strace.output() {
        Ok(output) if output.status.success() => None,
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            Some(format!("strace that may trace: {}", said.lines().last().unwrap_or_default()))
        }
        Err(error) => Some(format!("strace, which scripts/test installs: {error}")),
    }
}
