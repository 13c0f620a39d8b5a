//! The CPU time and the allocations of the calling thread, without those of others, such as the writer's.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::fs;
use std::io;
use std::ops::{AddAssign, Sub};
use std::time::Duration;

/// The system's allocator, counting by thread. A bench makes it its `#[global_allocator]`.
pub struct CountingAllocator;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

fn count() {
    // At the end of a thread its thread-locals are gone; no bench measures there.
    let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
}

// SAFETY: every call goes to the system's allocator unchanged; counting uses one thread-local without a
// destructor and allocates nothing.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller's promises are passed on.
        unsafe { System.realloc(block, layout, size) }
    }
}

/// CPU time and allocations of one thread, since its start or as a difference.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cost {
    /// In user and kernel mode together.
    pub cpu_ns: u64,
    /// Calls of `alloc` and `realloc`.
    pub allocations: u64,
}

impl Cost {
    /// The cost of the calling thread since its start.
    pub fn so_far() -> Self {
        Self { cpu_ns: thread_cpu_ns(), allocations: ALLOCATIONS.get() }
    }

    /// Nanoseconds of CPU and allocations for each of so many runs, on average.
    pub fn per(self, runs: u64) -> [f64; 2] {
        [self.cpu_ns, self.allocations].map(|sum| sum as f64 / runs as f64)
    }
}

impl Sub for Cost {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self { cpu_ns: self.cpu_ns - earlier.cpu_ns, allocations: self.allocations - earlier.allocations }
    }
}

impl AddAssign for Cost {
    fn add_assign(&mut self, more: Self) {
        self.cpu_ns += more.cpu_ns;
        self.allocations += more.allocations;
    }
}

fn thread_cpu_ns() -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer leads to a local timespec that outlives the call.
    let status = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut now) };
    assert_eq!(status, 0, "no CPU clock by thread: {}", io::Error::last_os_error());
    now.tv_sec.unsigned_abs() * 1_000_000_000 + now.tv_nsec.unsigned_abs()
}

/// Memory of the process in megabytes, on Linux: resident now (`VmRSS`), or the peak (`VmHWM`).
pub fn memory(which: &str) -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(which)).unwrap_or_default();
    let kilobytes = line.trim_start_matches(':').trim().trim_end_matches(" kB");
    kilobytes.parse::<f64>().unwrap_or_default() * 1024.0 / 1e6
}

/// CPU time of the thread with that name since its start, on Linux.
pub fn thread_cpu(name: &str) -> Option<Duration> {
    let mut tasks = fs::read_dir("/proc/self/task").ok()?.filter_map(|task| Some(task.ok()?.path()));
    let task =
        tasks.find(|task| fs::read_to_string(task.join("comm")).is_ok_and(|comm| comm.trim() == name))?;
    let spent = fs::read_to_string(task.join("schedstat")).ok()?;
    Some(Duration::from_nanos(spent.split(' ').next()?.parse().ok()?))
}
