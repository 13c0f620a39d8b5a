//! `examples/graceful.rs` ends under load, by a signal: every call that was answered has its row, and so has its job.

use std::collections::HashMap;
use std::env;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use sqlx::{Connection as _, PgConnection, SqliteConnection};
use support::{Cluster, SqliteFile, free_port};

use crate::house::runtime;

#[path = "../../../graceful.rs"]
mod example;

/// Set in the process that is the service.
const SERVICE: &str = "LEDGER_TEST_SERVICE";
/// Callers at once.
const CALLERS: usize = 16;
/// The signal comes after so many answers.
const ANSWERS: usize = 150;
/// Above every table: the numbers of the calls, as which they are known in the rows.
const FIRST: u32 = 1000;

const ROWS: &str = "SELECT CAST(context ->> 'party_size' AS TEXT), event_type FROM observability_events \
                    WHERE event_type IN ('auto_assign.quote', 'auto_assign.summary')";

struct Service {
    child: Child,
    address: SocketAddr,
}

impl Service {
    fn start(url: &str, spool: &Path) -> Self {
        let test = env::current_exe().expect("the test knows its own binary");
        let mut child = Command::new(test)
            .args(["--exact", "graceful::the_service", "--nocapture"])
            .env(SERVICE, "1")
            .env("DATABASE_URL", url)
            .env("PORT", "0")
            .env("TRACING_LEDGER_SPOOL_DIR", spool)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        let address = loop {
            let mut line = String::new();
            assert_ne!(stdout.read_line(&mut line).expect("it speaks"), 0, "it ends before it listens");
            if let Some((_, address)) = line.trim().split_once("listening on ") {
                break address.parse().expect("an address");
            }
        };
        child.stdout = Some(stdout.into_inner());
        Self { child, address }
    }

    #[expect(unsafe_code, reason = "std sends no other signal than SIGKILL")]
    fn signal(&self, signal: i32) {
        // SAFETY: the child has not been waited for, so the id is its own.
        assert_eq!(unsafe { libc::kill(self.child.id() as i32, signal) }, 0);
    }

    /// Waits for the end, and returns stderr without the line of the start.
    fn end(self) -> String {
        let output = self.child.wait_with_output().expect("it ends");
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{}{stderr}", String::from_utf8_lossy(&output.stdout));
        let lines = stderr.lines().filter(|line| !line.starts_with("tracing-ledger: on: "));
        lines.collect()
    }
}

/// Whether the call was answered.
fn call(address: SocketAddr, number: u32) -> bool {
    let Ok(mut stream) = TcpStream::connect(address) else { return false };
    let request = format!("POST /quotes/{number} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
    let mut answer = String::new();
    stream.write_all(request.as_bytes()).is_ok()
        && stream.read_to_string(&mut answer).is_ok()
        && answer.starts_with("HTTP/1.1 409 ")
}

/// Calls until the service takes no more calls, and signals it meanwhile; the calls that were answered.
fn load(service: &Service, signals: &[i32]) -> Vec<u32> {
    let (next, answered) = (AtomicU32::new(FIRST), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..CALLERS {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if !call(service.address, number) {
                        return;
                    }
                    let mut answered = answered.lock().expect("no caller panics");
                    answered.push(number);
                    if answered.len() == ANSWERS {
                        signals.iter().for_each(|signal| service.signal(*signal));
                    }
                }
            });
        }
    });
    answered.into_inner().expect("no caller panics")
}

async fn rows(url: &str) -> Vec<(String, String)> {
    let rows = if url.starts_with("sqlite") {
        let mut connection = SqliteConnection::connect(url).await.expect("the file is there");
        sqlx::query_as(ROWS).fetch_all(&mut connection).await
    } else {
        let mut connection = PgConnection::connect(url).await.expect("the server is there");
        sqlx::query_as(ROWS).fetch_all(&mut connection).await
    };
    rows.expect("the table is there")
}

/// Each answered call is in the table, with its job and the call of its job.
fn assert_rows(url: &str, answered: &[u32]) {
    let mut counts = HashMap::<_, usize>::new();
    runtime().block_on(rows(url)).into_iter().for_each(|row| *counts.entry(row).or_default() += 1);
    assert!(answered.len() >= ANSWERS, "{} answers", answered.len());
    for number in answered {
        let count = |event_type: &str| counts.get(&(number.to_string(), event_type.to_owned())).copied();
        assert_eq!(count("auto_assign.quote"), Some(2), "call {number}");
        assert_eq!(count("auto_assign.summary"), Some(1), "job {number}");
    }
}

/// The example itself, in a process of its own.
#[test]
fn the_service() {
    if env::var_os(SERVICE).is_some() {
        example::main().expect("it ends well");
    }
}

#[test]
fn sigterm_under_load_loses_no_row() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let url = Cluster::shared().database();
    let service = Service::start(&url, &folder.path().join("spool"));
    // The second comes while the first is being obeyed.
    let answered = load(&service, &[libc::SIGTERM, libc::SIGTERM]);
    assert_eq!(service.end(), "");
    assert_rows(&url, &answered);
}

#[test]
fn ctrl_c_under_load_loses_no_row() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = SqliteFile::new();
    let service = Service::start(&file.url(), &folder.path().join("spool"));
    let answered = load(&service, &[libc::SIGINT]);
    assert_eq!(service.end(), "");
    assert_rows(&file.url(), &answered);
}

#[test]
fn sigterm_while_the_database_is_down_leaves_the_rows_to_the_next_process() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let spool = folder.path().join("spool");
    let nowhere = format!("postgres://nobody@127.0.0.1:{}/nothing", free_port());
    let service = Service::start(&nowhere, &spool);
    let answered = load(&service, &[libc::SIGTERM]);
    let stderr = service.end();
    assert!(!stderr.contains("loses"), "{stderr}");

    let url = Cluster::shared().database();
    let service = Service::start(&url, &spool);
    service.signal(libc::SIGTERM);
    service.end();
    assert_rows(&url, &answered);
}
