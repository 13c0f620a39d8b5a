//! The service itself is killed.

use std::collections::HashSet;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::app::{ServicePlan, ServiceProcess};
use crate::proxy::{Proxy, Weather};
use crate::scene::{
    DRAINED_WITHIN, FaultVerdict, Round, Setup, ledger, shut_down, spool_dir, wait_until_drained,
};
use crate::stage::Stage;
use crate::wait::pause;

/// No service makes so many calls before it is killed.
const NUMBERS: u64 = 1_000_000;
/// Fewer than fill any buffer.
const FEW: u64 = 10;

/// SIGKILL, again and again. Each row that a flush reported as written is there, and no row is there twice; the rest was
/// in memory and is gone.
pub(crate) fn killed(round: Round) -> FaultVerdict {
    kill_again_and_again(round, None)
}

/// The same with a spool, and a database that is down most of the time. Each row on disk is there once another process has
/// had the spool. After each service comes one that makes a few calls and no more: a writer that holds rows back until there
/// are more of them would never write these.
pub(crate) fn killed_with_spool(round: Round) -> FaultVerdict {
    let dir = spool_dir();
    kill_again_and_again(round, Some(dir.path()))
}

fn kill_again_and_again(mut round: Round, spool: Option<&Path>) -> FaultVerdict {
    let seed = round.rng.next();
    let stage = Stage::set(&Setup::default(), seed);
    let proxy = Proxy::to(stage.cluster.port());
    let url = stage.url(proxy.port());
    let mut promised = Vec::new();
    let service = |calls| ServicePlan {
        url: url.clone(),
        seed,
        calls,
        spool: spool.map(Path::to_owned),
        sync_interval: None,
    };
    for number in 0..8 * u64::from(round.scale) {
        let first = 2 * number * NUMBERS;
        if spool.is_some() {
            proxy.weather(*round.rng.pick(&[Weather::Fair, Weather::Reset, Weather::Silence]));
        }
        let mut app = ServiceProcess::start(&service(first..first + NUMBERS));
        let safe = app.wait_until_up();
        pause(round.rng.ms(0..200));
        promised.push(first..app.kill().or(safe).unwrap_or(first));
        if spool.is_some() {
            proxy.weather(*round.rng.pick(&[Weather::Reset, Weather::Silence]));
            let calls = first + NUMBERS..first + NUMBERS + round.rng.within(1..FEW);
            let mut app = ServiceProcess::start(&service(calls.clone()));
            app.wait_until_safe(calls.end);
            app.kill();
            promised.push(calls);
        }
    }
    proxy.weather(Weather::Fair);
    let began = Instant::now();
    if let Some(dir) = spool {
        let (_, guard) = ledger(tracing_ledger::builder().spool_dir(dir), &url);
        wait_until_drained(&guard, DRAINED_WITHIN);
        shut_down(guard, DRAINED_WITHIN).expect("everything is written");
    }
    stage.wait_for_sessions();
    let drain = began.elapsed();
    check(&stage, seed, promised.into_iter().flatten(), drain)
}

fn check(stage: &Stage, seed: u64, promised: impl Iterator<Item = u64>, drain: Duration) -> FaultVerdict {
    let rows = stage.rows();
    let mut there = HashSet::new();
    for row in rows.iter().filter(|row| row.told().is_none()) {
        row.check(seed, false);
        assert!(there.insert(row.n()), "a call is there twice: {row:#?}");
    }
    let lost: Vec<_> = promised.filter(|n| !there.contains(n)).collect();
    assert!(lost.is_empty(), "calls that were acknowledged are missing: {lost:?}");
    FaultVerdict { records: rows.len() as u64, drain, ..FaultVerdict::default() }
}
