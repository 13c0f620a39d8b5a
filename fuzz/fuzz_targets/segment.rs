//! Any bytes as a segment of the spool: the scanner never panics, allocates no memory by the size that the bytes claim,
//! makes up no row, and finds the next whole record.

#![no_main]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use libfuzzer_sys::fuzz_target;
use tracing_ledger::segment;

/// The largest record has 4 MiB. It is in the scanner's buffer, which can double, and once more as a row.
const RECORD_BYTES: usize = 4 * 1024 * 1024;

/// Counts the bytes in use.
struct Counting;

static IN_USE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: every call goes to `System` unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let in_use = IN_USE.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(in_use, Ordering::Relaxed);
        // SAFETY: the caller keeps the same promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        IN_USE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller keeps the same promises.
        unsafe { System.dealloc(place, layout) }
    }
}

// The first byte decides whether the checksums are corrected.
fuzz_target!(|bytes: &[u8]| {
    let Some((first, bytes)) = bytes.split_first() else { return };
    let mut bytes = bytes.to_vec();
    if first % 2 == 1 {
        segment::seal(&mut bytes);
    }
    let before = IN_USE.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    segment::check(&bytes);
    let taken = PEAK.load(Ordering::Relaxed) - before;
    assert!(taken < 4 * (RECORD_BYTES + bytes.len()), "{taken} bytes of memory for {}", bytes.len());
});
