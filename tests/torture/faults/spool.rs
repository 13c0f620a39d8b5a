//! Rows wait on disk: until the next process, on a full disk, and after damage.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tracing_ledger::store::Memory;
use tracing_ledger::{Builder, Guard, Stats};
use tracing_subscriber::Registry;
use tracing_subscriber::prelude::*;

use crate::load::{Load, Pace, call};
use crate::oracle::OracleRow;
use crate::proxy::{Proxy, Weather};
use crate::scene::{
    DRAINED_WITHIN, FaultVerdict, Round, Scene, Setup, SpoolChoice, ledger, shut_down, spool_dir,
    wait_until_drained,
};
use crate::stage::Stage;
use crate::tmpfs::Tmpfs;
use crate::wait::{pause, until};
use support::gated;

const LIMIT: u64 = 512 * 1024;
/// A batch of the largest records, and the files besides segments.
const OVER_THE_LIMIT: u64 = 64 * 1024;
const FULL_WITHIN: Duration = Duration::from_mins(10);

/// The service is shut down while the database is down, and started again, several times: the last one writes the rows that
/// the first left on disk.
pub(crate) fn restarted(round: Round) -> FaultVerdict {
    let Round { mut rng, scale, .. } = round;
    let seed = rng.next();
    let stage = Stage::set(&Setup::default(), seed);
    let proxy = Proxy::to(stage.cluster.port());
    let url = stage.url(proxy.port());
    let dir = spool_dir();
    let builder = || tracing_ledger::builder().spool_dir(dir.path());
    proxy.weather(*rng.pick(&[Weather::Reset, Weather::Silence]));
    let mut calls = Vec::new();
    for _ in 0..2 * scale {
        let (dispatch, guard) = ledger(builder(), &url);
        let pace = Pace { threads: 2, every: Duration::from_micros(500) };
        let load = Load::start_at(calls.len() as u64, &dispatch, seed, pace);
        pause(rng.ms(50..500));
        calls.extend(load.stop());
        until(DRAINED_WITHIN, "all is on disk", || guard.stats().in_flight == 0);
        let stats = shut_down(guard, rng.ms(100..300)).expect("what is on disk is no error");
        assert_eq!((stats.spooled, stats.in_flight), (calls.len() as u64, 0), "all is on disk: {stats}");
    }
    proxy.weather(Weather::Fair);
    let began = Instant::now();
    let (_, guard) = ledger(builder(), &url);
    wait_until_drained(&guard, DRAINED_WITHIN);
    let drain = began.elapsed();
    let stats = shut_down(guard, DRAINED_WITHIN).expect("everything is written");
    let verdict = stage.check(&calls, &[], stats);
    assert_eq!(verdict.lost, 0, "{stats}");
    FaultVerdict { drain, ..verdict }
}

/// The limit of the spool is reached while the database is down: it is kept, and records without room are refused and
/// counted.
pub(crate) fn full(round: Round) -> FaultVerdict {
    fill(round, spool_dir().path(), |builder| builder.spool_limit(LIMIT), Some(LIMIT + OVER_THE_LIMIT))
}

/// The disk of the spool is full before its limit is reached.
pub(crate) fn disk_full(round: Round) -> FaultVerdict {
    let owner = spool_dir();
    let disk = Tmpfs::mount(owner.path(), 1);
    let verdict = fill(round, &disk.path().join("spool"), |builder| builder, None);
    drop(disk);
    verdict
}

fn fill(round: Round, dir: &Path, limit: fn(Builder) -> Builder, at_most: Option<u64>) -> FaultVerdict {
    let setup = Setup {
        queue_capacity: 2000,
        spool: SpoolChoice::In(dir.to_owned()),
        ledger: limit,
        ..Setup::default()
    };
    let mut scene = Scene::open(round, setup);
    scene.calm();
    for _ in 0..scene.scale {
        scene.proxy.weather(Weather::Reset);
        let before = scene.guard.stats().refused.queue_full;
        until(FULL_WITHIN, "disk and queue are full", || scene.guard.stats().refused.queue_full > before);
        scene.suffer(0..500);
        let size = size_of(dir);
        assert!(at_most.is_none_or(|most| size <= most), "the spool takes {size} bytes, over {at_most:?}");
        scene.proxy.weather(Weather::Fair);
        scene.suffer(0..500);
    }
    scene.healed();
    scene.verdict()
}

fn size_of(dir: &Path) -> u64 {
    let entries = fs::read_dir(dir).expect("the spool is there");
    // A segment may be deleted while we look.
    entries.filter_map(|entry| Some(entry.ok()?.metadata().ok()?.len())).sum()
}

const RECORDS: u64 = 4;

/// A bit is flipped, at every offset of what is on disk: one record is lost, and counted, and the others are
/// as they were.
pub(crate) fn bit_flipped(mut round: Round) -> FaultVerdict {
    let seed = round.rng.next();
    let mut rng = round.rng.clone();
    sweep(
        round,
        seed,
        |bytes, offset| bytes[offset] ^= 1 << rng.within(0..8),
        |stats| {
            assert_eq!((stats.written, stats.dropped.corrupt), (RECORDS - 1, 1), "{stats}");
        },
    )
}

/// The end of it is cut off, at every offset, as when the power fails: nothing before that is lost.
pub(crate) fn truncated(mut round: Round) -> FaultVerdict {
    let seed = round.rng.next();
    let mut last = 0;
    sweep(
        round,
        seed,
        |bytes, offset| bytes.truncate(offset),
        |stats| {
            assert!(stats.written >= last && stats.written < RECORDS, "a longer file has more: {stats}");
            last = stats.written;
            // Where the cut is between two records there is nothing to see.
            assert!(stats.dropped.corrupt <= 1, "{stats}");
        },
    )
}

/// Does that damage at offset after offset of a spool with a few records, and checks the rows that come out.
fn sweep(
    mut round: Round,
    seed: u64,
    mut damage: impl FnMut(&mut Vec<u8>, usize),
    mut check: impl FnMut(Stats),
) -> FaultVerdict {
    let (name, whole) = segment(seed);
    let stride = if round.thorough { 1 } else { 67 };
    let mut verdict = FaultVerdict::default();
    for offset in (round.rng.within(0..stride) as usize..whole.len()).step_by(stride as usize) {
        let dir = spool_dir();
        let mut bytes = whole.clone();
        damage(&mut bytes, offset);
        fs::write(dir.path().join(&name), bytes).expect("a file is written");
        let stats = replay(dir.path(), seed);
        check(stats);
        verdict.records += RECORDS;
        verdict.counted += RECORDS - stats.written;
    }
    verdict
}

/// The one segment of a spool with a few records, and its name.
fn segment(seed: u64) -> (PathBuf, Vec<u8>) {
    let dir = spool_dir();
    let (_gate, closed) = gated(Memory::default());
    let builder = tracing_ledger::builder().spool_dir(dir.path());
    let (layer, guard) = builder.build_with::<Registry>(closed).expect("a ledger");
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        for n in 0..RECORDS {
            call(seed, n, false);
        }
    });
    until(DRAINED_WITHIN, "all is on disk", || guard.stats().in_flight == 0);
    let stats = guard.shutdown(Duration::from_millis(200)).expect("what is on disk is no error");
    assert_eq!(stats.spooled, RECORDS, "{stats}");
    let files = fs::read_dir(dir.path()).expect("the spool is there");
    let mut paths = files.map(|entry| entry.expect("an entry is read").path());
    let path = paths.find(|path| path.extension().is_some_and(|extension| extension == "segment1"));
    let path = path.expect("records are in a segment");
    (path.file_name().expect("a file has a name").into(), fs::read(&path).expect("a file is read"))
}

/// Opens the spool, lets everything out, and returns the account. Each row that comes out is as it was called, and comes once.
fn replay(dir: &Path, seed: u64) -> Stats {
    let memory = Memory::default();
    let builder = tracing_ledger::builder().spool_dir(dir);
    let (_, guard): (_, Guard) =
        builder.build_with::<Registry>(memory.clone()).expect("a damaged spool opens");
    let stats = guard.shutdown(DRAINED_WITHIN).expect("everything is written");
    let rows = memory.rows();
    let mut rows: Vec<OracleRow> =
        rows.iter().map(OracleRow::from).filter(|row| row.told().is_none()).collect();
    rows.iter().for_each(|row| row.check(seed, false));
    rows.sort_by_key(OracleRow::n);
    rows.dedup_by_key(|row| row.n());
    assert_eq!(rows.len() as u64, stats.written, "{stats}");
    stats
}
