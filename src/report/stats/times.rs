//! Blocks of time, which become longer when they become too many.

/// Blocks of time that are kept apart. One more makes all of them longer.
pub(super) const TIME_BLOCKS: usize = 64;

/// The lengths of blocks in seconds. Each divides the next; from a day on, each is twice as long.
const LENGTHS: [i64; 10] = [1, 5, 15, 60, 300, 900, 3600, 14_400, 28_800, DAY];
pub(super) const DAY: i64 = 86_400;

/// Blocks of time in the order in which they came.
#[derive(Clone, Debug, Default)]
pub(super) struct Times {
    pub(super) step: u32,
    labels: Vec<i64>,
}

impl Times {
    pub(super) fn length(&self) -> i64 {
        length(self.step)
    }

    /// `None` if there are enough blocks already.
    pub(super) fn place(&mut self, at: i64) -> Option<usize> {
        let label = at.div_euclid(1_000_000).div_euclid(self.length());
        // Most rows come in the order of time.
        let known = self.labels.iter().rposition(|known| *known == label);
        known.or_else(|| (self.labels.len() < TIME_BLOCKS).then(|| self.place_of(label)))
    }

    pub(super) fn place_of(&mut self, label: i64) -> usize {
        self.labels.iter().position(|known| *known == label).unwrap_or_else(|| {
            self.labels.push(label);
            self.labels.len() - 1
        })
    }

    /// The labels that these blocks have where they are longer.
    pub(super) fn labels_at(&self, step: u32) -> impl Iterator<Item = i64> {
        let factor = length(step) / self.length();
        self.labels.iter().map(move |label| label.div_euclid(factor))
    }

    /// Returns the place of each block in the longer ones.
    pub(super) fn lengthen(&mut self, step: u32) -> Vec<usize> {
        let mut longer = Self { step, labels: Vec::new() };
        let places = self.labels_at(step).map(|label| longer.place_of(label)).collect();
        *self = longer;
        places
    }

    /// The first step at which both have few enough blocks together.
    pub(super) fn common_step(&self, other: &Self) -> u32 {
        let mut step = self.step.max(other.step);
        loop {
            let mut labels: Vec<_> = self.labels_at(step).chain(other.labels_at(step)).collect();
            labels.sort_unstable();
            labels.dedup();
            if labels.len() <= TIME_BLOCKS {
                return step;
            }
            step += 1;
        }
    }

    /// When each block begins, in seconds.
    pub(super) fn begins(&self) -> impl Iterator<Item = i64> {
        let length = self.length();
        self.labels.iter().map(move |label| label * length)
    }
}

fn length(step: u32) -> i64 {
    match LENGTHS.get(step as usize) {
        Some(length) => *length,
        None => DAY << (step + 1 - LENGTHS.len() as u32),
    }
}
