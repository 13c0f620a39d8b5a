//! The one error of this crate.
//!
//! Messages say what failed, on what, and what to do about it. They never hold a connection URL, a user
//! name or a password: code that makes an [`Error`] from a foreign one passes on only text known to be free of
//! them.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;

/// Why a call into this crate failed.
///
/// Opaque: ask [`is_config`](Self::is_config), [`is_database`](Self::is_database),
/// [`is_spool`](Self::is_spool), [`is_timeout`](Self::is_timeout) or [`is_closed`](Self::is_closed) for the kind,
/// and print it for the reason and the remedy.
///
/// `{error}` is the message alone and [`source`](StdError::source) has the cause. `{error:#}` is both on one line, and
/// `{error:?}`, which `fn main() -> Result<(), Error>` prints, is both on lines of their own.
pub struct Error {
    kind: ErrorKind,
    message: Cow<'static, str>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ErrorKind {
    Config,
    Database,
    Spool,
    Timeout,
    Closed,
}

impl Error {
    pub(crate) fn config(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Config, message)
    }

    #[cfg(all(feature = "report", any(feature = "postgres", feature = "sqlite")))]
    pub(crate) fn database(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Database, message)
    }

    pub(crate) fn spool(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Spool, message)
    }

    pub(crate) fn timeout(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Timeout, message)
    }

    pub(crate) fn closed(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Closed, message)
    }

    fn new(kind: ErrorKind, message: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, message: message.into(), source: None }
    }

    /// Keeps the cause for [`std::error::Error::source`]; only for causes whose text holds no secret.
    pub(crate) fn caused_by(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The same error in other words.
    #[cfg(all(feature = "report", any(feature = "postgres", feature = "sqlite")))]
    pub(crate) fn reworded(self, words: impl FnOnce(&str) -> String) -> Self {
        Self { message: words(&self.message).into(), ..self }
    }

    /// The configuration is wrong: a URL, an option, an environment variable, a rule, or a limit of the process.
    pub fn is_config(&self) -> bool {
        self.kind == ErrorKind::Config
    }

    /// The database reported an error, or could not be reached: reports and rollups return it. The writer tries again instead.
    pub fn is_database(&self) -> bool {
        self.kind == ErrorKind::Database
    }

    /// The spool directory cannot be used.
    pub fn is_spool(&self) -> bool {
        self.kind == ErrorKind::Spool
    }

    /// The timeout was over before the work was done.
    pub fn is_timeout(&self) -> bool {
        self.kind == ErrorKind::Timeout
    }

    /// No writer can answer: the ledger is shut down, its thread has died, it belongs to the parent of this forked
    /// process, or the call came from its own thread.
    pub fn is_closed(&self) -> bool {
        self.kind == ErrorKind::Closed
    }

    /// The cause of this error, the cause of that one, and so on.
    fn causes(&self) -> impl Iterator<Item = &(dyn StdError + 'static)> {
        std::iter::successors(self.source(), |&cause| cause.source())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if self.source.is_some() {
            f.write_str("\n\nCaused by:")?;
        }
        self.causes().try_for_each(|cause| write!(f, "\n    {cause}"))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if f.alternate() {
            self.causes().try_for_each(|cause| write!(f, ": {cause}"))?;
        }
        Ok(())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested() -> Error {
        let file = Error::spool("cannot read f").caused_by(std::io::Error::other("no such disk"));
        Error::config("RULES is wrong").caused_by(file)
    }

    #[test]
    fn the_message_does_not_repeat_the_cause() {
        let error = nested();
        assert_eq!(error.to_string(), "RULES is wrong");
        assert_eq!(error.source().map(ToString::to_string).as_deref(), Some("cannot read f"));
        assert_eq!(format!("{error:#}"), "RULES is wrong: cannot read f: no such disk");
    }

    #[test]
    fn a_main_that_returns_it_prints_every_cause() {
        assert_eq!(
            format!("{:?}", nested()),
            "RULES is wrong\n\nCaused by:\n    cannot read f\n    no such disk"
        );
        assert_eq!(format!("{:?}", Error::closed("gone")), "gone");
    }
}
