//! A redacted value is nowhere: not in the database as `pg_dump` shows it, not in the bytes of SQLite's files, not in
//! those of the spool and its quarantine, not in the rows that a store gets. It may come typed, by `Debug`, late,
//! overwritten, inherited, in an event, in an error or in a panic.

use std::fs;
use std::io::ErrorKind;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use support::{Cluster, DEADLINE, SOON, SqliteFile, gated, until_on_disk};
use tracing::field::Empty;
use tracing::{Dispatch, info, info_span, instrument};
use tracing_ledger::store::{Attempt, Failure, InsertError, Memory, Store};
use tracing_ledger::{Builder, Guard, LedgerLayer, Row, Rules, Stats};
use tracing_subscriber::prelude::*;
use tracing_subscriber::registry::Registry;

/// In every value that must not be found.
const SECRET: &[u8] = b"s3cret";
/// In one value of every row, to show that the search looks where the rows are.
const OPEN: &[u8] = b"0pen";
/// Rows that [`calls`] makes.
const ROWS: usize = 7;

fn builder() -> Builder {
    let rules: Rules = r#"
        [[rule]]
        span = ["sign_up", "failing"]
        redact = { email = "drop", phone = "hash", error = "drop" }
        silent = "ok"

        [[rule]]
        span = "send_mail"
        inherit = ["email", "phone", "token"]
        inherit_from = ["*"]
        redact = ["token"]
        silent = "ok"

        [[rule]]
        event = "mail.sent"
        inherit = ["email"]
        redact = { "*" = "drop", kind = "hash" }
        set = { kind = "0pen" }

        [[rule]]
        span = "filler"
        silent = "ok"
    "#
    .parse()
    .expect("good rules");
    tracing_ledger::builder().rules(rules).create_table(true)
}

#[derive(Debug)]
struct Person {
    email: &'static str,
}

#[instrument(skip_all, err, fields(kind = "0pen failing"))]
fn failing() -> Result<(), String> {
    Err("no such user: s3cret-error".to_owned())
}

/// Every way a value takes, in [`ROWS`] rows.
fn calls() {
    info_span!("sign_up", kind = "0pen typed", email = "s3cret-typed", phone = "s3cret-phone")
        .in_scope(|| ());
    let person = Person { email: "s3cret-debug" };
    info_span!("sign_up", kind = "0pen debug", email = ?person, phone = %person.email).in_scope(|| ());
    let late = info_span!("sign_up", kind = "0pen late", email = Empty, phone = "s3cret-before");
    late.in_scope(|| {
        late.record("email", "s3cret-late").record("phone", "s3cret-after");
        late.record("phone", tracing::field::debug("s3cret-last"));
        info_span!("carrier", token = "s3cret-token").in_scope(|| {
            info_span!("send_mail", kind = "0pen inherited").in_scope(|| {
                info!(name: "mail.sent", address = "s3cret-address", person = ?person, "s3cret-message");
            });
        });
    });
    failing().expect_err("it fails");
    let panicking = || info_span!("failing", kind = "0pen panic").in_scope(|| panic!("s3cret-panic"));
    catch_unwind(panicking).expect_err("it panics");
}

fn run((layer, guard): (LedgerLayer<Registry>, Guard), deadline: Duration) -> Stats {
    let dispatch: Dispatch = tracing_subscriber::registry().with(layer).into();
    tracing::dispatcher::with_default(&dispatch, calls);
    guard.shutdown(deadline).expect("every row is where it shall be")
}

#[track_caller]
fn write(ledger: (LedgerLayer<Registry>, Guard)) {
    assert_eq!(run(ledger, DEADLINE).written, ROWS as u64);
}

/// All bytes in the files of a folder. SQLite deletes its log once the contents are in the file of the database, so that
/// file is read last.
fn bytes_in(folder: &Path) -> Vec<u8> {
    let files = fs::read_dir(folder).expect("the folder is there");
    let mut paths: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
    paths.sort();
    let read = |path: &PathBuf| match fs::read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
        bytes => bytes.expect("readable"),
    };
    paths.iter().rev().flat_map(read).collect()
}

fn count(haystack: &[u8], needle: &[u8]) -> usize {
    haystack.windows(needle.len()).filter(|bytes| bytes == &needle).count()
}

#[track_caller]
fn assert_no_trace(bytes: &[u8]) {
    assert!(count(bytes, OPEN) >= ROWS, "{} rows are here", count(bytes, OPEN));
    assert_eq!(count(bytes, SECRET), 0, "{}", String::from_utf8_lossy(bytes));
}

#[test]
fn a_dump_of_postgres_has_no_redacted_value() {
    let cluster = Cluster::shared();
    let url = cluster.database();
    write(builder().build(&url).expect("a ledger in Postgres"));
    let dump = Command::new(cluster.program("pg_dump")).args(["-d", &url]).output().expect("it starts");
    assert!(dump.status.success(), "{}", String::from_utf8_lossy(&dump.stderr));
    assert_no_trace(&dump.stdout);
}

#[test]
fn the_files_of_sqlite_have_no_redacted_value() {
    let file = SqliteFile::new();
    write(builder().build(&file.url()).expect("a ledger in SQLite"));
    assert_no_trace(&bytes_in(file.path().parent().expect("it is in a folder of its own")));
}

#[test]
fn the_spool_has_no_redacted_value() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (_closed, store) = gated(Memory::default());
    let ledger = builder().spool_dir(folder.path()).build_with(store).expect("a ledger with a spool");
    let (layer, guard) = ledger;
    let dispatch: Dispatch = tracing_subscriber::registry().with(layer).into();
    tracing::dispatcher::with_default(&dispatch, calls);
    until_on_disk(&guard);
    assert_eq!(guard.shutdown(SOON).expect("every row is on disk").spooled, ROWS as u64);
    assert_no_trace(&bytes_in(folder.path()));
}

/// Takes nothing but filler.
struct Refusing;

impl Store for Refusing {
    async fn insert(&mut self, batch: &[Row], _: Attempt) -> Result<(), InsertError> {
        let refused = batch.iter().any(|event| &*event.event_type != "filler");
        let error = || InsertError::new(Failure::Quarantine, "not this one");
        if refused { Err(error()) } else { Ok(()) }
    }
}

#[test]
fn the_quarantine_has_no_redacted_value() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (layer, guard) = builder()
        .spool_dir(folder.path())
        .flush_interval(DEADLINE)
        .build_with(Refusing)
        .expect("a ledger with a spool");
    let dispatch: Dispatch = tracing_subscriber::registry().with(layer).into();
    tracing::dispatcher::with_default(&dispatch, || {
        // More than a few refused rows in a batch would be the table's fault.
        (0..100).for_each(|_| info_span!("filler").in_scope(|| ()));
        calls();
    });
    let stats = guard.flush(DEADLINE).expect("all is written or quarantined");
    assert_eq!(stats.quarantined, ROWS as u64);
    assert_no_trace(format!("{:?}", guard.quarantined()).as_bytes());
    assert_no_trace(&fs::read(folder.path().join("quarantine.jsonl")).expect("it is there"));
    assert_no_trace(&bytes_in(folder.path()));
}

#[test]
fn a_store_receives_no_redacted_value() {
    let memory = Memory::default();
    write(builder().build_with(memory.clone()).expect("a ledger in memory"));
    assert_no_trace(format!("{:?}", memory.rows()).as_bytes());
}

/// The search would find them.
#[test]
fn without_redaction_every_value_is_stored() {
    let rules: Rules = r#"
        [[rule]]
        span = ["sign_up", "failing", "send_mail"]
        inherit = ["token"]
        inherit_from = ["*"]
        silent = "ok"
        [[rule]]
        event = "mail.sent"
    "#
    .parse()
    .expect("good rules");
    let memory = Memory::default();
    write(tracing_ledger::builder().rules(rules).build_with(memory.clone()).expect("a ledger in memory"));
    let text = format!("{:?}", memory.rows());
    for way in ["typed", "phone", "debug", "late", "last", "token", "address", "message", "error", "panic"] {
        assert!(text.contains(&format!("s3cret-{way}")), "{way} in {text}");
    }
}
