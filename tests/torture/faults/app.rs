//! The service itself is killed.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use crate::app::App;
use crate::proxy::Proxy;
use crate::scene::{Round, Setup, Stage, Verdict};
use crate::wait::pause;

/// No service makes so many calls before it is killed.
const NUMBERS: u64 = 1_000_000;

/// SIGKILL, again and again. What a flush said to be written is there, and nothing is there twice; the rest was
/// in memory and is gone.
pub(crate) fn killed(mut round: Round) -> Verdict {
    let seed = round.rng.next();
    let stage = Stage::set(&Setup::default(), seed);
    let proxy = Proxy::to(stage.cluster.port());
    let mut promised = Vec::new();
    for service in 0..8 * u64::from(round.scale) {
        let first = service * NUMBERS;
        let mut app = App::start(&stage.url(proxy.port()), seed, first);
        let safe = app.wait_until_up();
        pause(round.rng.ms(0..200));
        promised.push(first..app.kill().or(safe).unwrap_or(first));
    }
    let began = Instant::now();
    stage.wait_for_sessions();
    let drain = began.elapsed();
    check(&stage, seed, promised.into_iter().flatten(), drain)
}

fn check(stage: &Stage, seed: u64, promised: impl Iterator<Item = u64>, drain: Duration) -> Verdict {
    let rows = stage.rows();
    let mut there = HashSet::new();
    for row in &rows {
        row.check(seed, false);
        assert!(there.insert(row.n()), "a call is there twice: {row:#?}");
    }
    let lost: Vec<_> = promised.filter(|n| !there.contains(n)).collect();
    assert!(lost.is_empty(), "calls that were said to be safe are not there: {lost:?}");
    Verdict { records: rows.len() as u64, drain, ..Verdict::default() }
}
