//! Options from the environment: the names of the variables, and the format of their values.

use std::env;
use std::ffi::OsString;
use std::fmt::Display;
use std::path::PathBuf;
use std::time::Duration;

use super::Builder;
use crate::error::Error;
use crate::queue::Overflow;
use crate::rules::Rules;
use crate::store::TableName;

const PREFIX: &str = "TRACING_LEDGER_";

/// Every variable that is known.
const NAMES: [&str; 13] = [
    "TRACING_LEDGER_QUEUE_CAPACITY",
    "TRACING_LEDGER_OVERFLOW",
    "TRACING_LEDGER_BATCH_SIZE",
    "TRACING_LEDGER_FLUSH_INTERVAL",
    "TRACING_LEDGER_REFERENCE_TIMEOUT",
    "TRACING_LEDGER_SPOOL_DIR",
    "TRACING_LEDGER_SPOOL_LIMIT",
    "TRACING_LEDGER_SPOOL_SYNC_INTERVAL",
    "TRACING_LEDGER_RULES",
    "TRACING_LEDGER_TABLE",
    "TRACING_LEDGER_STRICT",
    DISCOVER,
    NOTICES,
];

/// These two are read even in a program that does not call [`Builder::with_env`].
const NOTICES: &str = "TRACING_LEDGER_NOTICES";
const DISCOVER: &str = "TRACING_LEDGER_DISCOVER";

/// Whether no notice is wanted.
pub(super) fn is_silenced() -> bool {
    env::var_os(NOTICES).is_some_and(|value| value == "off")
}

/// Whether the spans and events are to be listed.
pub(super) fn discovers() -> bool {
    env::var_os(DISCOVER).is_some_and(|value| value == "1")
}

/// Refuses an unknown variable that begins with [`PREFIX`].
pub(super) fn check_names(names: impl Iterator<Item = OsString>) -> Result<(), Error> {
    let unknown = names.filter_map(|name| name.into_string().ok()).find(|name| is_unknown(name));
    unknown.map_or(Ok(()), |name| Err(Error::config(unknown_name(&name))))
}

fn unknown_name(name: &str) -> String {
    let near = NAMES.into_iter().min_by_key(|known| strsim::osa_distance(known, name)).unwrap_or_default();
    format!("{name} is no variable of tracing-ledger: did you mean {near}?")
}

fn is_unknown(name: &str) -> bool {
    name.starts_with(PREFIX) && !NAMES.contains(&name)
}

/// A line about the first variable that is set for nothing, in a program that does not read the environment.
pub(super) fn unread(variables: impl Iterator<Item = (OsString, OsString)>) -> Option<String> {
    let named = variables.filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
    named.filter(|(name, _)| name.starts_with(PREFIX)).find_map(|(name, value)| {
        let is_one_of = |words: [&str; 2]| words.iter().any(|word| value == *word);
        match &*name {
            DISCOVER if is_one_of(["1", "0"]) => None,
            NOTICES if is_one_of(["off", "on"]) => None,
            DISCOVER => Some(format!("{DISCOVER} is {value:?}: use {SWITCH}")),
            NOTICES => Some(format!("{NOTICES} is {value:?}: use {OFF_OR_ON}")),
            _ if is_unknown(&name) => Some(unknown_name(&name)),
            _ => Some(format!(
                "{name} is set, and this program does not read it: build the ledger with builder().with_env()?"
            )),
        }
    })
}

impl Builder {
    /// Every option that `lookup` finds replaces what was set before.
    pub(super) fn with_variables(mut self, lookup: impl Fn(&str) -> Option<OsString>) -> Result<Self, Error> {
        let variables = Variables(lookup);
        variables.set(&mut self.queue_capacity, "TRACING_LEDGER_QUEUE_CAPACITY", COUNT, count)?;
        variables.set(&mut self.overflow, "TRACING_LEDGER_OVERFLOW", OVERFLOW, overflow)?;
        variables.set(&mut self.batch_size, "TRACING_LEDGER_BATCH_SIZE", COUNT, count)?;
        variables.set(&mut self.flush_interval, "TRACING_LEDGER_FLUSH_INTERVAL", TIME, interval)?;
        variables.set(&mut self.reference_timeout, "TRACING_LEDGER_REFERENCE_TIMEOUT", TIME, interval)?;
        if let Some(dir) = (variables.0)("TRACING_LEDGER_SPOOL_DIR") {
            self.spool_dir = Some(directory(dir)?);
        }
        variables.set(&mut self.spool_limit, "TRACING_LEDGER_SPOOL_LIMIT", BYTES, bytes)?;
        let sync = "TRACING_LEDGER_SPOOL_SYNC_INTERVAL";
        variables.set(&mut self.spool_sync_interval, sync, TIME, |time| interval(time).map(Some))?;
        variables.set(&mut self.table, "TRACING_LEDGER_TABLE", "TABLE or SCHEMA.TABLE", |name| {
            TableName::parse(name).ok().map(|_| Some(name.to_owned()))
        })?;
        variables.set(&mut self.strict, "TRACING_LEDGER_STRICT", SWITCH, switch)?;
        variables.set(&mut self.discover, DISCOVER, SWITCH, switch)?;
        variables.set(&mut (), NOTICES, OFF_OR_ON, |word| ["off", "on"].contains(&word).then_some(()))?;
        if let Some(path) = (variables.0)("TRACING_LEDGER_RULES") {
            self.rules = Rules::from_path(path).map_err(|error| {
                Error::config("TRACING_LEDGER_RULES names rules that cannot be used").caused_by(error)
            })?;
        }
        Ok(self.with_resource(&variables.0))
    }
}

const SWITCH: &str = "1 or 0";
const OFF_OR_ON: &str = "off or on";
const COUNT: &str = "a whole number from 1, such as 1000";
const TIME: &str = "a whole number from 1 and its unit, ms, s or m, such as 200ms";
const BYTES: &str = "a whole number of bytes from 1, or of KiB, MiB or GiB, such as 512MiB";
const OVERFLOW: &str = "refuse, evict_oldest, or block: and a time in ms, s or m, such as block:250ms";

/// The lookup of variables by name, in the environment or in a test.
struct Variables<F>(F);

impl<F: Fn(&str) -> Option<OsString>> Variables<F> {
    /// Sets `option` if the variable is set.
    fn set<T>(
        &self,
        option: &mut T,
        variable: &str,
        accepted: impl Display,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Result<(), Error> {
        let Some(value) = (self.0)(variable) else { return Ok(()) };
        let parsed = value.to_str().and_then(parse);
        *option = parsed.ok_or_else(|| Error::config(format!("{variable} is {value:?}: use {accepted}")))?;
        Ok(())
    }
}

fn switch(value: &str) -> Option<bool> {
    [("0", false), ("1", true)].into_iter().find_map(|(word, on)| (word == value).then_some(on))
}

fn count(value: &str) -> Option<usize> {
    value.parse().ok().filter(|count| *count > 0)
}

fn bytes(value: &str) -> Option<u64> {
    with_unit(value, &[("", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)])
}

fn interval(value: &str) -> Option<Duration> {
    // A large number of seconds does not fit into a `u64` of milliseconds.
    with_unit(value, &[("ms", 1)])
        .map(Duration::from_millis)
        .or_else(|| with_unit(value, &[("s", 1), ("m", 60)]).map(Duration::from_secs))
}

/// The number times the factor of its unit.
fn with_unit(value: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = value.find(|character: char| !character.is_ascii_digit()).unwrap_or(value.len());
    let (number, unit) = value.split_at(digits);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    number.parse::<u64>().ok().filter(|number| *number > 0)?.checked_mul(*factor)
}

fn directory(value: OsString) -> Result<PathBuf, Error> {
    if value.is_empty() {
        return Err(Error::config("TRACING_LEDGER_SPOOL_DIR is empty: use the path of a directory"));
    }
    Ok(value.into())
}

fn overflow(value: &str) -> Option<Overflow> {
    match value {
        "refuse" => Some(Overflow::Refuse),
        "evict_oldest" => Some(Overflow::EvictOldest),
        _ => value.strip_prefix("block:").and_then(interval).map(Overflow::Block),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builder::builder;

    fn from(variables: &[(&str, &str)]) -> Result<Builder, Error> {
        builder().with_variables(|wanted| {
            let found = variables.iter().find(|(variable, _)| *variable == wanted)?;
            Some(found.1.into())
        })
    }

    #[test]
    fn the_environment_sets_every_option() {
        let set = from(&[
            ("TRACING_LEDGER_QUEUE_CAPACITY", "12"),
            ("TRACING_LEDGER_OVERFLOW", "block:250ms"),
            ("TRACING_LEDGER_BATCH_SIZE", "34"),
            ("TRACING_LEDGER_FLUSH_INTERVAL", "5s"),
            ("TRACING_LEDGER_REFERENCE_TIMEOUT", "1m"),
            ("TRACING_LEDGER_SPOOL_DIR", "/var/lib/ledger"),
            ("TRACING_LEDGER_SPOOL_LIMIT", "3MiB"),
            ("TRACING_LEDGER_SPOOL_SYNC_INTERVAL", "1s"),
        ]);
        let set = set.expect("every value is well-formed");
        assert_eq!((set.queue_capacity, set.batch_size), (12, 34));
        assert_eq!(set.overflow, Overflow::Block(Duration::from_millis(250)));
        assert_eq!(set.flush_interval, Duration::from_secs(5));
        assert_eq!(set.reference_timeout, Duration::from_secs(60));
        assert_eq!(set.spool_dir, Some("/var/lib/ledger".into()));
        assert_eq!((set.spool_limit, set.spool_sync_interval), (3 << 20, Some(Duration::from_secs(1))));
    }

    #[test]
    fn an_empty_environment_changes_nothing() {
        let kept =
            builder().batch_size(7).with_variables(|_| None).expect("there is nothing to be malformed");
        assert_eq!((kept.batch_size, kept.queue_capacity), (7, Builder::DEFAULT_QUEUE_CAPACITY));
    }

    #[test]
    fn a_malformed_value_is_an_error_that_names_the_accepted_ones() {
        for (variable, value, accepted) in [
            ("TRACING_LEDGER_QUEUE_CAPACITY", "many", "a whole number from 1"),
            ("TRACING_LEDGER_QUEUE_CAPACITY", "", "a whole number from 1"),
            ("TRACING_LEDGER_BATCH_SIZE", "0", "a whole number from 1"),
            ("TRACING_LEDGER_FLUSH_INTERVAL", "200", "ms, s or m"),
            ("TRACING_LEDGER_FLUSH_INTERVAL", "0ms", "ms, s or m"),
            ("TRACING_LEDGER_FLUSH_INTERVAL", "400000000000000000m", "ms, s or m"),
            ("TRACING_LEDGER_SPOOL_LIMIT", "1GB", "KiB, MiB or GiB"),
            ("TRACING_LEDGER_SPOOL_LIMIT", "18446744073709551615KiB", "KiB, MiB or GiB"),
            ("TRACING_LEDGER_SPOOL_SYNC_INTERVAL", "0s", "ms, s or m"),
            ("TRACING_LEDGER_OVERFLOW", "block:soon", "refuse, evict_oldest, or block:"),
        ] {
            let error = from(&[(variable, value)]).expect_err(value);
            let message = error.to_string();
            assert!(error.is_config());
            assert!(message.starts_with(&format!("{variable} is {value:?}: use ")), "{message}");
            assert!(message.contains(accepted), "{message}");
        }
    }

    #[test]
    fn a_variable_that_is_set_for_nothing_is_named() {
        let line = |name: &str, value: &str| unread([(name.into(), value.into())].into_iter());
        for (name, value) in
            [("PATH", "/bin"), ("TRACING_LEDGER_DISCOVER", "0"), ("TRACING_LEDGER_NOTICES", "off")]
        {
            assert_eq!(line(name, value), None);
        }
        for (name, value, expected) in [
            ("TRACING_LEDGER_DISCOVER", "yes", "TRACING_LEDGER_DISCOVER is \"yes\": use 1 or 0"),
            ("TRACING_LEDGER_NOTICES", "silent", "TRACING_LEDGER_NOTICES is \"silent\": use off or on"),
            (
                "TRACING_LEDGER_RULZ",
                "1",
                "TRACING_LEDGER_RULZ is no variable of tracing-ledger: did you mean TRACING_LEDGER_RULES?",
            ),
            (
                "TRACING_LEDGER_RULES",
                "rules.toml",
                "TRACING_LEDGER_RULES is set, and this program does not read it: build the ledger with \
                 builder().with_env()?",
            ),
        ] {
            assert_eq!(line(name, value).as_deref(), Some(expected));
        }
    }

    #[test]
    fn rules_are_read_from_the_file_that_the_environment_names() {
        let file = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(&file, "[[rule]]\nspan = \"request\"\nevent_type = \"http.request\"\n")
            .expect("written");
        let path = file.path().to_str().expect("a path in UTF-8");
        let set = from(&[("TRACING_LEDGER_RULES", path)]).expect("the rules are right");
        assert_eq!(set.rules, Rules::from_path(path).expect("the rules are right"));
        let error =
            from(&[("TRACING_LEDGER_RULES", "/nowhere/rules.toml")]).expect_err("there is no such file");
        let text = format!("{error:#}");
        assert!(
            text.starts_with("TRACING_LEDGER_RULES names rules that cannot be used: /nowhere/rules.toml: ")
        );
    }
}
