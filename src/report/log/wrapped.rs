//! Lines that a container runtime has wrapped.

use std::borrow::Cow;

use serde::Deserialize;

/// A line of the service itself, and the time at which the runtime got it, if the runtime has wrapped it.
pub(super) struct Unwrapped<'a> {
    pub(super) line: Cow<'a, str>,
    pub(super) at: Option<Cow<'a, str>>,
}

/// `{"log":"…\n","stream":"stdout","time":"…"}`.
#[derive(Deserialize)]
struct OfDocker {
    log: String,
    #[serde(rename = "stream")]
    _stream: String,
    time: Option<String>,
}

/// Takes off what Docker or Kubernetes adds to each line.
pub(super) fn unwrapped(line: &str) -> Unwrapped<'_> {
    if line.starts_with('{')
        && line.contains("\"log\"")
        && let Ok(OfDocker { log, time, .. }) = serde_json::from_str(line)
    {
        return Unwrapped { line: log.into(), at: time.map(Cow::Owned) };
    }
    let mut words = line.splitn(4, ' ');
    match [words.next(), words.next(), words.next(), words.next()] {
        [Some(time), Some("stdout" | "stderr"), Some("F" | "P"), Some(line)] => {
            Unwrapped { line: line.into(), at: Some(time.into()) }
        }
        _ => Unwrapped { line: line.into(), at: None },
    }
}
