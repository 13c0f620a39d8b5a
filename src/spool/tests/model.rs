//! The spool keeps its promises under any order of appends, acknowledgements, cuts, kills and losses of power.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::memory::{DiskFault, MemoryDisk};
use super::{drain, number, row};
use crate::error::Error;
use crate::row::Row;
use crate::spool::{AppendError, SMALLEST_LIMIT, Spool, SpoolOptions};

#[derive(Clone, Debug)]
enum ModelStep {
    /// So many rows with so many bytes of padding.
    Append(u8, u16),
    SpooledRows(u8),
    Acknowledge,
    Sync,
    Fail(DiskFault),
    /// The process ends like this, and so do those that take over, one by one, each in the middle of opening the spool.
    /// The last one opens it.
    End(Death, Vec<(DiskFault, Death)>),
}

fn steps() -> impl Strategy<Value = Vec<ModelStep>> {
    let part = 0..4000_usize;
    let fault = prop_oneof![
        part.clone().prop_map(DiskFault::Short),
        part.clone().prop_map(DiskFault::Full),
        part.prop_map(DiskFault::Broken),
        Just(DiskFault::Sync),
        Just(DiskFault::Interrupted),
        kill(),
    ];
    let loss = prop_oneof![Just(Death::Process), any::<u64>().prop_map(Death::Power)];
    let deaths = prop::collection::vec((kill(), loss.clone()), 0..3);
    let step = prop_oneof![
        6 => (1..12_u8, 0..2000_u16).prop_map(|(rows, padding)| ModelStep::Append(rows, padding)),
        4 => (1..20_u8).prop_map(ModelStep::SpooledRows),
        3 => Just(ModelStep::Acknowledge),
        2 => Just(ModelStep::Sync),
        2 => fault.prop_map(ModelStep::Fail),
        2 => (loss, deaths).prop_map(|(loss, deaths)| ModelStep::End(loss, deaths)),
    ];
    prop::collection::vec(step, 1..80)
}

fn kill() -> impl Strategy<Value = DiskFault> {
    (1..12_u32, 0..4000_usize).prop_map(|(call, bytes)| DiskFault::Kill { call, bytes })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_accepted_row_is_lost_altered_or_invented(steps in steps()) {
        let mut model = Model::new();
        for step in steps {
            model.take(step);
        }
        model.restart(Death::Process, Vec::new());
    }
}

/// A row that the spool has taken and that is not acknowledged.
struct Kept {
    row: Row,
    /// A sync came after it.
    synced: bool,
    /// A sync after it failed: nothing is promised any more for a loss of power.
    doomed: bool,
}

/// The end of the process or of the machine.
#[derive(Clone, Copy, Debug)]
enum Death {
    /// SIGKILL.
    Process,
    /// A loss of power. The dice decide which unsynced data is left.
    Power(u64),
}

impl Death {
    fn is_of_power(self) -> bool {
        matches!(self, Self::Power(_))
    }
}

/// The spool, and the rows that it must have.
struct Model {
    disk: MemoryDisk,
    spool: Spool<MemoryDisk>,
    taken: Vec<Kept>,
    /// How many of these were handed out by this process.
    handed_out: usize,
    up_to: u64,
    /// Rows that may come again or not: refused by a failing disk, or acknowledged to one.
    maybe: BTreeSet<u64>,
    /// Records that the power took and that are not acknowledged: every process counts them.
    lost: u64,
    rows: u64,
}

impl Model {
    fn new() -> Self {
        let disk = MemoryDisk::default();
        let spool = open(&disk).expect("nothing keeps it from opening");
        let (taken, maybe) = Default::default();
        Self { disk, spool, taken, handed_out: 0, up_to: 0, maybe, lost: 0, rows: 0 }
    }

    fn take(&mut self, step: ModelStep) {
        match step {
            ModelStep::Append(rows, padding) => self.append(rows, padding),
            ModelStep::SpooledRows(rows) => self.batch(rows),
            ModelStep::Acknowledge => self.acknowledge(),
            ModelStep::Sync => self.sync(),
            ModelStep::Fail(fault) => self.disk.fail(fault),
            ModelStep::End(loss, deaths) => self.restart(loss, deaths),
        }
        if self.spool.take_failure().is_some() {
            self.doom();
        }
    }

    fn append(&mut self, count: u8, padding: u16) {
        let new = self.rows..self.rows + u64::from(count);
        self.rows = new.end;
        let all: Vec<Row> = new.map(|number| padded(number, padding)).collect();
        let mut left = all.clone();
        let appended = self.spool.append(&mut left);
        assert_eq!(appended.is_ok(), left.is_empty());
        let taken = all.len() - left.len();
        assert_eq!(all[taken..], left, "what is left is what comes last");
        if let Err(AppendError::Disk(_)) = appended {
            self.maybe.extend(left.iter().map(number));
        }
        let taken = all.into_iter().take(taken);
        self.taken.extend(taken.map(|row| Kept { row, synced: false, doomed: false }));
    }

    fn batch(&mut self, rows: u8) {
        let batch = self.spool.next_batch(rows.into(), usize::MAX).expect("every file can be opened");
        assert_eq!(batch.lost, 0);
        let expected = self.taken[self.handed_out..].iter().map(|taken| &taken.row);
        assert!(batch.rows.iter().eq(expected.take(batch.rows.len())), "in order and unaltered");
        assert!(!batch.rows.is_empty() || self.handed_out == self.taken.len());
        self.handed_out += batch.rows.len();
        self.up_to = batch.up_to;
    }

    fn acknowledge(&mut self) {
        let acknowledged = self.spool.acknowledge(self.up_to);
        let rows: Vec<Kept> = self.taken.drain(..self.handed_out).collect();
        if acknowledged.is_err() {
            self.maybe.extend(rows.iter().map(|taken| number(&taken.row)));
        } else if self.handed_out > 0 {
            self.lost = 0;
        }
        self.handed_out = 0;
        assert_eq!(self.spool.pending(), self.taken.len() as u64);
    }

    fn sync(&mut self) {
        if self.spool.sync_if_due(Instant::now() + Duration::from_secs(1)).is_err() {
            return self.doom();
        }
        for taken in self.taken.iter_mut().filter(|taken| !taken.doomed) {
            taken.synced = true;
        }
    }

    fn doom(&mut self) {
        for taken in self.taken.iter_mut().filter(|taken| !taken.synced) {
            taken.doomed = true;
        }
    }

    /// Another process takes over, and finds what it must.
    fn restart(&mut self, loss: Death, deaths: Vec<(DiskFault, Death)>) {
        let lost_power = loss.is_of_power() || deaths.iter().any(|(_, loss)| loss.is_of_power());
        self.end(loss);
        for (fault, loss) in deaths {
            self.disk.fail(fault);
            drop(open(&self.disk));
            self.end(loss);
        }
        self.spool = open(&self.disk).expect("nothing keeps it from opening");
        let pending = self.spool.pending();
        let found = drain(&mut self.spool);
        assert_eq!(pending, found.rows.len() as u64 + found.lost, "every number has one fate");
        self.check_rows(&found.rows);
        if lost_power {
            self.check_power(&found.rows);
        } else {
            self.check_kill(&found.rows, found.lost);
        }
        // To open a spool is to sync what is in it.
        let taken = |row| Kept { row, synced: true, doomed: false };
        self.taken = found.rows.into_iter().map(taken).collect();
        self.handed_out = self.taken.len();
        (self.lost, self.up_to) = (found.lost, found.up_to);
    }

    fn end(&self, loss: Death) {
        match loss {
            Death::Process => self.disk.end_process(),
            Death::Power(dice) => self.disk.lose_power(die(dice)),
        }
    }

    fn check_rows(&self, found: &[Row]) {
        assert!(found.is_sorted_by(|one, next| number(one) < number(next)), "in order, each once");
        for row in found {
            assert!(number(row) < self.rows, "none is invented");
            let padding = padding(row);
            assert_eq!(*row, padded(number(row), padding), "none is altered");
        }
    }

    fn check_kill(&self, found: &[Row], lost: u64) {
        assert!(lost <= self.lost, "{lost} of {}", self.lost);
        let certain = found.iter().filter(|row| !self.maybe.contains(&number(row)));
        let taken = self.taken.iter().map(|taken| &taken.row);
        let taken = taken.filter(|row| !self.maybe.contains(&number(row)));
        assert!(certain.eq(taken), "all that was taken, and nothing else");
    }

    fn check_power(&self, found: &[Row]) {
        for taken in self.taken.iter().filter(|taken| taken.synced) {
            assert!(found.contains(&taken.row), "row {} was synced", number(&taken.row));
        }
    }
}

/// Small segments, so that a few rows use several.
fn open(disk: &MemoryDisk) -> Result<Spool<MemoryDisk>, Error> {
    let options = SpoolOptions { limit_bytes: SMALLEST_LIMIT, sync_interval: Some(Duration::from_nanos(1)) };
    Spool::on(disk.clone(), options)
}

fn padded(number: u64, padding: u16) -> Row {
    let mut row = row(number);
    row.context = format!("{{\"n\":{number},\"padding\":\"{}\"}}", "x".repeat(padding.into()));
    row
}

fn padding(row: &Row) -> u16 {
    row.context.bytes().filter(|byte| *byte == b'x').count() as u16
}

/// Falls on either side, by a linear congruential generator.
pub(super) fn die(mut seed: u64) -> impl FnMut() -> bool {
    move || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        seed >> 63 == 1
    }
}
