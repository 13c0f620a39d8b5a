//! Columns of the table that hold keys of the context.

use crate::columns::ColumnMap;

/// A row without a value in such a column has its key in the context, if at all.
#[derive(Debug)]
pub(in crate::store) struct ExtraColumns {
    /// All columns of the table.
    names: Vec<String>,
    /// Keys and columns.
    filled: Vec<(String, String)>,
}

impl ExtraColumns {
    /// `names` are the columns of the table, and `columns` says which keys fill columns of other names.
    pub(in crate::store) fn new(names: Vec<String>, columns: &ColumnMap) -> Self {
        let key = |name: &String| {
            let own = columns.own().find(|(_, column)| column == name);
            (own.map_or(name.as_str(), |(key, _)| key).to_owned(), name.clone())
        };
        let filled = names.iter().filter(|name| !ColumnMap::is_usual(name)).map(key).collect();
        Self { names, filled }
    }

    pub(in crate::store) fn has(&self, name: &str) -> bool {
        self.names.iter().any(|column| column == name)
    }

    /// The keys and their columns.
    pub(in crate::store) fn all(&self) -> &[(String, String)] {
        &self.filled
    }

    /// The columns that may have the value of this key. A column may be asked for by its own name too.
    #[cfg(feature = "postgres")]
    pub(in crate::store) fn of<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a str> {
        let named = self.filled.iter().filter(move |(own, column)| own == key || column == key);
        named.map(|(_, column)| column.as_str())
    }
}

/// A context with the values of such columns, which are a JSON object too. Its own keys win, because they come later.
pub(super) fn with_columns(context: Option<String>, columns: Option<String>) -> Option<String> {
    let entries = columns.as_deref().and_then(|columns| columns.strip_prefix('{')?.strip_suffix('}'));
    let Some(entries) = entries.filter(|entries| !entries.trim().is_empty()) else { return context };
    match context.as_deref().map(|context| context.trim_start().strip_prefix('{')) {
        None => columns,
        Some(Some(rest)) if rest.trim_start().starts_with('}') => columns,
        Some(Some(rest)) => Some(format!("{{{entries},{rest}")),
        // The context cannot be read.
        Some(None) => context,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_counts_under_its_key_and_under_its_name() {
        let mut columns = ColumnMap::default();
        columns.fill("oid", Some("order_id")).expect("a column");
        columns.fill("gone", Some("gone")).expect("a column");
        let names = ["id", "context", "order_id", "tenant"].map(str::to_owned).to_vec();
        let extra = ExtraColumns::new(names, &columns);
        assert!(extra.has("id") && !extra.has("booking_id"));
        let all: Vec<_> = extra.all().iter().map(|(key, name)| (key.as_str(), name.as_str())).collect();
        assert_eq!(all, [("oid", "order_id"), ("tenant", "tenant")]);
    }

    #[test]
    fn the_keys_of_columns_come_first() {
        let with = |context: Option<&str>, columns: &str| {
            with_columns(context.map(str::to_owned), Some(columns.to_owned())).unwrap_or_default()
        };
        assert_eq!(with(Some(r#" {"a":1}"#), r#"{"b":"2"}"#), r#"{"b":"2","a":1}"#);
        assert_eq!(with(Some("{ }"), r#"{"b":"2"}"#), r#"{"b":"2"}"#);
        assert_eq!(with(None, r#"{"b":"2"}"#), r#"{"b":"2"}"#);
        assert_eq!(with(Some("broken"), r#"{"b":"2"}"#), "broken");
        assert_eq!(with(Some(r#"{"a":1}"#), "{}"), r#"{"a":1}"#);
    }
}
