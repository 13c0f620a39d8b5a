//! Counts by the size of a value, which has the exponent and five bits of the fraction.

use std::collections::BTreeMap;

/// `N` counts for each size that there is. The sizes between two powers of two are found together, because to find one among
/// all of them takes longer than to count.
#[derive(Clone, Debug, Default)]
pub(super) struct Sizes<const N: usize>(BTreeMap<u16, Octave<N>>);

type Octave<const N: usize> = [Option<Box<[u32; N]>>; OCTAVE as usize];

/// The number of sizes between two powers of two.
const OCTAVE: u16 = 1 << 5;

impl<const N: usize> Sizes<N> {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those of a size, which are zero at first.
    pub(super) fn counts(&mut self, size: u16) -> &mut [u32; N] {
        let octave = self.0.entry(size / OCTAVE).or_insert_with(|| [const { None }; OCTAVE as usize]);
        octave[usize::from(size % OCTAVE)].get_or_insert_with(|| Box::new([0; N]))
    }

    /// In ascending order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u16, &[u32; N])> {
        let sizes = |octave: &u16| {
            let first = octave * OCTAVE;
            (0..OCTAVE).map(move |place| first + place)
        };
        let octaves = self.0.iter().flat_map(move |(octave, counts)| sizes(octave).zip(counts));
        octaves.filter_map(|(size, counts)| Some((size, counts.as_deref()?)))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut [u32; N]> {
        self.0.values_mut().flatten().filter_map(Option::as_deref_mut)
    }
}
