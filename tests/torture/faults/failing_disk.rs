//! The disk of the spool fails: the kernel says EIO to a real process that writes to a real disk.

use std::time::{Duration, Instant};

use crate::app::{self, ServicePlan, ServiceProcess, Tally};
use crate::proxy::{Proxy, Weather};
use crate::scene::{
    DRAINED_WITHIN, FaultVerdict, Round, Setup, ledger, shut_down, spool_dir, wait_until_drained,
};
use crate::stage::Stage;
use crate::tracer::{DiskFailure, Tracer};
use crate::wait::{pause, until};

const CALLS: u64 = 5000;
/// Often, so that several fail.
const SYNC_INTERVAL: Duration = Duration::from_millis(10);

const STAY: &str = "rows stay in memory, as far as the queue has room: cannot write to";
const AGAIN: &str = "the spool takes rows again";
const MAY_BE_SENT_AGAIN: &str = "rows that are stored may be sent again, since this cannot be written";
const UNSYNCED: &str = "rows would not survive a power loss, cannot sync";

/// One way a disk fails.
struct Case {
    failure: DiskFailure,
    /// Whether everything gets onto disk all the same, while the database is down.
    is_spooled: bool,
    /// The notices that must appear once.
    says: &'static [&'static str],
    /// The notices that must not appear.
    keeps_to_itself: &'static [&'static str],
}

/// No write succeeds any more, or none to one of the files, or none for a while.
pub(crate) fn write(round: Round) -> FaultVerdict {
    let write = |file, when| DiskFailure { call: "pwrite64", file, when };
    // The first two take the place of the acknowledgement.
    let cases = [
        Case {
            failure: write(None, "4+"),
            is_spooled: false,
            says: &[STAY],
            keeps_to_itself: &[AGAIN, UNSYNCED],
        },
        Case {
            failure: write(Some("00000000000000000001.segment1"), "2+"),
            is_spooled: true,
            says: &[STAY, AGAIN],
            keeps_to_itself: &[MAY_BE_SENT_AGAIN, UNSYNCED],
        },
        Case {
            failure: write(None, "4..5"),
            is_spooled: true,
            says: &[STAY, AGAIN],
            keeps_to_itself: &[MAY_BE_SENT_AGAIN, UNSYNCED],
        },
        Case {
            failure: write(Some("acknowledged"), "1+"),
            is_spooled: true,
            says: &[MAY_BE_SENT_AGAIN],
            keeps_to_itself: &[STAY, AGAIN, UNSYNCED],
        },
    ];
    all(round, &cases)
}

/// No file can be synced any more, or one cannot, or its name in the directory.
pub(crate) fn sync(round: Round) -> FaultVerdict {
    let case = |call, when| Case {
        failure: DiskFailure { call, file: None, when },
        is_spooled: true,
        says: &[UNSYNCED],
        keeps_to_itself: &[STAY, MAY_BE_SENT_AGAIN],
    };
    all(round, &[case("fdatasync", "1+"), case("fdatasync", "1"), case("fsync", "1+")])
}

fn all(mut round: Round, cases: &[Case]) -> FaultVerdict {
    let tries = (0..round.scale).flat_map(|_| cases);
    tries.map(|case| fail(&mut round, case)).reduce(FaultVerdict::and).expect("there are cases")
}

/// A service makes its calls while its disk fails, and ends; the next process sends what is on disk. All rows are in
/// the table by the end of the first, and after the second they are the same.
fn fail(round: &mut Round, case: &Case) -> FaultVerdict {
    let seed = round.rng.next();
    let stage = Stage::set(&Setup::default(), seed);
    let proxy = Proxy::to(stage.cluster.port());
    let url = stage.url(proxy.port());
    let dir = spool_dir();
    let spool = Some(dir.path().to_owned());
    let service =
        ServicePlan { url: url.clone(), seed, calls: 0..CALLS, spool, sync_interval: Some(SYNC_INTERVAL) };
    let tracer = Tracer::new();
    let weathers = [Weather::Reset, Weather::Silence, Weather::Fair];
    proxy.weather(*round.rng.pick(if case.is_spooled { &weathers[..2] } else { &weathers }));
    let mut app =
        ServiceProcess::start_by(&mut tracer.command(&case.failure, dir.path(), &app::itself()), &service);
    if case.is_spooled {
        app.wait_until_safe(CALLS);
    } else {
        until(DRAINED_WITHIN, "the disk fails", || tracer.failed() > 0);
    }
    pause(round.rng.ms(0..500));
    proxy.weather(Weather::Fair);
    let began = Instant::now();
    app.wait_until_safe(CALLS);
    let Tally { calls, stats } = app.end();
    let drain = began.elapsed();
    assert!(tracer.failed() > 0, "no call has failed");
    assert_eq!((stats.written, calls.len() as u64), (CALLS, CALLS), "all is in the table: {stats}");
    check_said(&tracer.said(), case);
    let (_, guard) = ledger(tracing_ledger::builder().spool_dir(dir.path()), &url);
    wait_until_drained(&guard, DRAINED_WITHIN);
    shut_down(guard, DRAINED_WITHIN).expect("everything is written");
    let verdict = stage.check(&calls, &[], stats);
    assert_eq!(verdict.lost, 0, "{stats}");
    FaultVerdict { drain, ..verdict }
}

/// One line for each kind of failure, and nothing of anybody else: no panic either.
fn check_said(said: &str, case: &Case) {
    assert!(said.lines().all(|line| line.starts_with("tracing-ledger: ")), "{said}");
    let times = |words| said.lines().filter(|line| line.contains(words)).count();
    for words in case.says {
        assert_eq!(times(words), 1, "{words:?} comes once:\n{said}");
    }
    for words in case.keeps_to_itself {
        assert_eq!(times(words), 0, "{words:?} is not so:\n{said}");
    }
}
