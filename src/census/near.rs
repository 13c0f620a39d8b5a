//! Names that somebody may have meant.

/// The known names that look most like `name`, the nearest first: typing errors and longer or shorter forms.
pub(super) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let bare = name.trim_matches('*');
    let mut near: Vec<_> =
        known.into_iter().filter_map(|known| Some((distance(bare, known)?, known))).collect();
    near.sort_unstable();
    near.dedup();
    near.into_iter().map(|(_, known)| known).collect()
}

fn distance(name: &str, known: &str) -> Option<usize> {
    // Two letters in the wrong order are one mistake.
    let mistakes = strsim::osa_distance(&name.to_lowercase(), &known.to_lowercase());
    let letters = name.chars().count();
    let is_part = letters >= 3 && (known.contains(name) || (known.len() >= 3 && name.contains(known)));
    (mistakes * 3 <= letters || is_part).then_some(mistakes)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn typing_errors_and_longer_forms_are_near() {
        let known = ["work", "create_order", "email", "charge_card"];
        for (name, near) in [
            ("wrok", vec!["work"]),
            ("emial", vec!["email"]),
            ("Create_Order", vec!["create_order"]),
            ("create", vec!["create_order"]),
            ("orders.create_order", vec!["create_order"]),
            ("charge*", vec!["charge_card"]),
            ("settle", vec![]),
            ("", vec![]),
        ] {
            assert_eq!(nearest(name, known), near, "{name}");
        }
    }
}
