//! The system's allocator, counting bytes and calls.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

pub(crate) struct Counting;

static BYTES: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

/// Bytes that are allocated now, by all threads.
pub(crate) fn allocated() -> usize {
    BYTES.load(Ordering::Relaxed)
}

/// The most bytes that were allocated at once during the work, beyond those that were allocated before.
pub(crate) fn peak_of(work: impl FnOnce()) -> usize {
    let before = allocated();
    PEAK.store(before, Ordering::Relaxed);
    work();
    PEAK.load(Ordering::Relaxed) - before
}

/// How often this thread has allocated so far.
pub(crate) fn allocations_of_this_thread() -> u64 {
    ALLOCATIONS.get()
}

fn grow(bytes: usize) {
    // The thread-local is gone while a thread ends, and no test counts there.
    ALLOCATIONS.try_with(|count| count.set(count.get() + 1)).ok();
    PEAK.fetch_max(BYTES.fetch_add(bytes, Ordering::Relaxed) + bytes, Ordering::Relaxed);
}

#[expect(unsafe_code, reason = "there is no other way to count what is allocated")]
// SAFETY: every call goes to the system's allocator unchanged; counting touches atomics and a thread-local without a
// destructor, and allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grow(layout.size());
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        BYTES.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        BYTES.fetch_sub(layout.size(), Ordering::Relaxed);
        grow(size);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.realloc(block, layout, size) }
    }
}
