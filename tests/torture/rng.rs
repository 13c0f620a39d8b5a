//! Random numbers that can be repeated: the same seed gives the same choices.

use std::ops::Range;
use std::time::Duration;

/// SplitMix64, by Sebastiano Vigna: <https://prng.di.unimi.it/splitmix64.c>
#[derive(Clone)]
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A generator of its own for the part of that name, so that parts can be run alone.
    pub(crate) fn part(seed: u64, name: &str, round: u32) -> Self {
        let named = name.bytes().fold(seed, |mixed, byte| Self::new(mixed ^ u64::from(byte)).next());
        Self::new(named ^ u64::from(round))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn within(&mut self, range: Range<u64>) -> u64 {
        range.start + self.next() % (range.end - range.start)
    }

    pub(crate) fn ms(&mut self, range: Range<u64>) -> Duration {
        Duration::from_millis(self.within(range))
    }

    pub(crate) fn percent(&mut self, share: u64) -> bool {
        self.within(0..100) < share
    }

    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.within(0..from.len() as u64) as usize]
    }
}
