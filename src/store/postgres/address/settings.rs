//! The parameters that are set: by the URL, else by the service, else by the environment.

use super::parameters::{self, PARAMETERS, Parameter, Treatment};
use super::url::{self, UrlPair};
use super::{Environment, service};
use crate::error::Error;

/// Where a parameter is set.
#[derive(Clone, Copy, PartialEq, Eq)]
enum SetBy {
    Url,
    Service,
    Environment,
}

/// A parameter with its value.
pub(super) struct Assignment {
    parameter: &'static Parameter,
    pub(super) value: String,
    source: SetBy,
}

impl Assignment {
    /// The name for a message, without the value.
    pub(super) fn named(&self) -> String {
        let name = self.parameter.name;
        match (self.source, self.parameter.variable) {
            (SetBy::Environment, Some(variable)) => format!("the environment variable {variable}"),
            (SetBy::Service, _) => format!("the parameter {name} of the service"),
            (SetBy::Url | SetBy::Environment, _) => format!("the parameter {name} of the Postgres URL"),
        }
    }

    pub(super) fn is_of_environment(&self) -> bool {
        self.source == SetBy::Environment
    }

    /// Refuses a value that cannot be honoured.
    fn check(&self) -> Result<(), Error> {
        let remedy = match self.parameter.treatment {
            Treatment::Only(values, remedy) if !values.contains(&&*self.value) => remedy,
            Treatment::Refused(remedy) => remedy,
            Treatment::Read | Treatment::Harmless(_) | Treatment::Only(..) => return Ok(()),
        };
        Err(Error::config(format!("{} cannot be honoured: {remedy}", self.named())))
    }
}

/// All settings of an address.
pub(super) struct Settings {
    settings: Vec<Assignment>,
    /// The driver's form of `options`: `options[NAME]=VALUE`.
    pub(super) session_options: Vec<UrlPair>,
}

impl Settings {
    pub(super) fn read(url: &str, environment: &Environment<'_>) -> Result<Self, Error> {
        let mut settings = Self { settings: Vec::new(), session_options: Vec::new() };
        for pair in url::pairs(url)? {
            settings.set(pair, SetBy::Url, url)?;
        }
        let mut variables = Vec::new();
        for parameter in PARAMETERS {
            let Some(variable) = parameter.variable else { continue };
            if let Some(value) = environment.text(variable)? {
                variables.push(Assignment { parameter, value, source: SetBy::Environment });
            }
        }
        let find = |name: &str| {
            let of = |setting: &&Assignment| setting.parameter.name == name && !setting.value.is_empty();
            settings.settings.iter().find(of).or_else(|| variables.iter().find(of)).map(|found| &*found.value)
        };
        if let Some(name) = find("service") {
            let pairs = service::pairs(name, find("servicefile"), environment)?;
            for pair in pairs {
                settings.set(pair, SetBy::Service, "")?;
            }
        }
        for setting in variables {
            settings.add(setting);
        }
        settings
            .settings
            .iter()
            .filter(|setting| !setting.value.is_empty())
            .try_for_each(Assignment::check)?;
        Ok(settings)
    }

    fn set(&mut self, (name, value): UrlPair, source: SetBy, url: &str) -> Result<(), Error> {
        if let Some(name) = name.strip_prefix("options[").and_then(|name| name.strip_suffix(']')) {
            self.session_options.push((name.to_owned(), value));
            return Ok(());
        }
        // Java's form, which libpq reads too.
        let (name, value) = match (&*name, &*value) {
            ("ssl", "true") => ("sslmode".to_owned(), "require".to_owned()),
            _ => (name, value),
        };
        let parameter = parameters::find(&name).ok_or_else(|| unknown(&name, source, url))?;
        self.add(Assignment { parameter, value, source });
        Ok(())
    }

    /// Within one source the last one counts, among sources the first.
    fn add(&mut self, setting: Assignment) {
        let same = |other: &Assignment| other.parameter.name == setting.parameter.name;
        match self.settings.iter_mut().find(|other| same(other)) {
            Some(other) if other.source == setting.source => *other = setting,
            Some(_) => {}
            None => self.settings.push(setting),
        }
    }

    pub(super) fn raw(&self, name: &str) -> Option<&Assignment> {
        self.settings.iter().find(|setting| setting.parameter.name == name)
    }

    /// The setting, unless its value is empty, which is as good as none.
    pub(super) fn get(&self, name: &str) -> Option<&Assignment> {
        self.raw(name).filter(|setting| !setting.value.is_empty())
    }

    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.get(name).map(|setting| &*setting.value)
    }
}

fn unknown(name: &str, source: SetBy, url: &str) -> Error {
    let place = if source == SetBy::Service { "service" } else { "Postgres URL" };
    // A name may be a piece of a password with a ? in it. Then an @ follows.
    let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
    let name_shown = if is_name && !url.split_once('?').is_some_and(|(_, query)| query.contains('@')) {
        format!("the unknown parameter {name}")
    } else {
        "an unknown parameter".to_owned()
    };
    let advice = match parameters::nearest(name) {
        Some(near) => format!("did you mean {near}?"),
        None => "leave it out; docs/addresses.md lists the known ones".to_owned(),
    };
    Error::config(format!("the {place} has {name_shown}: {advice}"))
}
