//! `target_session_attrs`: which server of several is the right one.

use sqlx::Row as _;
use sqlx::postgres::PgConnection;

use crate::error::Error;

/// The servers that a client wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in super::super) enum Session {
    Any,
    ReadWrite,
    ReadOnly,
    Primary,
    Standby,
    PreferStandby,
}

const WORDS: [(&str, Session); 6] = [
    ("any", Session::Any),
    ("read-write", Session::ReadWrite),
    ("read-only", Session::ReadOnly),
    ("primary", Session::Primary),
    ("standby", Session::Standby),
    ("prefer-standby", Session::PreferStandby),
];

/// Without the casts the simple protocol gives `t` for true.
const ASK: &str = "SELECT pg_is_in_recovery()::text, current_setting('default_transaction_read_only')";

impl Session {
    /// The session for the value of the parameter that `named` names.
    pub(super) fn read(value: &str, named: &str) -> Result<Self, Error> {
        let word = WORDS.iter().find(|(word, _)| *word == value);
        word.map(|(_, session)| *session).ok_or_else(|| {
            Error::config(format!(
                "{named} has an unknown value: use any, read-write, read-only, primary, standby or prefer-standby"
            ))
        })
    }

    pub(in super::super) fn word(self) -> &'static str {
        WORDS.iter().find(|(_, session)| *session == self).map_or("", |(word, _)| word)
    }

    /// Whether rows cannot be written to the servers that this asks for.
    pub(in super::super) fn takes_no_rows(self) -> bool {
        matches!(self, Self::ReadOnly | Self::Standby | Self::PreferStandby)
    }

    /// The servers to look for, and where none is found, those to look for next.
    pub(in super::super) fn in_turn(self) -> Vec<Self> {
        if self == Self::PreferStandby { vec![Self::Standby, Self::Any] } else { vec![self] }
    }

    /// Whether this server is one that is wanted.
    pub(in super::super) async fn accepts(self, connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
        if self == Self::Any {
            return Ok(true);
        }
        let row = sqlx::Executor::fetch_one(connection, sqlx::raw_sql(ASK)).await?;
        let recovers = row.try_get::<String, _>(0)? == "true";
        let read_only = recovers || row.try_get::<String, _>(1)? == "on";
        Ok(match self {
            Self::Any | Self::PreferStandby => true,
            Self::ReadWrite => !read_only,
            Self::ReadOnly => read_only,
            Self::Primary => !recovers,
            Self::Standby => recovers,
        })
    }
}
