//! Callsite → plan, read without a lock on every span.

use std::hash::{Hash, Hasher};
use std::ptr;

use once_cell::sync::OnceCell;
use tracing::Metadata;

use super::Plan;

/// All callsites that tracing has registered.
#[derive(Debug)]
pub(super) struct CallsiteTable {
    /// By the address of their metadata, one in each cell: most callsites are found here in a few instructions.
    front: Box<[OnceCell<&'static Known>]>,
    all: HashTable,
}

/// Append-only open addressing. A full stretch of cells continues in the next, larger table.
#[derive(Debug)]
struct HashTable {
    cells: Box<[OnceCell<&'static Known>]>,
    next: OnceCell<Box<HashTable>>,
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

    #[inline]
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

/// The cells of the front, and of the first table: a power of two.
const CELLS: usize = 256;

impl Default for CallsiteTable {
    fn default() -> Self {
        Self { front: cells(CELLS), all: HashTable::with_cells(CELLS) }
    }
}

impl CallsiteTable {
    #[inline]
    pub(super) fn get(&self, meta: &Metadata<'_>) -> Option<&'static Known> {
        let address = ptr::from_ref(meta).cast::<()>();
        match self.front[spread(address.addr()) & (CELLS - 1)].get() {
            // Metadata that a callsite has for ever shares its address with no other.
            Some(known) if ptr::from_ref(known.meta).cast() == address => Some(known),
            _ => self.all.get(meta),
        }
    }

    /// Keeps the callsite, or returns what another thread has put there meanwhile.
    pub(super) fn insert(&self, known: Known) -> &'static Known {
        let kept = self.all.insert(known);
        self.front[spread(ptr::from_ref(kept.meta).addr()) & (CELLS - 1)].get_or_init(|| kept);
        kept
    }
}

fn cells(count: usize) -> Box<[OnceCell<&'static Known>]> {
    (0..count).map(|_| OnceCell::new()).collect()
}

impl HashTable {
    fn with_cells(count: usize) -> Self {
        Self { cells: cells(count), next: OnceCell::new() }
    }

    #[cold]
    fn get(&self, meta: &Metadata<'_>) -> Option<&'static Known> {
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

    fn insert(&self, known: Known) -> &'static Known {
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

/// A callsite is its address.
fn hash(meta: &Metadata<'_>) -> usize {
    let mut address = AddressHasher(0);
    meta.callsite().hash(&mut address);
    spread(address.0 as usize)
}

/// Multiplying spreads neighbouring addresses (Fibonacci hashing, Knuth, The Art of Computer Programming, volume 3,
/// section 6.4).
#[inline]
fn spread(address: usize) -> usize {
    ((address as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as usize
}

/// Takes the address that [`tracing::callsite::Identifier`] hashes.
struct AddressHasher(u64);

impl Hasher for AddressHasher {
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
