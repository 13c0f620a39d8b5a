//! The one error of this crate.
//!
//! Messages say what failed, on what, and what to do about it. They never hold a connection URL, a user
//! name or a password: whoever makes an [`Error`] from a foreign one passes on only text known to be free of
//! them.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::fmt;

/// Why a call into this crate failed.
///
/// Opaque: ask [`is_config`](Self::is_config), [`is_database`](Self::is_database),
/// [`is_spool`](Self::is_spool) or [`is_timeout`](Self::is_timeout) for the kind, and print it for the reason
/// and the remedy.
pub struct Error {
    kind: Kind,
    message: Cow<'static, str>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Config,
    Database,
    Spool,
    Timeout,
}

impl Error {
    pub(crate) fn config(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::Config, message)
    }

    #[cfg(any(feature = "postgres", feature = "sqlite"))]
    pub(crate) fn database(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::Database, message)
    }

    pub(crate) fn spool(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::Spool, message)
    }

    pub(crate) fn timeout(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Kind::Timeout, message)
    }

    fn new(kind: Kind, message: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, message: message.into(), source: None }
    }

    /// Keeps the cause for [`std::error::Error::source`]; only for causes whose text holds no secret.
    pub(crate) fn caused_by(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The configuration is wrong: a URL, an option, an environment variable or a rule.
    pub fn is_config(&self) -> bool {
        self.kind == Kind::Config
    }

    /// The database refused or could not be reached.
    pub fn is_database(&self) -> bool {
        self.kind == Kind::Database
    }

    /// The spool directory cannot be used.
    pub fn is_spool(&self) -> bool {
        self.kind == Kind::Spool
    }

    /// A deadline passed before the work was done.
    pub fn is_timeout(&self) -> bool {
        self.kind == Kind::Timeout
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.kind)
            .field("message", &self.message)
            .finish_non_exhaustive()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
