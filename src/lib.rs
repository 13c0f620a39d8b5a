// The first definition of a link wins: here pages are modules, and in the repository they are files.
//! [rules]: crate::_docs::rules
//! [addresses]: crate::_docs::addresses
//! [constants]: crate::_docs::constants
//! [contract]: crate::_docs::contract
//! [reliability]: crate::_docs::reliability
//! [security]: crate::_docs::security
//! [shutdown]: crate::_docs::shutdown
//! [outcomes]: crate::_docs::outcomes
//! [adopt]: crate::_docs::adopt
//! [recipes]: crate::_docs::recipes
//! [report]: crate::_docs::report
//! [logs]: crate::_docs::logs
//! [baseline]: crate::_docs::baseline
//! [doctor]: crate::_docs::doctor
//! [watch]: crate::_docs::watch
//! [page]: crate::_docs::page
//!
#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(not(unix))]
compile_error!("tracing-ledger runs on Unix only: its spool and its fork check need what other systems lack");

mod builder;
mod census;
mod checkup;
#[cfg_attr(
    not(any(feature = "postgres", feature = "sqlite")),
    expect(dead_code, reason = "only databases have columns")
)]
mod columns;
mod error;
mod escape;
mod exit;
mod finding;
mod guard;
mod layer;
mod notice;
mod outcome;
mod queue;
mod record;
#[cfg(all(feature = "report", any(feature = "postgres", feature = "sqlite")))]
pub mod report;
mod row;
mod rules;
mod severity;
mod spool;
mod stderr;
pub mod store;
mod suppressed;
mod sync;
mod writer;

/// The pages of the manual.
pub mod _docs {
    /// [builtin]: crate::Rules::builtin
    /// [constants]: crate::_docs::constants
    /// [outcomes]: crate::_docs::outcomes
    /// [recipes]: crate::_docs::recipes
    /// [redaction]: crate::_docs::redaction
    ///
    #[doc = include_str!("../docs/rules.md")]
    pub mod rules {}

    /// [rules]: crate::_docs::rules
    ///
    #[doc = include_str!("../docs/outcomes.md")]
    pub mod outcomes {}

    /// [rules]: crate::_docs::rules
    ///
    #[doc = include_str!("../docs/redaction.md")]
    pub mod redaction {}

    /// [constants]: crate::_docs::constants
    /// [rules]: crate::_docs::rules
    ///
    #[doc = include_str!("../docs/contract.md")]
    pub mod contract {}

    #[doc = include_str!("../docs/constants.md")]
    pub mod constants {}

    #[doc = include_str!("../docs/reliability.md")]
    pub mod reliability {}

    /// [security-tls]: crate::_docs::security#tls
    ///
    #[doc = include_str!("../docs/addresses.md")]
    pub mod addresses {}

    /// [addresses]: crate::_docs::addresses
    /// [rules-redaction]: crate::_docs::redaction
    ///
    #[doc = include_str!("../docs/security.md")]
    pub mod security {}

    #[doc = include_str!("../docs/shutdown.md")]
    pub mod shutdown {}

    #[doc = include_str!("../docs/doctor.md")]
    pub mod doctor {}

    /// [logs]: crate::_docs::logs
    /// [baseline]: crate::_docs::baseline
    /// [page]: crate::_docs::page
    ///
    #[doc = include_str!("../docs/report.md")]
    pub mod report {}

    #[doc = include_str!("../docs/page.md")]
    pub mod page {}

    #[doc = include_str!("../docs/logs.md")]
    pub mod logs {}

    #[doc = include_str!("../docs/baseline.md")]
    pub mod baseline {}

    /// [constants]: crate::_docs::constants
    /// [contract]: crate::_docs::contract
    /// [logs]: crate::_docs::logs
    /// [report]: crate::_docs::report
    ///
    #[doc = include_str!("../docs/watch.md")]
    pub mod watch {}

    // `scripts/adopt` and `tests/crates` run the code of these pages, with crates that are not at hand here.
    /// [doctor]: crate::_docs::doctor
    /// [outcomes]: crate::_docs::outcomes
    /// [recipes]: crate::_docs::recipes
    /// [rules]: crate::_docs::rules
    /// [shutdown]: crate::_docs::shutdown
    ///
    #[cfg_attr(not(doctest), doc = include_str!("../docs/adopt.md"))]
    pub mod adopt {}

    /// [outcomes]: crate::_docs::outcomes
    /// [rules]: crate::_docs::rules
    ///
    #[cfg_attr(not(doctest), doc = include_str!("../docs/recipes.md"))]
    pub mod recipes {}
}

#[cfg(fuzzing)]
#[doc(hidden)]
pub use spool::fuzzing as segment;

pub use builder::{Builder, builder, layer};
pub use census::Callsite;
pub use error::Error;
pub use finding::{Checkup, Finding, Health};
pub use guard::{Guard, Handle};
pub use layer::LedgerLayer;
pub use notice::{Notice, NoticeKind};
pub use queue::{Dropped, Overflow, Refused, Stats};
pub use row::Row;
pub use rules::{Redact, Rule, Rules, Silent};
pub use severity::Severity;
#[cfg(feature = "postgres")]
pub use store::SCHEMA;
pub use writer::Quarantined;
