//! Which keys of a context fill columns of their own.

/// The columns that every row fills.
const FIXED: [&str; 6] = ["id", "created_at", "source", "event_type", "severity", "context"];
/// The columns that are filled from the fields of the same names unless someone says otherwise.
const USUAL: [&str; 2] = ["restaurant_id", "booking_id"];
/// The most bytes of a name in Postgres.
pub(crate) const MAX_SQL_NAME_BYTES: usize = 63;

/// Which column each key fills; `None` for a key that fills none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ColumnMap(Vec<(String, Option<String>)>);

impl ColumnMap {
    /// Says which column the key fills, or that it fills none, which replaces the column that it had.
    ///
    /// # Errors
    /// The end of a sentence about the mistake, whose subject is the name of the setting.
    pub(crate) fn fill(&mut self, key: &str, column: Option<&str>) -> Result<(), String> {
        if key.trim().is_empty() {
            return Err("has an empty key: write the name of a field".to_owned());
        }
        self.0.retain(|(other, _)| other != key);
        if let Some(column) = column {
            self.check(key, column)?;
        }
        self.0.push((key.to_owned(), column.map(str::to_owned)));
        Ok(())
    }

    fn check(&self, key: &str, column: &str) -> Result<(), String> {
        let is_name =
            (1..=MAX_SQL_NAME_BYTES).contains(&column.trim().len()) && !column.contains(char::is_control);
        if !is_name || column.len() > MAX_SQL_NAME_BYTES {
            return Err(format!(
                "fills {column:?} from {key:?}, but {column:?} is no name of a column: use one of at most {MAX_SQL_NAME_BYTES} bytes"
            ));
        }
        // Some databases see no difference between upper and lower case.
        let is = |name: &&str| name.eq_ignore_ascii_case(column);
        if FIXED.iter().any(is) {
            return Err(format!(
                "fills {column:?} from {key:?}, but every row fills {column:?} already: use another column"
            ));
        }
        if let Some(usual) = USUAL.into_iter().find(|usual| is(usual) || *usual == key)
            && (key, column) != (usual, usual)
        {
            return Err(format!(
                "fills {column:?} from {key:?}, but {usual:?} fills the column of its own name or none: rename the field"
            ));
        }
        match self.own().find(|(_, other)| is(other)) {
            Some((other, _)) => {
                Err(format!("fills {column:?} twice, from {other:?} and {key:?}: use another column for one"))
            }
            None => Ok(()),
        }
    }

    /// These, and what `others` say about other keys.
    ///
    /// # Errors
    /// As [`fill`](Self::fill).
    pub(crate) fn and(&self, others: &Self) -> Result<Self, String> {
        let mut both = others.clone();
        for (key, column) in &self.0 {
            both.fill(key, column.as_deref())?;
        }
        Ok(both)
    }

    /// The keys and their columns, without `restaurant_id` and `booking_id`.
    pub(crate) fn own(&self) -> impl Iterator<Item = (&str, &str)> {
        let filled = self.0.iter().filter_map(|(key, column)| Some((key.as_str(), column.as_deref()?)));
        filled.filter(|(key, _)| !USUAL.contains(key))
    }

    /// Whether rows fill this column by default and still do.
    pub(crate) fn has(&self, column: &str) -> bool {
        !self.0.iter().any(|(key, filled)| key == column && filled.is_none() && USUAL.contains(&column))
    }

    /// Whether rows fill this column by default.
    #[cfg(all(feature = "report", any(feature = "postgres", feature = "sqlite")))]
    pub(crate) fn is_usual(column: &str) -> bool {
        FIXED.contains(&column) || USUAL.contains(&column)
    }

    /// Whether rows fill the columns that they fill by default, and no other.
    pub(crate) fn are_usual(&self) -> bool {
        self.own().next().is_none() && USUAL.iter().all(|column| self.has(column))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_column_of_a_key_counts() {
        let mut columns = ColumnMap::default();
        assert!(columns.are_usual());
        columns.fill("order_id", Some("order")).expect("a column");
        columns.fill("order_id", Some("order_id")).expect("a column");
        columns.fill("booking_id", None).expect("none");
        assert_eq!(columns.own().collect::<Vec<_>>(), [("order_id", "order_id")]);
        assert!(columns.has("restaurant_id") && !columns.has("booking_id") && !columns.are_usual());

        let mut first = ColumnMap::default();
        first.fill("order_id", None).expect("none");
        first.fill("booking_id", Some("booking_id")).expect("the usual one");
        assert!(first.and(&columns).expect("sound").are_usual());
    }

    #[test]
    fn a_column_that_cannot_be_filled_is_refused() {
        let wrong = |key: &str, column: &str| {
            let mut columns = ColumnMap::default();
            columns.fill("a", Some("A column")).expect("a column");
            columns.fill(key, Some(column)).expect_err(column)
        };
        for fixed in ["id", "created_at", "source", "event_type", "severity", "context", "ID"] {
            assert!(wrong("key", fixed).ends_with("already: use another column"), "{fixed}");
        }
        assert!(wrong("", "x").starts_with("has an empty key"));
        for name in ["", " ", "a\nb", &"x".repeat(64)] {
            assert!(wrong("key", name).contains("is no name of a column"), "{name}");
        }
        assert!(
            wrong("key", "booking_id").contains("\"booking_id\" fills the column of its own name or none")
        );
        assert!(
            wrong("booking_id", "key").contains("\"booking_id\" fills the column of its own name or none")
        );
        let twice = "fills \"a COLUMN\" twice, from \"a\" and \"key\": use another column for one";
        assert_eq!(wrong("key", "a COLUMN"), twice);
    }
}
