//! The texts about records that the queue refuses.

/// Records after the end.
pub(super) const TOO_LATE: &str = "a span ended after its guard was shut down or dropped, so it is not recorded: shut the ledger \
    down after the server and the jobs have ended, or keep the guard until the end of main (`let (ledger, guard) = …`, never \
    `let (ledger, _) = …`)";

/// Records of a forked child: a whole line, as nothing may be allocated there.
pub(super) const FORKED: &str =
    "tracing-ledger: a forked child records nothing: build a ledger of its own in the child\n";
