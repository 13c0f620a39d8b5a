//! Callsite → plan, read without a lock on every span.

use std::hash::{Hash, Hasher};

use once_cell::sync::OnceCell;
use tracing::Metadata;

use super::Plan;

/// Append-only open addressing. A full stretch of cells continues in the next, larger table.
#[derive(Debug)]
pub(super) struct Table {
    cells: Box<[OnceCell<&'static Known>]>,
    next: OnceCell<Box<Table>>,
}

/// A callsite that tracing has registered.
#[derive(Debug)]
pub(super) struct Known {
    meta: &'static Metadata<'static>,
    /// Empty for a callsite that no rule needs, and for one that waits for a span beside it.
    plan: OnceCell<&'static Plan>,
}

impl Known {
    pub(super) fn new(meta: &'static Metadata<'static>, plan: Option<&'static Plan>) -> Self {
        Self { meta, plan: plan.map_or_else(OnceCell::new, OnceCell::with_value) }
    }

    pub(super) fn plan(&self) -> Option<&'static Plan> {
        self.plan.get().copied()
    }

    /// Gives a callsite that had no plan this one.
    pub(super) fn set(&self, plan: &'static Plan) {
        self.plan.get_or_init(|| plan);
    }
}

/// Cells looked at in one table before going on to the next.
const STRETCH: usize = 8;

impl Default for Table {
    fn default() -> Self {
        Self::with_cells(256)
    }
}

impl Table {
    fn with_cells(cells: usize) -> Self {
        Self { cells: (0..cells).map(|_| OnceCell::new()).collect(), next: OnceCell::new() }
    }

    pub(super) fn get(&self, meta: &Metadata<'_>) -> Option<&'static Known> {
        let mut table = self;
        loop {
            for cell in table.stretch(meta) {
                let known = cell.get()?;
                if known.meta.callsite() == meta.callsite() {
                    return Some(known);
                }
            }
            table = table.next.get()?;
        }
    }

    /// Keeps the callsite, or returns what another thread has put there meanwhile.
    pub(super) fn insert(&self, known: Known) -> &'static Known {
        let known: &'static Known = Box::leak(Box::new(known));
        let mut table = self;
        loop {
            for cell in table.stretch(known.meta) {
                let kept = cell.get_or_init(|| known);
                if kept.meta.callsite() == known.meta.callsite() {
                    return kept;
                }
            }
            let twice = table.cells.len() * 2;
            table = table.next.get_or_init(|| Box::new(Self::with_cells(twice)));
        }
    }

    fn stretch(&self, meta: &Metadata<'_>) -> impl Iterator<Item = &OnceCell<&'static Known>> {
        let mask = self.cells.len() - 1;
        let start = hash(meta);
        (0..STRETCH).map(move |step| &self.cells[(start + step) & mask])
    }
}

/// A callsite is its address; multiplying spreads neighbouring ones (Fibonacci hashing, Knuth, The Art of
/// Computer Programming, volume 3, section 6.4).
fn hash(meta: &Metadata<'_>) -> usize {
    let mut address = Address(0);
    meta.callsite().hash(&mut address);
    (address.0.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as usize
}

/// Takes the address that [`tracing::callsite::Identifier`] hashes.
struct Address(u64);

impl Hasher for Address {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(byte);
        }
    }

    fn write_usize(&mut self, address: usize) {
        self.0 ^= address as u64;
    }
}
