//! How much memory this process takes, as the kernel counts it.

use std::fs;

/// The highest so far.
pub(crate) fn peak() -> u64 {
    field("VmHWM:")
}

/// The bytes that it takes now.
pub(crate) fn now() -> u64 {
    field("VmRSS:")
}

/// Forgets the highest so far.
pub(crate) fn reset_peak() {
    // Where the kernel does not offer it, the peak is that of the whole run: the check only gets stricter.
    fs::write("/proc/self/clear_refs", "5").ok();
}

fn field(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("/proc is there");
    let value = status.lines().find_map(|line| line.strip_prefix(name)).expect("the kernel counts memory");
    let kilobytes: u64 = value.trim().trim_end_matches(" kB").parse().expect("a number of kilobytes");
    kilobytes * 1024
}
