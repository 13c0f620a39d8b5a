//! What is done to the ledger. One file to a kind of trouble, one function to a fault.

mod app;
mod clock;
mod disk;
mod exit;
mod failover;
mod network;
mod overload;
mod poison;
mod pooler;
mod server;
mod spool;
mod table;

use crate::scene::{Round, Verdict};

/// One way things go wrong.
pub(crate) struct Fault {
    pub(crate) name: &'static str,
    pub(crate) run: fn(Round) -> Verdict,
    /// Whether it takes root and a namespace to mount disks in, which not every machine allows.
    pub(crate) of_root: bool,
    /// Whether it is too long for the short form.
    pub(crate) long: bool,
}

const fn fault(name: &'static str, run: fn(Round) -> Verdict) -> Fault {
    Fault { name, run, of_root: false, long: false }
}

const fn of_root(name: &'static str, run: fn(Round) -> Verdict) -> Fault {
    Fault { of_root: true, ..fault(name, run) }
}

const fn long(name: &'static str, run: fn(Round) -> Verdict) -> Fault {
    Fault { long: true, ..fault(name, run) }
}

pub(crate) const ALL: &[Fault] = &[
    fault("server_killed", server::killed),
    fault("server_stopped", server::stopped),
    fault("server_stopped_at_once", server::stopped_at_once),
    fault("sessions_terminated", server::terminated),
    fault("statements_cancelled", server::cancelled),
    fault("read_only", table::read_only),
    fault("connection_cap", table::connection_cap),
    fault("revoked", table::revoked),
    fault("renamed", table::renamed),
    fault("locked", table::locked),
    fault("statement_timeout", table::statement_timeout),
    of_root("disk_full_of_rows", disk::full_of_rows),
    of_root("disk_full_of_log", disk::full_of_log),
    fault("failover", failover::to_a_standby),
    fault("pooler", pooler::beside_others),
    fault("pooler_killed", pooler::killed),
    fault("reset", network::reset),
    fault("delay", network::delay),
    fault("trickle", network::trickle),
    fault("silence", network::silence),
    long("amnesia", network::amnesia),
    long("long_outage", network::long_outage),
    Fault { long: true, ..of_root("vanished", network::vanished) },
    fault("cut_first_try", network::cut_first_try),
    fault("cut_commit", network::cut_commit),
    fault("cut_copy", network::cut_copy),
    fault("cut_second_try", network::cut_second_try),
    fault("poison_few", poison::few),
    fault("poison_many", poison::many),
    fault("overload_drop_newest", overload::drop_newest),
    fault("overload_drop_oldest", overload::drop_oldest),
    fault("overload_block", overload::block),
    fault("clock_jumps", clock::jumps),
    fault("app_killed", app::killed),
    fault("app_killed_with_spool", app::killed_with_spool),
    fault("spool_restarted", spool::restarted),
    fault("spool_full", spool::full),
    of_root("spool_disk_full", spool::disk_full),
    fault("spool_bit_flipped", spool::bit_flipped),
    fault("spool_truncated", spool::truncated),
    fault("exit_by_the_deadline", exit::by_the_deadline),
    fault("exit_while_locked", exit::while_locked),
];
