//! The process lacks files or a reader of its stderr, which a writer needs.

use std::env;
use std::io::{ErrorKind, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command};
use std::time::Instant;

use tracing_ledger::store::{Failure, Memory};
use tracing_subscriber::{Registry, prelude::*};

use crate::books::{Answers, DEADLINE, emit, failed, open, until, untimed};

/// Set in the other process.
const CHILD: &str = "LEDGER_TEST_STARVED";
/// The exit code of a process whose ledger could not be built.
const NOT_BUILT: i32 = 10;

/// Starts `test` of this module again, under a shell with the process itself as `"$@"`.
fn again(test: &str, script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-ec", &format!("{script}; exec \"$@\""), "sh"]);
    command.arg(env::current_exe().expect("this test is a file"));
    command.args(["--exact", &format!("starved::{test}"), "--nocapture"]).env(CHILD, "1");
    command
}

#[test]
fn a_writer_that_cannot_start_makes_build_fail() {
    if env::var_os(CHILD).is_some() {
        let (layer, guard) = match untimed().build_with::<Registry>(Memory::default()) {
            Ok(built) => built,
            Err(error) => {
                let message = format!("{error:#}");
                let is_right = error.is_config() && message.contains("raise the limits of the process");
                std::process::exit(if is_right { NOT_BUILT } else { 1 })
            }
        };
        emit(&tracing_subscriber::registry().with(layer).into(), 0..3);
        assert_eq!(guard.shutdown(DEADLINE).expect("the writer is there").written, 3);
        return;
    }
    let ends = (4..=24).map(|files| {
        let mut command = again("a_writer_that_cannot_start_makes_build_fail", &format!("ulimit -n {files}"));
        let output = command.output().expect("a shell");
        let code = output.status.code();
        assert!(
            matches!(code, Some(0 | NOT_BUILT)),
            "{files} files: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        code == Some(0)
    });
    let ends: Vec<bool> = ends.collect();
    assert!(ends.is_sorted() && ends.contains(&false) && ends.contains(&true), "{ends:?}");
}

/// A stderr that is full, with its reader.
fn full() -> (OwnedFd, UnixStream) {
    let (mut stderr, reader) = UnixStream::pair().expect("a pair of sockets");
    stderr.set_nonblocking(true).expect("it is a socket");
    let error = loop {
        if let Err(error) = stderr.write(&[b'x'; 1024]) {
            break error;
        }
    };
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
    stderr.set_nonblocking(false).expect("it is a socket");
    (stderr.into(), reader)
}

#[track_caller]
fn assert_ends_well(mut child: Child) {
    let mut status = None;
    until("the process ends", || {
        status = child.try_wait().expect("it is our child");
        status.is_some()
    });
    assert!(status.is_some_and(|status| status.success()), "{status:?}");
}

#[test]
fn a_full_stderr_stops_no_delivery_and_no_drop() {
    if env::var_os(CHILD).is_some() {
        let mut tries = 0;
        let store = Answers(move |_: &[_], _| {
            tries += 1;
            if tries == 1 { failed(Failure::Retry) } else { Ok(()) }
        });
        let (dispatch, guard) = open(untimed(), store);
        emit(&dispatch, 0..3);
        assert_eq!(guard.flush(DEADLINE).expect("the second try goes through").written, 3);
        let (dispatch, guard) = open(untimed(), Answers(|_: &[_], _| failed(Failure::Retry)));
        emit(&dispatch, 0..3);
        let started = Instant::now();
        drop(guard);
        assert!(started.elapsed() < DEADLINE / 2);
        return;
    }
    let (stderr, _reader) = full();
    let mut command = again("a_full_stderr_stops_no_delivery_and_no_drop", ":");
    assert_ends_well(command.stderr(stderr).spawn().expect("a shell"));
}
