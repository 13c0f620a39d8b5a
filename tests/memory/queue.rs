//! A full queue takes no more memory than its limit, whatever the records are like. A process of its own, because it
//! counts what all threads allocate.

use std::time::{Duration, Instant};

use crate::counting::allocated;
use support::{alone, until};
use tracing::{Dispatch, instrument};
use tracing_ledger::store::{Attempt, InsertError, Store};
use tracing_ledger::{Builder, Row, builder};
use tracing_subscriber::{Registry, prelude::*};

const MIB: usize = 1024 * 1024;
/// The rows that the writer has made before it has to wait: a batch, and the next. Each ends once it has its bytes, or more by
/// one step of records: 256 KiB and a chunk of 64 KiB and a record, which take eight times as much in memory as rows.
const TAKEN: usize = 2 * (8 + 8 * 3 / 8) * MIB;
/// The chunk that the test's thread is filling: 64 KiB and a record, in a buffer that doubles.
const FILLING: usize = MIB / 4;
const TEXT: &str = text(&[b'x'; 8 * 1024]);
/// A queue that takes nothing for so long is full, and the writer has all the rows that it makes before it has to wait.
const REST: Duration = Duration::from_millis(250);
/// Six times as long in a row, which is JSON.
const CONTROL: &str = text(&[1; 8 * 1024]);

const fn text(bytes: &'static [u8]) -> &'static str {
    match str::from_utf8(bytes) {
        Ok(text) => text,
        Err(_) => "",
    }
}

/// A database that is down.
struct Away;

impl Store for Away {
    async fn insert(&mut self, _: &[Row], _: Attempt) -> Result<(), InsertError> {
        std::future::pending().await
    }
}

/// Bytes that it takes to fill the queue with what `work` makes, and that the writer has made rows of.
fn bytes_of(work: &dyn Fn()) -> usize {
    let before = allocated();
    let builder = builder().queue_capacity(usize::MAX / 4);
    let (layer, guard) = builder.build_with::<Registry>(Away).expect("a ledger");
    let dispatch = Dispatch::from(tracing_subscriber::registry().with(layer));
    tracing::dispatcher::with_default(&dispatch, || {
        let (mut accepted, mut since) = (0, Instant::now());
        while since.elapsed() < REST {
            work();
            let now = guard.stats().accepted;
            if now != accepted {
                (accepted, since) = (now, Instant::now());
            }
        }
    });
    let bytes = allocated() - before;
    guard.shutdown(Duration::ZERO).expect_err("the database is away");
    drop(dispatch);
    until("the queue is given back with its writer", || allocated() <= before + MIB);
    bytes
}

#[instrument(name = "quote_tables_for_booking", err)]
fn fail() -> Result<(), &'static str> {
    Err(TEXT)
}

#[test]
fn a_full_queue_takes_no_more_than_its_limit() {
    alone("queue::a_full_queue_takes_no_more_than_its_limit", fill_queues);
}

fn fill_queues() {
    let text = |length: usize| move || tracing::info!(name: "auto_assign.started", text = &TEXT[..length]);
    let texts = || {
        tracing::info!(name: "auto_assign.started", a = TEXT, b = TEXT, c = TEXT, d = TEXT, e = TEXT, f = TEXT);
    };
    let control = || tracing::info!(name: "auto_assign.started", text = CONTROL);
    let error = || {
        fail().ok();
    };
    let works: [&dyn Fn(); 6] = [&text(300), &text(700), &text(TEXT.len()), &texts, &control, &error];
    let bytes = works.map(bytes_of);
    let limit = Builder::MAX_QUEUE_BYTES as usize + FILLING + TAKEN;
    assert!(bytes.iter().all(|bytes| *bytes <= limit), "{bytes:?} bytes, and not {limit}");
}
