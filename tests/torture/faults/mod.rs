//! The faults. Each kind has a file, each fault a function.

mod app;
mod clock;
mod disk;
mod exit;
mod failing_disk;
mod failover;
mod network;
mod overload;
mod pooler;
mod rejected;
mod server;
mod spool;
mod table;

use crate::scene::{FaultVerdict, Round};
use crate::{tmpfs, tracer};

/// One way things go wrong.
pub(crate) struct Fault {
    pub(crate) name: &'static str,
    pub(crate) run: fn(Round) -> FaultVerdict,
    pub(crate) takes: Takes,
    /// Whether it is too long for the short form.
    pub(crate) long: bool,
}

/// The means of a fault that not every machine has.
#[derive(Clone, Copy)]
pub(crate) enum Takes {
    Nothing,
    /// Root, and a namespace to mount disks in.
    Disks,
    /// A process that may trace another.
    Tracer,
}

impl Takes {
    /// The means that this machine lacks.
    pub(crate) fn lacks(self) -> Option<&'static str> {
        match self {
            Self::Nothing => None,
            Self::Disks => (!tmpfs::is_available()).then_some("root and `unshare --mount`"),
            Self::Tracer => tracer::refusal(),
        }
    }
}

const fn fault(name: &'static str, run: fn(Round) -> FaultVerdict) -> Fault {
    Fault { name, run, takes: Takes::Nothing, long: false }
}

const fn of_root(name: &'static str, run: fn(Round) -> FaultVerdict) -> Fault {
    Fault { takes: Takes::Disks, ..fault(name, run) }
}

const fn traced(name: &'static str, run: fn(Round) -> FaultVerdict) -> Fault {
    Fault { takes: Takes::Tracer, ..fault(name, run) }
}

const fn long(name: &'static str, run: fn(Round) -> FaultVerdict) -> Fault {
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
    fault("no_partition", table::no_partition),
    fault("locked", table::locked),
    fault("statement_timeout", table::statement_timeout),
    of_root("disk_full_of_rows", disk::full_of_rows),
    of_root("disk_full_of_log", disk::full_of_log),
    fault("failover", failover::to_a_standby),
    fault("failover_by_the_url", failover::by_the_url),
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
    fault("rejected_few", rejected::few),
    fault("rejected_by_trigger", rejected::raised),
    fault("late_bookings", rejected::late_bookings),
    fault("rejected_many", rejected::many),
    fault("rejected_all", rejected::all),
    fault("overload_refuse", overload::refuse),
    fault("overload_evict_oldest", overload::evict_oldest),
    fault("overload_block", overload::block),
    fault("clock_jumps", clock::jumps),
    fault("app_killed", app::killed),
    fault("app_killed_with_spool", app::killed_with_spool),
    fault("spool_restarted", spool::restarted),
    fault("spool_full", spool::full),
    of_root("spool_disk_full", spool::disk_full),
    traced("spool_write_fails", failing_disk::write),
    traced("spool_sync_fails", failing_disk::sync),
    fault("spool_bit_flipped", spool::bit_flipped),
    fault("spool_truncated", spool::truncated),
    fault("exit_by_the_deadline", exit::by_the_deadline),
    fault("exit_while_locked", exit::while_locked),
];
