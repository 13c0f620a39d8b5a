//! The settings of all rows: constants and ids, which are added to the rules when the ledger is built, and columns.

use std::env;
use std::ffi::OsString;
use std::sync::Arc;

use serde_json::Value;

use super::Rules;
use super::check;
use super::model::{ID_KEYS, RuleSpec};
use crate::columns::ColumnMap;
use crate::error::Error;

/// Key → constant.
pub(crate) type Constants = Vec<(String, Value)>;

/// A text that names an environment variable: `$NAME`, or `${NAME:-default}`.
struct Variable<'a> {
    name: &'a str,
    default: Option<&'a str>,
}

impl Rules {
    /// These rules, each with the constants of the set and with `own`, which wins.
    ///
    /// # Errors
    /// For a key that cannot be one, and for a variable without a value.
    pub(crate) fn with_constants(self, own: &[(String, Value)]) -> Result<Self, Error> {
        self.resolved(own, |name| env::var_os(name))
    }

    /// The constants of all rows.
    pub(crate) fn constants(&self) -> &[(String, Value)] {
        &self.constants
    }

    fn resolved(
        mut self,
        own: &[(String, Value)],
        lookup: impl Fn(&str) -> Option<OsString>,
    ) -> Result<Self, Error> {
        let mut constants = own.to_vec();
        for (key, value) in self.constants.iter() {
            if !constants.iter().any(|(other, _)| other == key) {
                constants.push((key.clone(), value_of(key, value, &lookup)?));
            }
        }
        for (key, _) in &constants {
            self.check_constant(key)?;
        }
        if !constants.is_empty() {
            self.list = self.list.iter().map(|rule| Arc::new(rule.with_constants(&constants))).collect();
        }
        self.constants = Arc::new(constants);
        Ok(self)
    }

    /// These rules, whose rows have the ids that join them if `asked`, or by default if the set says so.
    ///
    /// # Errors
    /// For a rule that writes such a key itself.
    pub(crate) fn with_ids(mut self, asked: Option<bool>) -> Result<Self, Error> {
        if !asked.unwrap_or(self.ids) {
            return Ok(self);
        }
        for (index, rule) in self.list.iter().enumerate() {
            if let Some(output) = rule.outputs().find(|output| ID_KEYS.contains(&output.key)) {
                let (title, setting, key) = (rule.title(index), output.setting, output.key);
                return Err(Error::config(format!(
                    "\"ids\" writes the key {key:?}, and so does {setting:?} of {title}: use another key there, or take it \
                     out"
                )));
            }
        }
        self.list =
            self.list.iter().map(|rule| Arc::new(RuleSpec { ids: true, ..(**rule).clone() })).collect();
        Ok(self)
    }

    /// Which keys fill which columns.
    pub(crate) fn columns(&self) -> Arc<ColumnMap> {
        Arc::clone(&self.columns)
    }

    /// Which keys fill which columns; `own` wins.
    ///
    /// # Errors
    /// For a column that cannot be filled.
    pub(crate) fn columns_with(&self, own: &[(String, Option<String>)]) -> Result<ColumnMap, Error> {
        let mut columns = (*self.columns()).clone();
        for (key, column) in own {
            let wrong = |text| Error::config(format!("\"column\" {text}"));
            columns.fill(key, column.as_deref()).map_err(wrong)?;
        }
        Ok(columns)
    }

    fn check_constant(&self, key: &str) -> Result<(), Error> {
        let wrong = |text: String| Err(Error::config(format!("\"set\" for all rows {text}")));
        if let Some(text) = check::in_constant(key) {
            return wrong(text);
        }
        match self.list.iter().find(|rule| rule.makes(key)) {
            Some(_) => wrong(format!("writes {key:?}, a key that rows have of their own: use another key")),
            None => Ok(()),
        }
    }
}

impl RuleSpec {
    /// This rule, with the constants whose keys it does not set itself.
    fn with_constants(&self, constants: &[(String, Value)]) -> Self {
        let mut rule = self.clone();
        let is_new = |(key, _): &&(String, Value)| !self.set.iter().any(|(own, _)| own == key);
        rule.set.extend(constants.iter().filter(is_new).cloned());
        rule
    }
}

fn value_of(key: &str, value: &Value, lookup: impl Fn(&str) -> Option<OsString>) -> Result<Value, Error> {
    let Some(text) = value.as_str() else { return Ok(value.clone()) };
    if text.starts_with("$$") {
        return Ok(Value::from(&text[1..]));
    }
    let Some(variable) = Variable::of(text) else {
        return if text.starts_with("${") { Err(no_variable(key, text)) } else { Ok(value.clone()) };
    };
    let name = variable.name;
    let found = lookup(name).filter(|found| !found.is_empty());
    if let Some(found) = found {
        let not_text = |_| Error::config(format!("the variable {name} is not UTF-8: correct it"));
        return found.into_string().map(Value::from).map_err(not_text);
    }
    // Shells set this variable, but seldom export it.
    let host = || if name == "HOSTNAME" { host_name() } else { None };
    let given = variable.default.map(str::to_owned).or_else(host);
    given.map(Value::from).ok_or_else(|| {
        Error::config(format!(
            "\"all.set\" takes {key:?} from the variable {name}, which is not set: set it, or give a default, \
             \"${{{name}:-unknown}}\""
        ))
    })
}

fn no_variable(key: &str, text: &str) -> Error {
    Error::config(format!(
        "\"all.set\" has {key:?} = {text:?}, which is no variable: write \"${{NAME}}\" or \"${{NAME:-default}}\", and nothing \
         after it, or \"${text}\" for this text"
    ))
}

impl<'a> Variable<'a> {
    fn of(text: &'a str) -> Option<Self> {
        let rest = text.strip_prefix('$')?;
        let braced = rest.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        let (name, default) = match braced.map(|inner| inner.split_once(":-").ok_or(inner)) {
            Some(Ok((name, default))) => (name, Some(default)),
            Some(Err(name)) => (name, None),
            None => (rest, None),
        };
        let is_name = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
            && name.chars().all(|character| character.is_ascii_alphanumeric() || character == '_');
        is_name.then_some(Self { name, default })
    }
}

/// The name of this machine.
#[expect(unsafe_code, reason = "std does not ask the system for it")]
fn host_name() -> Option<String> {
    let mut name = [0_u8; 256];
    // SAFETY: the pointer and the length are those of a live buffer. One byte stays zero.
    let status = unsafe { libc::gethostname(name.as_mut_ptr().cast(), name.len() - 1) };
    let name = name.split(|byte| *byte == 0).next().filter(|name| status == 0 && !name.is_empty())?;
    String::from_utf8(name.to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set_by(toml: &str, variables: &[(&str, &str)]) -> Result<Vec<(String, Value)>, String> {
        let rules: Rules = format!("{toml}\n[[rule]]\nspan = \"work\"").parse().expect("sound rules");
        let lookup = |wanted: &str| {
            variables.iter().find(|(name, _)| *name == wanted).map(|(_, value)| OsString::from(value))
        };
        let rules = rules.resolved(&[("port".to_owned(), 80.into())], lookup);
        rules.map(|rules| rules.list[0].set.clone()).map_err(|error| error.to_string())
    }

    #[test]
    fn variables_are_resolved_and_other_texts_stay() {
        let toml = r#"
            [all]
            set = { a = "$V", b = "${V}", c = "${W:-none}", d = "$$V", e = "$5", f = 7, port = "$W" }
        "#;
        let set = set_by(toml, &[("V", "1.2"), ("W", "")]).expect("all have a value");
        let texts: Vec<_> = set.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let expected = ["port=80", "a=\"1.2\"", "b=\"1.2\"", "c=\"none\"", "d=\"$V\"", "e=\"$5\"", "f=7"];
        assert_eq!(texts, expected);
    }

    #[test]
    fn an_unset_variable_is_refused_but_for_the_host_name() {
        let error = set_by("[all]\nset = { version = \"$V\" }", &[]).expect_err("it has no value");
        assert_eq!(
            error,
            "\"all.set\" takes \"version\" from the variable V, which is not set: set it, or give a default, \
             \"${V:-unknown}\""
        );
        let set = set_by("[all]\nset = { host = \"$HOSTNAME\" }", &[]).expect("the machine has a name");
        assert_eq!(set[1].1.as_str().map(str::to_owned), host_name());
        assert!(host_name().is_some_and(|name| !name.is_empty()));
    }

    #[test]
    fn braces_that_name_no_variable_are_refused() {
        for text in ["${V:-x", "${V-x}", "${V:?x}", "${V}x", "${}"] {
            let error = set_by(&format!("[all]\nset = {{ version = {text:?} }}"), &[("V", "1")]);
            let error = error.expect_err(text);
            let expected =
                format!("\"all.set\" has \"version\" = {text:?}, which is no variable: write \"${{NAME}}\"");
            assert!(error.starts_with(&expected), "{error}");
        }
    }

    #[test]
    fn a_key_of_the_layer_or_a_column_is_refused() {
        let error = set_by("[all]\nset = { outcome = 1 }", &[]).expect_err("rows have it");
        assert!(error.starts_with("\"set\" for all rows writes \"outcome\", a key that"), "{error}");
        let error = "[all]\nset = { id = 1 }\n[[rule]]\nspan = \"work\"".parse::<Rules>();
        let error = error.expect_err("a column").to_string();
        assert_eq!(
            error,
            "rules:2: \"all.set\" writes \"id\", which is a column of the table: use another key"
        );
    }

    #[test]
    fn the_constant_of_a_rule_wins() {
        let rules: Rules = "[all]\nset = { a = 1, b = 2 }\n[[rule]]\nspan = \"work\"\nset = { a = 3 }"
            .parse()
            .expect("sound rules");
        let rules = rules.with_constants(&[]).expect("no variable is named");
        assert_eq!(rules.list[0].set, [("a".to_owned(), 3.into()), ("b".to_owned(), 2.into())]);
    }
}
