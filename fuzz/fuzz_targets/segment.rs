//! A segment of the spool may be any bytes: reading it never panics, takes no memory that the bytes ask for, invents
//! nothing, and finds the next record that is whole.

#![no_main]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use libfuzzer_sys::fuzz_target;
use tracing_ledger::segment;

/// The largest record, 4 MiB: it lies in the scanner's buffer, which may double, and then once more as an event.
const RECORD_BYTES: usize = 4 * 1024 * 1024;

/// Counts what is in use.
struct Counting;

static IN_USE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: System does the work, and is asked what this is asked.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let in_use = IN_USE.fetch_add(layout.size(), Ordering::Relaxed) + layout.size();
        PEAK.fetch_max(in_use, Ordering::Relaxed);
        // SAFETY: as for this function.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        IN_USE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as for this function.
        unsafe { System.dealloc(place, layout) }
    }
}

// The first byte says whether the checksums are made right.
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
