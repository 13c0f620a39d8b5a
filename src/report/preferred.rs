//! The edges of histograms of durations.

/// Preferred numbers (ISO 3, R 20): neighbours differ by about an eighth, and people can read them.
const EDGES: [&str; 20] = [
    "1", "1.12", "1.25", "1.4", "1.6", "1.8", "2", "2.24", "2.5", "2.8", "3.15", "3.55", "4", "4.5", "5",
    "5.6", "6.3", "7.1", "8", "9",
];
pub(super) const EDGES_A_DECADE: i32 = 20;

/// The last edge that is at most this value, counted from 1.
pub(super) fn place(value: f64) -> i32 {
    let mut place = (value.log10() * f64::from(EDGES_A_DECADE)).floor() as i32;
    while edge(place) > value {
        place -= 1;
    }
    while edge(place + 1) <= value && edge(place) < f64::MAX {
        place += 1;
    }
    place
}

/// The number that is written so: a product would be off by its last digit.
pub(super) fn edge(place: i32) -> f64 {
    let digits = EDGES.get(place.rem_euclid(EDGES_A_DECADE) as usize).copied().unwrap_or("1");
    let edge = format!("{digits}e{}", place.div_euclid(EDGES_A_DECADE)).parse().unwrap_or(f64::MAX);
    f64::min(edge, f64::MAX)
}
