//! Ascending numbers with their counts, in few bytes each.

/// Keeps the distance of each number from the one before, and a count only if it is not 1. Of a million numbers below a
/// million, most take one byte.
#[derive(Clone, Debug, Default)]
pub(super) struct Packed {
    bytes: Vec<u8>,
    /// The last number that is in `bytes`.
    packed: u64,
    /// The greatest number, whose count may still grow.
    last: Option<(u64, u64)>,
}

/// Whether another byte belongs to the number.
const MORE: u8 = 0x80;
/// In the first byte of a distance: whether a count follows.
const HAS_COUNT: u8 = 1;

impl Packed {
    pub(super) fn with_capacity(bytes: usize) -> Self {
        Self { bytes: Vec::with_capacity(bytes), ..Self::default() }
    }

    /// Adds a number, which is no less than the numbers before.
    pub(super) fn push(&mut self, number: u64, count: u64) {
        match &mut self.last {
            Some((last, counted)) if *last == number => *counted = counted.saturating_add(count),
            last => {
                if let Some((number, count)) = last.replace((number, count)) {
                    self.pack(number, count);
                }
            }
        }
    }

    fn pack(&mut self, number: u64, count: u64) {
        let distance = number.wrapping_sub(self.packed);
        self.packed = number;
        let has_count = if count == 1 { 0 } else { HAS_COUNT };
        let first = (distance as u8 & 0x3f) << 1 | has_count;
        self.varint(first, distance >> 6);
        if has_count != 0 {
            self.varint(count as u8 & 0x7f, count >> 7);
        }
    }

    fn varint(&mut self, mut byte: u8, mut rest: u64) {
        while rest != 0 {
            self.bytes.push(byte | MORE);
            byte = rest as u8 & 0x7f;
            rest >>= 7;
        }
        self.bytes.push(byte);
    }

    /// The size in bytes.
    pub(super) fn size(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn shrink(&mut self) {
        self.bytes.shrink_to_fit();
    }

    /// Each number with its count.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (u64, u64)> + use<'_> {
        Pairs { bytes: self.bytes.iter().copied(), number: 0, last: self.last }
    }

    pub(super) fn into_pairs(self) -> impl Iterator<Item = (u64, u64)> {
        Pairs { bytes: self.bytes.into_iter(), number: 0, last: self.last }
    }
}

struct Pairs<I> {
    bytes: I,
    number: u64,
    last: Option<(u64, u64)>,
}

impl<I: Iterator<Item = u8>> Pairs<I> {
    /// The rest of a number whose first byte has given `shift` bits.
    fn varint(&mut self, byte: u8, mut number: u64, mut shift: u32) -> Option<u64> {
        let mut more = byte & MORE;
        while more != 0 {
            let byte = self.bytes.next()?;
            number |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            more = byte & MORE;
        }
        Some(number)
    }
}

impl<I: Iterator<Item = u8>> Iterator for Pairs<I> {
    type Item = (u64, u64);

    fn next(&mut self) -> Option<Self::Item> {
        let Some(first) = self.bytes.next() else { return self.last.take() };
        let distance = self.varint(first, u64::from(first >> 1 & 0x3f), 6)?;
        self.number = self.number.wrapping_add(distance);
        let count = if first & HAS_COUNT == 0 {
            1
        } else {
            let byte = self.bytes.next()?;
            self.varint(byte, u64::from(byte & 0x7f), 7)?
        };
        Some((self.number, count))
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_come_back_as_they_went_in(mut pairs in vec((any::<u64>(), 1..=u64::MAX), 0..200), bits in 0..64_u32) {
            pairs.iter_mut().for_each(|pair| pair.0 >>= bits);
            pairs.sort_unstable();
            pairs.dedup_by_key(|pair| pair.0);
            let mut packed = Packed::default();
            for (number, count) in &pairs {
                packed.push(*number, count - 1);
                packed.push(*number, 1);
            }
            prop_assert_eq!(packed.pairs().collect::<Vec<_>>(), pairs.clone());
            prop_assert_eq!(packed.into_pairs().collect::<Vec<_>>(), pairs);
        }
    }

    #[test]
    fn near_numbers_take_one_byte_each() {
        let mut packed = Packed::default();
        (0..1000).for_each(|number| packed.push(number * 63, 1));
        assert_eq!(packed.size(), 999);
    }
}
