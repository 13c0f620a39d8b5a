//! Lines that a container runtime has wrapped, and split if they are long.

use std::borrow::Cow;
use std::mem;

use serde::Deserialize;

use super::input::LONGEST_LINE;

/// The length of a part that Docker has split off (`defaultBufSize` in its `daemon/logger/copier.go`). It may be longer if it
/// ends within a character.
const DOCKER_PART: usize = 16 * 1024;

/// A line of the service itself, and the time at which the runtime got it, if the runtime has wrapped it.
pub(super) struct Unwrapped<'a> {
    pub(super) line: Cow<'a, str>,
    pub(super) at: Option<Cow<'a, str>>,
    stream: Option<LogStream>,
    has_more: bool,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum LogStream {
    Stdout,
    Stderr,
}

/// `{"log":"…\n","stream":"stdout","time":"…"}`.
#[derive(Deserialize)]
struct OfDocker {
    log: String,
    stream: LogStream,
    time: Option<String>,
}

/// Takes off what Docker or Kubernetes adds to each line.
pub(super) fn unwrapped(line: &str) -> Unwrapped<'_> {
    if line.starts_with('{')
        && line.contains("\"log\"")
        && let Ok(OfDocker { log, stream, time }) = serde_json::from_str(line)
    {
        let has_more = !log.ends_with('\n') && log.len() >= DOCKER_PART;
        return Unwrapped { line: log.into(), at: time.map(Cow::Owned), stream: Some(stream), has_more };
    }
    let mut words = line.splitn(4, ' ');
    let words = [words.next(), words.next(), words.next(), words.next()];
    let [Some(time), Some(stream), Some(tag @ ("F" | "P")), Some(rest)] = words else {
        return Unwrapped { line: line.into(), at: None, stream: None, has_more: false };
    };
    let stream = match stream {
        "stdout" => LogStream::Stdout,
        "stderr" => LogStream::Stderr,
        _ => return Unwrapped { line: line.into(), at: None, stream: None, has_more: false },
    };
    Unwrapped { line: rest.into(), at: Some(time.into()), stream: Some(stream), has_more: tag == "P" }
}

/// The parts so far of a line of each stream.
#[derive(Default)]
pub(super) struct SplitLines([String; 2]);

impl SplitLines {
    /// The whole line, with the time of its last part; `None` if more parts follow.
    pub(super) fn whole<'a>(&mut self, part: Unwrapped<'a>) -> Option<Unwrapped<'a>> {
        let Some(stream) = part.stream else { return Some(part) };
        let [stdout, stderr] = &mut self.0;
        let begun = match stream {
            LogStream::Stdout => stdout,
            LogStream::Stderr => stderr,
        };
        if begun.is_empty() && !part.has_more {
            return Some(part);
        }
        // A line that is cut here counts as unreadable.
        if (begun.len() as u64) < LONGEST_LINE {
            begun.push_str(&part.line);
        }
        (!part.has_more).then(|| Unwrapped { line: mem::take(begun).into(), ..part })
    }

    /// Whether the last part of a line is missing.
    pub(super) fn has_part(&self) -> bool {
        self.0.iter().any(|begun| !begun.is_empty())
    }
}
