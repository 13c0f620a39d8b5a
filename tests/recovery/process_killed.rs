//! SIGKILL and an abort cost no row that has been on disk, whatever the database was doing. The process that ends says
//! over a pipe how many rows are safe; the one that comes after it fills the table.

use std::collections::HashSet;
use std::env;
use std::io::{self, BufRead, BufReader, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{self, Child, ChildStdout, Stdio};

use sqlx::Connection as _;
use support::{DEADLINE, this_test};
use tracing::Dispatch;
use tracing_ledger::store::{Attempt, Failure, InsertError, Sqlite, Store};
use tracing_ledger::{Guard, Row};
use tracing_subscriber::prelude::*;

/// Set in the process that is to end: after how many rows it aborts, what its database does, and the folder of
/// everything.
const VICTIM: &str = "LEDGER_TEST_VICTIM";

/// The state of the database while the victim lives.
const DATABASES: [&str; 3] = ["hangs", "fails", "works"];

enum VictimDatabase {
    Hangs,
    Fails,
    Works(Box<Sqlite>),
}

impl Store for VictimDatabase {
    async fn insert(&mut self, batch: &[Row], attempt: Attempt) -> Result<(), InsertError> {
        match self {
            Self::Hangs => std::future::pending().await,
            Self::Fails => Err(InsertError::new(Failure::Retry, "the test says no")),
            Self::Works(table) => table.insert(batch, attempt).await,
        }
    }
}

impl VictimDatabase {
    fn named(name: &str, folder: &Path) -> Self {
        match name {
            "hangs" => Self::Hangs,
            "fails" => Self::Fails,
            _ => {
                let table = Sqlite::from_url(&url(folder)).expect("the URL is right");
                Self::Works(Box::new(table.create_table(true)))
            }
        }
    }
}

fn url(folder: &Path) -> String {
    format!("sqlite:{}", folder.join("table.sqlite3").display())
}

fn open(database: &str, folder: &Path) -> (Dispatch, Guard) {
    let builder = tracing_ledger::builder().spool_dir(folder.join("spool"));
    let (layer, guard) = builder.build_with(VictimDatabase::named(database, folder)).expect("a ledger");
    (tracing_subscriber::registry().with(layer).into(), guard)
}

/// How a process ends.
#[derive(Clone, Copy)]
enum Ending {
    Sigkill,
    Abort,
}

/// Emits until it is killed or enough rows are safe, and says how many rows are on disk or in the table.
#[expect(clippy::print_stdout, reason = "this is how the victim speaks to the test")]
fn emit_until_the_end(wanted: &str) {
    let [abort_at, database, folder] = wanted.splitn(3, ' ').collect::<Vec<_>>()[..] else {
        panic!("a number, a database and a folder: {wanted}")
    };
    let abort_at = abort_at.parse().expect("a number of rows");
    let (dispatch, guard) = open(database, Path::new(folder));
    tracing::dispatcher::with_default(&dispatch, || {
        for number in 0_i64.. {
            tracing::info!(name: "auto_assign.started", number);
            let stats = guard.stats();
            let safe = stats.spooled + stats.written;
            println!("safe {safe}");
            io::stdout().flush().expect("the test listens");
            if safe >= abort_at {
                process::abort();
            }
        }
    });
}

fn start(abort_at: u64, database: &str, folder: &Path) -> (Child, BufReader<ChildStdout>) {
    let mut child = this_test("process_killed::rows_on_disk_survive_sigkill")
        .env(VICTIM, format!("{abort_at} {database} {}", folder.display()))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("this test starts itself");
    let stdout = BufReader::new(child.stdout.take().expect("stdout is a pipe"));
    (child, stdout)
}

/// Ends a process once so many rows are safe; how many were when it last said so. The last line may be torn.
fn end_after(rows: u64, end: Ending, database: &str, folder: &Path) -> i64 {
    let abort_at = match end {
        Ending::Sigkill => u64::MAX,
        Ending::Abort => rows,
    };
    let (mut child, mut stdout) = start(abort_at, database, folder);
    let said = std::iter::from_fn(|| {
        let mut line = String::new();
        stdout.read_line(&mut line).ok().filter(|bytes| *bytes > 0).map(|_| line)
    });
    let mut said = said.filter_map(|line| line.strip_suffix('\n')?.strip_prefix("safe ")?.parse().ok());
    let first = said.find(|safe| *safe >= rows as i64).expect("rows get onto disk");
    if let Ending::Sigkill = end {
        child.kill().expect("it is there to be killed");
    }
    let last = said.last().unwrap_or(first);
    let signal = child.wait().expect("it is gone").signal();
    assert_eq!(signal, Some(if let Ending::Sigkill = end { libc::SIGKILL } else { libc::SIGABRT }));
    last
}

/// The numbers of the rows in the table. The row on a loss has none: a write that the kill cut in two is one.
fn numbers(folder: &Path) -> Vec<i64> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let numbers = runtime.block_on(async {
        let mut connection = sqlx::SqliteConnection::connect(&url(folder)).await?;
        let numbers =
            "SELECT context ->> 'number' FROM observability_events WHERE event_type <> 'ledger.loss'";
        sqlx::query_scalar(numbers).fetch_all(&mut connection).await
    });
    numbers.expect("the table can be read")
}

#[test]
fn rows_on_disk_survive_sigkill() {
    if let Ok(wanted) = env::var(VICTIM) {
        return emit_until_the_end(&wanted);
    }
    assert_survives(Ending::Sigkill);
}

#[test]
fn rows_on_disk_survive_an_abort() {
    assert_survives(Ending::Abort);
}

fn assert_survives(end: Ending) {
    for database in DATABASES {
        for rows in [1, 500, 5000] {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let folder = folder.path();
            let safe = end_after(rows, end, database, folder);
            let (_dispatch, guard) = open("works", folder);
            let stats = guard.shutdown(DEADLINE).expect("the table is there");

            let all = numbers(folder);
            let distinct: HashSet<_> = all.iter().copied().collect();
            assert_eq!(distinct.len(), all.len(), "{database}: no row is there twice");
            let lost = (0..safe).filter(|number| !distinct.contains(number)).count();
            assert_eq!(lost, 0, "{database}: of {safe} that were safe; {stats}");
        }
    }
}
