//! Ranges of numbers in words, such as `5xx` and `500..599`.

use std::ops::RangeInclusive;

/// The whole numbers that the word stands for, if it is a range: both ends belong to it.
pub(crate) fn range_of(word: &str) -> Option<RangeInclusive<f64>> {
    let number = |text: &str| text.trim().parse::<i32>().ok().map(f64::from);
    if let Some((from, to)) = word.split_once("..") {
        return Some(number(from)?..=number(to.strip_prefix('=').unwrap_or(to))?);
    }
    let digits = word.trim_end_matches(['x', 'X']);
    let places = u32::try_from(word.len() - digits.len()).ok().filter(|places| (1..10).contains(places))?;
    let size = f64::from(10_i32.pow(places));
    let from = number(digits).filter(|from| *from >= 0.0)? * size;
    Some(from..=from + size - 1.0)
}

#[cfg(test)]
mod tests {
    use super::range_of;

    #[test]
    fn a_range_has_both_ends() {
        for (word, from, to) in [
            ("5xx", 500.0, 599.0),
            ("40X", 400.0, 409.0),
            ("500..599", 500.0, 599.0),
            ("-1 ..= 3", -1.0, 3.0),
        ] {
            assert_eq!(range_of(word), Some(from..=to), "{word}");
        }
    }

    #[test]
    fn other_words_are_no_ranges() {
        for word in
            ["", "x", "xx", "fatal", "max", "500", "5x5", "..", "1..", "a..b", "-5xx", "5xxxxxxxxxxxx"]
        {
            assert_eq!(range_of(word), None, "{word}");
        }
    }
}
