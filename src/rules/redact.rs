//! Which values of a row stay on the thread that recorded them: whether the rule's word on it makes sense, and what
//! it comes to for one callsite.
//!
//! Redaction comes first and judging after, on the writer's thread. So what a row is judged by cannot be redacted;
//! the one exception is the code found in the text of an error, which is looked for before.

use tracing::Metadata;

use super::builder::Rule;
use super::check::{Fault, Role, outputs};
use super::model::{self, Pattern, Redact, SeverityRule, SuccessTest};

/// What of the records of one callsite is redacted.
#[derive(Debug)]
pub(crate) struct Redaction {
    /// By field index.
    pub(crate) fields: Vec<Option<Redact>>,
    /// By place in the list of inherited names.
    pub(crate) inherited: Vec<(u8, Redact)>,
    /// The text of an error or panic.
    pub(crate) error: Option<Redact>,
}

impl Redaction {
    /// `None` when the rule redacts nothing; `inherited` are the names it inherits, with their places.
    pub(super) fn of<'a>(
        rule: &model::Rule,
        meta: &Metadata<'_>,
        inherited: impl Iterator<Item = (u8, &'a str)>,
    ) -> Option<Self> {
        (!rule.redact.is_empty()).then(|| Self {
            fields: meta.fields().iter().map(|field| rule.redacts(field.name())).collect(),
            inherited: inherited.filter_map(|(at, name)| Some((at, rule.redacts(name)?))).collect(),
            error: rule.redacts_error(),
        })
    }

    /// What becomes of the values of the field with this index.
    pub(crate) fn field(&self, index: usize) -> Option<Redact> {
        self.fields.get(index).copied().flatten()
    }

    /// What becomes of an inherited value, by place in the list of inherited names.
    pub(crate) fn inherited(&self, place: usize) -> Option<Redact> {
        self.inherited.iter().find(|(at, _)| usize::from(*at) == place).map(|(_, redact)| *redact)
    }
}

/// Every name in `redact` is that of a field, and of one that nothing is judged by.
pub(super) fn check_redacted(rule: &Rule) -> Result<(), Fault> {
    for (name, _) in &rule.rule.redact {
        let wrong = judging(&rule.rule, name).or_else(|| no_field(&rule.rule, name));
        if let Some(wrong) = wrong {
            return Err(rule.fault("redact", &name.0, format!("\"redact\" names {:?}, {wrong}", name.0)));
        }
    }
    Ok(())
}

/// What is judged by a field of this name, if anything is.
fn judging(rule: &model::Rule, name: &Pattern) -> Option<String> {
    let (setting, field) = judged_by(rule).find(|(_, field)| name.matches(field))?;
    let field = if name.0 == field { String::new() } else { format!("and with it {field:?}, ") };
    Some(format!(
        "{field}which the {setting} is read from, and only after redaction: \
         take it out, or read the {setting} from another field"
    ))
}

/// Fields that the outcome or the severity is judged by, with the setting that says so.
fn judged_by(rule: &model::Rule) -> impl Iterator<Item = (&'static str, &str)> {
    let model::Rule { keys, success, reason_field, .. } = rule;
    let (told, compared) = match success.test {
        SuccessTest::Bool => (keys.success.as_deref(), None),
        SuccessTest::ReturnMatches(_) => (None, None),
        _ => (None, Some(("success", &*success.field))),
    };
    let severity = match &rule.severity {
        SeverityRule::Field { field, .. } => Some(("severity", &**field)),
        SeverityRule::Natural | SeverityRule::Constant(_) => None,
    };
    let read = [
        ("success", told, &*success.field),
        ("reason", keys.reason.as_deref(), reason_field),
        ("result", keys.result.as_deref(), "result"),
    ];
    // A field may also be called by its key.
    let read = read.into_iter().filter_map(|(setting, key, field)| Some([(setting, field), (setting, key?)]));
    compared.into_iter().chain(severity).chain(read.flatten())
}

/// Why this is the name of no field but of something else in the row: nothing would be redacted.
fn no_field(rule: &model::Rule, name: &Pattern) -> Option<String> {
    let renamed = rule.rename.iter().find(|(field, key)| name.matches(key) && rule.redacts(field).is_none());
    if let Some((field, key)) = renamed {
        return Some(format!("but {key:?} is what \"rename\" makes of {field:?}: name {field:?} too"));
    }
    if let Some(nest) = rule.nest.iter().find(|nest| [&nest.prefix, &nest.key].contains(&&name.0)) {
        return Some(format!(
            "which is an object of \"nest\": name its fields, such as \"{}.*\"",
            nest.prefix
        ));
    }
    let made = outputs(rule).find(|output| output.role == Role::Made && output.key == name.0);
    let made = made.filter(|output| output.setting != "error")?;
    Some(format!("which no field but {:?} writes: take it out", made.setting))
}
