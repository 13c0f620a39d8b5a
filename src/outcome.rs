//! The five words of how a call ended.

/// How a call ended. The layer writes these words, and reports read them: rows that are stored already keep theirs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The call returned (with or without success).
    Ok,
    /// The call returned `Err`.
    Error,
    /// The call panicked.
    Panic,
    /// The future was dropped before it finished.
    Cancelled,
    /// The call reported no outcome. It may have returned or been dropped.
    Unknown,
}

impl Outcome {
    /// The word as a context has it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Error => "error",
            Self::Panic => "panic",
            Self::Cancelled => "cancelled",
            Self::Unknown => "unknown",
        }
    }

    /// `None` for a word that somebody else wrote.
    #[cfg(all(feature = "report", any(feature = "postgres", feature = "sqlite")))]
    pub(crate) fn from_word(word: &str) -> Option<Self> {
        let all = [Self::Ok, Self::Error, Self::Panic, Self::Cancelled, Self::Unknown];
        all.into_iter().find(|outcome| outcome.as_str() == word)
    }

    /// The `result` of a job that recorded none.
    pub(crate) const fn result(self) -> &'static str {
        match self {
            Self::Error | Self::Panic => Self::Error.as_str(),
            Self::Cancelled => Self::Cancelled.as_str(),
            Self::Ok | Self::Unknown => Self::Unknown.as_str(),
        }
    }
}
