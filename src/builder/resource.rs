//! Constants from the environment variables of OpenTelemetry: the name, version and instance of the service.
//!
//! `OTEL_RESOURCE_ATTRIBUTES` is `key=value,key=value`, percent-encoded. A mistake discards all attributes, as
//! [the specification](https://opentelemetry.io/docs/specs/otel/resource/sdk/) wants, and `OTEL_SERVICE_NAME` wins.

use std::ffi::OsString;

use super::Builder;

const ATTRIBUTES: &str = "OTEL_RESOURCE_ATTRIBUTES";
const SERVICE_NAME: &str = "OTEL_SERVICE_NAME";
/// The attributes that become constants.
const USED: [&str; 3] = ["service.name", "service.version", "service.instance.id"];

impl Builder {
    /// Adds the constants that the environment gives. An empty variable counts as one that is not set.
    pub(super) fn with_resource(mut self, lookup: impl Fn(&str) -> Option<OsString>) -> Self {
        let text = |name| lookup(name).filter(|value| !value.is_empty()).map(OsString::into_string);
        match text(ATTRIBUTES).map(|text| text.ok().and_then(|text| attributes(&text))) {
            Some(Some(attributes)) => {
                let used = attributes.into_iter().filter(|(key, _)| USED.contains(&key.as_str()));
                self = used.fold(self, |builder, (key, value)| builder.set(key, value));
            }
            Some(None) => {
                let text = "is malformed and not used: write key=value,key=value, percent-encoded";
                self.resource_fault = Some(format!("{ATTRIBUTES} {text}"));
            }
            None => {}
        }
        match text(SERVICE_NAME) {
            Some(Ok(name)) => self.set("service.name", name),
            _ => self,
        }
    }
}

/// All attributes, or none if one is malformed.
fn attributes(text: &str) -> Option<Vec<(String, String)>> {
    let pairs = text.split(',').filter(|pair| !pair.trim().is_empty());
    pairs
        .map(|pair| {
            let (key, value) = pair.split_once('=')?;
            let key = decoded(key.trim()).filter(|key| !key.is_empty())?;
            Some((key, decoded(value.trim())?))
        })
        .collect()
}

fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        bytes.push(if *first == b'%' {
            let (digits, behind) = rest.split_first_chunk::<2>()?;
            rest = behind;
            let [high, low] = digits.map(|digit| char::from(digit).to_digit(16));
            (high? * 16 + low?) as u8
        } else {
            *first
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builder::builder;

    fn from(variables: &[(&str, &str)]) -> Builder {
        let lookup = |wanted: &str| {
            variables.iter().find(|(name, _)| *name == wanted).map(|(_, value)| OsString::from(value))
        };
        builder().with_resource(lookup)
    }

    fn texts(builder: &Builder) -> Vec<String> {
        builder
            .constants
            .iter()
            .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or("?")))
            .collect()
    }

    #[test]
    fn attributes_are_decoded_and_the_service_name_wins() {
        let attributes =
            "service.name=a, service%2Eversion = 1%2C2 %E2%9C%93 ,host.name=x,service.instance.id=";
        let set = from(&[(ATTRIBUTES, attributes), (SERVICE_NAME, "orders")]);
        assert_eq!(texts(&set), ["service.version=1,2 ✓", "service.instance.id=", "service.name=orders"]);
        assert_eq!(texts(&from(&[(ATTRIBUTES, ""), (SERVICE_NAME, "")])), [""; 0]);
    }

    #[test]
    fn a_malformed_attribute_discards_all() {
        for malformed in
            ["service.name", "service.name=a%2", "service.name=%zz", "service.name=a,=b", "a=%ff"]
        {
            let set = from(&[(ATTRIBUTES, malformed), (SERVICE_NAME, "orders")]);
            assert_eq!(texts(&set), ["service.name=orders"], "{malformed}");
            assert!(set.resource_fault.is_some_and(|fault| fault.starts_with(ATTRIBUTES)), "{malformed}");
        }
    }
}
