//! The name of the table. Statements and messages are written for the usual name, which is replaced if another one is set.

use std::borrow::Cow;

use crate::columns::MAX_SQL_NAME_BYTES;
use crate::error::Error;

/// The name in this crate's statements and messages.
const USUAL: &str = "observability_events";
/// The names of the indexes in `schema.sql`, without the name of the table before them.
const INDEXES: [&str; 4] =
    ["_created_at_idx", "_source_idx", "_booking_id_idx", "_event_type_created_at_idx"];

/// A table, in a schema or in the first one of the search path that has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TableName {
    schema: Option<String>,
    name: String,
}

impl Default for TableName {
    fn default() -> Self {
        Self { schema: None, name: USUAL.to_owned() }
    }
}

impl TableName {
    /// Reads `TABLE` or `SCHEMA.TABLE`. The names count as they are written, upper case too.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let (schema, name) = match text.split_once('.') {
            Some((schema, name)) => (Some(schema), name),
            None => (None, text),
        };
        let is_in_quotes = |name: &str| name.len() > 1 && name.starts_with('"') && name.ends_with('"');
        let is_name = |name: &str| {
            !name.is_empty()
                && name.len() <= MAX_SQL_NAME_BYTES
                && !is_in_quotes(name)
                && !name.contains(|c: char| c == '.' || c.is_control())
        };
        if !is_name(name) || !schema.is_none_or(is_name) {
            return Err(Error::config(format!(
                "{text:?} is no name of a table: use TABLE or SCHEMA.TABLE, each part of at most {MAX_SQL_NAME_BYTES} bytes, \
                 without quotation marks around it"
            )));
        }
        Ok(Self { schema: schema.map(str::to_owned), name: name.to_owned() })
    }

    /// Whether it is the usual one.
    pub(crate) fn is_usual(&self) -> bool {
        *self == Self::default()
    }

    /// The schema that the name has.
    #[cfg(feature = "postgres")]
    pub(crate) fn schema(&self) -> Option<&str> {
        self.schema.as_deref()
    }

    /// The name without the schema.
    #[cfg(feature = "postgres")]
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The name for a statement, quoted where it is not the usual one.
    pub(crate) fn quoted(&self) -> String {
        if self.is_usual() {
            return USUAL.to_owned();
        }
        let schema = self.schema.as_ref().map(|schema| quoted(schema) + ".").unwrap_or_default();
        schema + &quoted(&self.name)
    }

    /// A statement for the usual table as one for this table.
    pub(crate) fn in_sql<'a>(&self, sql: &'a str) -> Cow<'a, str> {
        if self.is_usual() {
            return sql.into();
        }
        let literal = format!("'{}'", self.quoted().replace('\'', "''"));
        let mut sql = sql.replace(&format!("'{USUAL}'"), &literal);
        let start = self.start_of_indexes();
        for index in INDEXES {
            sql = sql.replace(&format!("{USUAL}{index}"), &quoted(&format!("{start}{index}")));
        }
        // Only now, because the name itself may contain the usual one.
        replace_words(&sql, &self.quoted()).into()
    }

    /// The start of the names of indexes: the name of the table, or as much as fits, with a number that tells it from others with
    /// the same start.
    fn start_of_indexes(&self) -> Cow<'_, str> {
        let room = MAX_SQL_NAME_BYTES - INDEXES.map(str::len).into_iter().max().unwrap_or_default();
        if self.name.len() <= room {
            return Cow::from(&self.name);
        }
        // FNV-1a, because the names of indexes have to stay the same.
        let step = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
        let number = format!("_{:08x}", self.name.bytes().fold(0x811c_9dc5, step));
        let end = self.name.floor_char_boundary(room - number.len());
        Cow::from(format!("{}{number}", &self.name[..end]))
    }

    /// The name for a command line, quoted where a shell would change it.
    pub(crate) fn for_shell(&self) -> String {
        let name = self.to_string();
        let is_plain = name.chars().all(|c| c.is_alphanumeric() || "_.-".contains(c));
        if is_plain { name } else { format!("'{}'", name.replace('\'', "'\\''")) }
    }

    /// A message about the usual table as one about this table.
    pub(crate) fn in_message(&self, message: &str) -> String {
        if self.is_usual() {
            return message.to_owned();
        }
        let of_command = format!("--table {USUAL}");
        let parts = message.split(&of_command).map(|part| self.in_sentence(part));
        parts.collect::<Vec<_>>().join(&format!("--table {}", self.for_shell()))
    }

    fn in_sentence(&self, message: &str) -> String {
        // A constraint keeps its name when its table gets another one.
        let longer = format!("\"{USUAL}_");
        let parts = message.split(&longer).map(|part| part.replace(USUAL, &self.to_string()));
        parts.collect::<Vec<_>>().join(&longer)
    }
}

/// Replaces the usual name where it stands alone, outside of quotation marks.
fn replace_words(sql: &str, name: &str) -> String {
    let parts: Vec<_> = sql.split('"').enumerate().collect();
    let replaced =
        parts.iter().map(
            |(number, part)| {
                if number % 2 == 0 { part.replace(USUAL, "\u{0}") } else { (*part).to_owned() }
            },
        );
    replaced.collect::<Vec<_>>().join("\"").replace('\u{0}', name)
}

/// A name for a statement.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

impl std::fmt::Display for TableName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.schema {
            Some(schema) => write!(f, "{schema}.{}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_quoted_wherever_it_stands() {
        let name = TableName::parse("Log's.a\"observability_events").expect("a name");
        assert_eq!(
            name.in_sql("INSERT INTO observability_events (observability) VALUES (1)"),
            "INSERT INTO \"Log's\".\"a\"\"observability_events\" (observability) VALUES (1)"
        );
        assert_eq!(
            name.in_sql("SELECT to_regclass('observability_events')"),
            "SELECT to_regclass('\"Log''s\".\"a\"\"observability_events\"')"
        );
        assert_eq!(
            name.in_sql("CREATE INDEX observability_events_source_idx ON observability_events (source)"),
            "CREATE INDEX \"a\"\"observability_events_source_idx\" ON \"Log's\".\"a\"\"observability_events\" (source)"
        );
    }

    #[test]
    fn a_message_keeps_the_name_of_a_constraint() {
        let name = TableName::parse("calls").expect("a name");
        assert_eq!(
            name.in_message(
                "ALTER TABLE observability_events DROP CONSTRAINT \"observability_events_check\""
            ),
            "ALTER TABLE calls DROP CONSTRAINT \"observability_events_check\""
        );
        assert_eq!(name.in_message("the table observability_events_rollup"), "the table calls_rollup");
    }

    #[test]
    fn the_usual_name_changes_nothing() {
        let name = TableName::parse("observability_events").expect("a name");
        assert!(name.is_usual());
        assert_eq!(name.in_sql("SELECT 1 FROM observability_events"), "SELECT 1 FROM observability_events");
    }

    #[test]
    fn other_texts_than_names_are_refused() {
        for text in ["", ".", "a.", ".a", "a.b.c", "a\nb", "a\0", &"x".repeat(64)] {
            let error = TableName::parse(text).expect_err(text);
            assert!(error.is_config() && error.to_string().contains("SCHEMA.TABLE"), "{error}");
        }
        for text in ["\"calls\"", "ledger.\"calls\"", "\"ledger\".calls"] {
            let error = TableName::parse(text).expect_err(text);
            assert!(error.to_string().contains("without quotation marks around it"), "{error}");
        }
    }

    #[test]
    fn a_command_can_be_copied() {
        for (name, command) in [
            ("ledger.calls", "apply tracing-ledger schema --table ledger.calls"),
            ("the calls", "apply tracing-ledger schema --table 'the calls'"),
            ("o'x\"; --", "apply tracing-ledger schema --table 'o'\\''x\"; --'"),
        ] {
            let said = TableName::parse(name)
                .expect("a name")
                .in_message("apply tracing-ledger schema --table observability_events");
            assert_eq!(said, command);
        }
    }
}
