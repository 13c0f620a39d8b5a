//! The values of the columns of a row.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::table_name::quoted;
use crate::columns::ColumnMap;
use crate::row::Row;

/// A row whose keys are where they belong: in columns of their own, or in the context.
pub(super) struct Filled<'a> {
    pub(super) context: Cow<'a, str>,
    pub(super) restaurant_id: Option<Uuid>,
    pub(super) booking_id: Option<Uuid>,
    /// The texts of the other columns, in the order of [`ColumnMap::own`].
    pub(super) own: Vec<Option<String>>,
}

impl<'a> Filled<'a> {
    pub(super) fn new(row: &'a Row, columns: &ColumnMap) -> Self {
        let Row { context, restaurant_id, booking_id, .. } = row;
        let mut filled = Self {
            context: context.into(),
            restaurant_id: *restaurant_id,
            booking_id: *booking_id,
            own: Vec::new(),
        };
        if !columns.are_usual() {
            filled.own = vec![None; columns.own().count()];
            // A row that the program has made by itself may have another context, which stays as it is.
            if let Ok(Entries(entries)) = serde_json::from_str(context) {
                filled.distribute(entries, columns);
            }
        }
        filled
    }

    fn distribute(&mut self, entries: Vec<(Cow<'_, str>, &RawValue)>, columns: &ColumnMap) {
        let mut kept: Vec<(Cow<'_, str>, Cow<'_, str>)> = Vec::with_capacity(entries.len() + 2);
        for (name, id) in [("restaurant_id", &mut self.restaurant_id), ("booking_id", &mut self.booking_id)] {
            let id = id.take_if(|_| !columns.has(name));
            kept.extend(id.map(|id| (name.into(), format!("\"{id}\"").into())));
        }
        for (key, value) in entries {
            match columns.own().position(|(own, _)| own == key) {
                Some(place) => self.own[place] = text(value),
                None => kept.push((key, value.get().into())),
            }
        }
        // The order of `jsonb`.
        kept.sort_by(|(one, _), (other, _)| (one.len(), one).cmp(&(other.len(), other)));
        let kept = kept.iter().map(|(key, value)| format!("{}:{value}", Value::from(&**key)));
        self.context = format!("{{{}}}", kept.collect::<Vec<_>>().join(",")).into();
    }
}

/// The text of a value as `->>` of Postgres gives it.
pub(super) fn text(raw: &RawValue) -> Option<String> {
    match raw.get().as_bytes() {
        b"null" => None,
        [b'"', ..] => match serde_json::from_str(raw.get()) {
            Ok(Value::String(text)) => Some(text),
            // Not every string of JSON is a text, such as half of a surrogate pair.
            _ => Some(raw.get().to_owned()),
        },
        _ => Some(raw.get().to_owned()),
    }
}

/// The statements that make the table, with these columns.
pub(super) fn schema<'a>(usual: &'a str, columns: &ColumnMap) -> Cow<'a, str> {
    let Some((table, indexes)) = usual.split_once("\n);").filter(|_| !columns.are_usual()) else {
        return usual.into();
    };
    let of_other = |name: &str| !columns.has(name.trim_matches(|c: char| c == '(' || c == ')' || c == ';'));
    let keeps = |line: &&str| !line.split_whitespace().any(of_other);
    let table = table.lines().filter(keeps).collect::<Vec<_>>().join("\n");
    let own: String = columns.own().map(|(_, name)| format!(",\n    {} text", quoted(name))).collect();
    let indexes = indexes.lines().filter(keeps).collect::<Vec<_>>().join("\n");
    format!("{}{own}\n);{indexes}\n", table.trim_end_matches(',')).into()
}

/// The statements that add the columns to a table which is there already.
#[cfg(feature = "postgres")]
pub(super) fn added(columns: &ColumnMap) -> String {
    let alter = "ALTER TABLE observability_events ADD COLUMN IF NOT EXISTS";
    columns.own().map(|(_, name)| format!("{alter} {} text;\n", quoted(name))).collect()
}

/// The entries of an object. The values keep every digit.
struct Entries<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Entries<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OfObject;

        impl<'de> Visitor<'de> for OfObject {
            type Value = Entries<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }

        deserializer.deserialize_map(OfObject)
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    fn filled<'a>(row: &'a Row, own: &[(&str, Option<&str>)]) -> Filled<'a> {
        let mut columns = ColumnMap::default();
        for (key, column) in own {
            columns.fill(key, *column).expect("a column");
        }
        Filled::new(row, &columns)
    }

    #[test]
    fn keys_leave_the_context_for_their_columns() {
        let context =
            r#"{"n":18446744073709551616.5,"é":null,"list":[1,"2"],"text":"a\"b\n","stays":{"b":1}}"#;
        let row = Row { context: context.to_owned(), ..Row::new(SystemTime::now(), "test", "test") };
        let keys = ["text", "n", "absent", "é", "list"].map(|key| (key, Some(key)));
        let filled = filled(&row, &keys);
        assert_eq!(filled.context, r#"{"stays":{"b":1}}"#);
        let texts: Vec<_> = filled.own.iter().map(Option::as_deref).collect();
        assert_eq!(texts, [Some("a\"b\n"), Some("18446744073709551616.5"), None, None, Some(r#"[1,"2"]"#)]);
    }

    #[test]
    fn an_id_without_a_column_is_in_the_context() {
        let mut row = Row::new(SystemTime::now(), "test", "test");
        (row.restaurant_id, row.booking_id) = (Some(Uuid::nil()), Some(Uuid::max()));
        row.context = r#"{"a":1,"long_enough_to_be_last":2}"#.to_owned();
        let filled = filled(&row, &[("booking_id", None)]);
        assert_eq!((filled.restaurant_id, filled.booking_id), (Some(Uuid::nil()), None));
        let expected = format!(r#"{{"a":1,"booking_id":"{}","long_enough_to_be_last":2}}"#, Uuid::max());
        assert_eq!(filled.context, expected);
    }

    #[test]
    fn the_table_is_made_with_these_columns() {
        let mut columns = ColumnMap::default();
        let usual = include_str!("sqlite/schema.sql");
        assert_eq!(schema(usual, &columns), usual);
        columns.fill("order", Some("order \"id\"")).expect("a column");
        columns.fill("booking_id", None).expect("none");
        let made = schema(usual, &columns);
        assert!(made.contains("restaurant_id TEXT,\n    \"order \"\"id\"\"\" text\n);\n"), "{made}");
        assert!(!made.contains("booking_id") && made.ends_with("(event_type, created_at DESC);\n"), "{made}");
    }

    #[test]
    fn the_usual_columns_cost_no_copy() {
        let row = Row { context: "[1]".to_owned(), ..Row::new(SystemTime::now(), "test", "test") };
        assert!(matches!(filled(&row, &[]).context, Cow::Borrowed("[1]")));
        let other = filled(&row, &[("a", Some("a"))]);
        assert_eq!((&*other.context, other.own.as_slice()), ("[1]", &[None][..]));
    }
}
