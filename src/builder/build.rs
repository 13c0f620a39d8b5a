//! Makes a ledger of the options.

use std::any;
use std::sync::Arc;
use std::time::Duration;

use tracing::Subscriber;
use tracing_subscriber::prelude::*;
use tracing_subscriber::registry::{LookupSpan, Registry};
use uuid::Uuid;

use super::{Builder, environment};
use crate::census::Census;
use crate::checkup::{self, CheckedTable, Subject};
use crate::error::Error;
use crate::exit;
use crate::finding::Checkup;
use crate::guard::Guard;
use crate::layer::{LedgerLayer, listen_to_panics};
use crate::notice::{NoticeKind, Route};
use crate::queue::Queue;
use crate::rules::Rules;
use crate::rules::plan::Plans;
use crate::spool;
use crate::store::{self, Store};
use crate::writer::{self, CENTURY, Control, WriterOptions};

impl Builder {
    /// Makes the layer and starts its writer.
    ///
    /// The URL is `postgres://user@host/database`, or `sqlite:path` with the feature `sqlite`. This opens the spool directory, if
    /// there is one, and does not connect to the database: rows wait for a database that is down.
    ///
    /// # Errors
    /// [`Error::is_config`] if the URL cannot be parsed, an option is out of range, or the writer's thread
    /// cannot be started. [`Error::is_spool`] if the spool directory cannot be used, such as when another process
    /// owns it. Damaged rows in it and a full disk are no error: they are counted, and a notice says so.
    pub fn build<S>(self, url: &str) -> Result<(LedgerLayer<S>, Guard), Error>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let route = self.route();
        let table = self.table_name()?;
        let columns = self.filled()?;
        let store = route.within(|| store::open(url, &table, &columns, self.create_table))?;
        let to = format!("{}, table {table}", store.name());
        let place =
            Some(CheckedTable { url: url.to_owned(), table, columns, creates_table: self.create_table });
        self.start(store, &to, place)
    }

    /// Makes the layer and starts its writer, with a store of your own or [`Memory`](store::Memory).
    ///
    /// # Errors
    /// As [`build`](Self::build).
    pub fn build_with<S>(self, store: impl Store) -> Result<(LedgerLayer<S>, Guard), Error>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let place = short_name(any::type_name_of_val(&store));
        self.start(store, place, None)
    }

    fn start<S>(
        self,
        store: impl Store,
        to: &str,
        place: Option<CheckedTable>,
    ) -> Result<(LedgerLayer<S>, Guard), Error>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        self.check_options()?;
        let rules = self.all_rules()?;
        let route = self.route();
        let dead = self.dead_rules(&rules)?;
        let mut queue = Queue::new(self.queue_capacity, self.overflow, self.batch_size);
        queue.route = route.clone();
        let queue = Arc::new(queue);
        let control = Arc::new(Control::default());
        let spool = match &self.spool_dir {
            Some(dir) => Some(route.within(|| writer::open_spool(dir, self.spool_options(), &queue))?),
            None => None,
        };
        self.announce(&route, &rules, to, &dead);
        let columns = place.as_ref().map(|place| place.columns.clone()).unwrap_or_default();
        let subject = Subject { rules: rules.clone(), spool_dir: self.spool_dir.clone(), place };
        let discover = self.discover || environment::discovers();
        let plans = Plans::new(rules.clone(), self.max_level).strict(self.strict).discover(discover);
        let plans = Arc::new(plans.filling(&columns));
        let census = Arc::new(Census::new(Arc::clone(&plans)));
        let options = self.writer_options(&rules);
        let (of_writer, orders) = (Arc::clone(&queue), Arc::clone(&control));
        let writer = writer::start(store, spool, of_writer, orders, options, Arc::clone(&census))?;
        if self.panic_messages {
            listen_to_panics();
        }
        let layer = LedgerLayer::of(plans, Arc::clone(&census), Arc::clone(&queue));
        let watched = exit::watch(&queue, layer.calls());
        Ok((layer, Guard::new(queue, control, writer, watched, census).with_subject(subject)))
    }

    /// Why some rules name nothing. With `strict` this is an error.
    fn dead_rules(&self, rules: &Rules) -> Result<Vec<String>, Error> {
        // The rules of `instrumented` come after these, so they may find nothing left to name.
        let mut dead = self.rules.dead();
        dead.extend(self.instrumented.iter().filter_map(|name| Rules::dead_crate(name)));
        match dead.first().cloned().or_else(|| rules.overlooks_annotations()).filter(|_| self.strict) {
            Some(dead) => Err(Error::config(format!("strict: {dead}"))),
            None => Ok(dead),
        }
    }

    fn writer_options(&self, rules: &Rules) -> WriterOptions {
        WriterOptions {
            batch_size: self.batch_size,
            flush_interval: self.flush_interval.min(CENTURY),
            reference_timeout: self.reference_timeout.min(CENTURY),
            constants: rules.constants().to_vec(),
        }
    }

    /// Checks whether a ledger with these options would work with the database of that URL, without starting it:
    /// [`Guard::check`] before there is a guard.
    ///
    /// # Errors
    /// [`Error::is_config`] when an option or a rule is wrong.
    pub fn check(&self, url: &str, timeout: Duration) -> Result<Checkup, Error> {
        Ok(self.subject(url)?.check(timeout))
    }

    /// As [`check`](Self::check), and sends one row of the event type `ledger.check` through a ledger with these options and
    /// reads it back. The row stays in the table.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub fn check_by_writing(&self, url: &str, timeout: Duration) -> Result<Checkup, Error> {
        let subject = self.subject(url)?;
        let mut checkup = subject.check(timeout);
        if checkup::takes_no_row(&checkup) {
            checkup.unknown("write", "not tried: the lines above say why the database would take no row");
            return Ok(checkup);
        }
        let mark = Uuid::now_v7().to_string();
        // The spool belongs to the running service.
        let builder = Self {
            rules: checkup::marking_rules(subject.rules.constants())?,
            instrumented: Vec::new(),
            spool_dir: None,
            ..self.clone()
        };
        let built = Self { route: Route::Nowhere, ..builder }.build::<Registry>(url);
        let written = built.and_then(|(ledger, guard)| {
            let registry = tracing_subscriber::registry().with(ledger);
            tracing::subscriber::with_default(registry, || checkup::mark(&mark));
            guard.shutdown(timeout)
        });
        match written {
            Ok(stats) if stats.written == 1 => subject.find(&mark, timeout, &mut checkup),
            Ok(stats) => checkup.wrong("write", format!("a marked row was not written: {stats}")),
            Err(error) => checkup.wrong("write", format!("a marked row was not written: {error:#}")),
        }
        Ok(checkup)
    }

    fn subject(&self, url: &str) -> Result<Subject, Error> {
        self.check_options()?;
        let place = Some(CheckedTable {
            url: url.to_owned(),
            table: self.table_name()?,
            columns: self.filled()?,
            creates_table: self.create_table,
        });
        Ok(Subject { rules: self.all_rules()?, spool_dir: self.spool_dir.clone(), place })
    }

    /// Where notices go; the environment may silence them.
    fn route(&self) -> Route {
        if environment::is_silenced() { Route::Nowhere } else { self.route.clone() }
    }

    /// Says which rules and which store are on, and which mistakes are known already.
    fn announce(&self, route: &Route, rules: &Rules, place: &str, dead: &[String]) {
        let count = rules.count();
        let spool =
            self.spool_dir.as_ref().map_or("no spool".to_owned(), |dir| format!("spool {}", dir.display()));
        route.say(NoticeKind::Start, format_args!("on: rules: {count}; rows to {place}; {spool}"));
        for text in dead {
            route.say(NoticeKind::Setup, format_args!("{text}"));
        }
        if let Some(fault) = &self.resource_fault {
            route.say(NoticeKind::Setup, format_args!("{fault}"));
        }
        if let Some(unread) = environment::unread(std::env::vars_os()).filter(|_| !self.has_env) {
            route.say(NoticeKind::Setup, format_args!("{unread}"));
        }
    }

    fn all_rules(&self) -> Result<Rules, Error> {
        let crates = self.instrumented.iter();
        crates
            .map(|name| Rules::instrumented(name))
            .try_fold(self.rules.clone(), |rules, more| rules.and(more?))?
            .with_ids(self.ids)?
            .with_constants(&self.constants)
    }

    fn spool_options(&self) -> spool::SpoolOptions {
        let sync_interval = self.spool_sync_interval.map(|every| every.min(CENTURY));
        spool::SpoolOptions { limit_bytes: self.spool_limit, sync_interval }
    }

    fn check_options(&self) -> Result<(), Error> {
        let zero = [
            (self.queue_capacity == 0, "queue_capacity is 0: give it at least 1 record"),
            (self.batch_size == 0, "batch_size is 0: give it at least 1 row"),
            (self.flush_interval.is_zero(), "flush_interval is zero: give it a time, such as 200 ms"),
            (
                self.spool_sync_interval == Some(Duration::ZERO),
                "spool_sync_interval is zero: give it a time, such as 1 s, or leave it out",
            ),
        ];
        if let Some((_, message)) = zero.into_iter().find(|(is_zero, _)| *is_zero) {
            return Err(Error::config(message));
        }
        if self.spool_dir.as_ref().is_some_and(|dir| dir.as_os_str().is_empty()) {
            return Err(Error::config("spool_dir is an empty path: name a directory, or leave it out"));
        }
        if self.spool_dir.is_some() && self.spool_limit < Self::MIN_SPOOL_LIMIT {
            let Self { spool_limit, .. } = self;
            let minimum = Self::MIN_SPOOL_LIMIT;
            return Err(Error::config(format!(
                "spool_limit is {spool_limit} bytes: give it at least {minimum}"
            )));
        }
        Ok(())
    }
}

/// The name of a type without its path and its parameters.
fn short_name(name: &str) -> &str {
    let name = name.split('<').next().unwrap_or(name);
    name.rsplit("::").next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builder::builder;

    #[test]
    fn options_out_of_range_are_refused() {
        for (builder, option) in [
            (builder().queue_capacity(0), "queue_capacity"),
            (builder().batch_size(0), "batch_size"),
            (builder().flush_interval(Duration::ZERO), "flush_interval"),
            (builder().spool_sync_interval(Duration::ZERO), "spool_sync_interval"),
            (builder().spool_dir(""), "spool_dir is an empty path"),
            (builder().spool_dir("/nowhere").spool_limit(Builder::MIN_SPOOL_LIMIT - 1), "spool_limit"),
        ] {
            let built = builder.build_with::<tracing_subscriber::Registry>(store::Memory::default());
            let error = built.expect_err(option);
            assert!(error.is_config() && error.to_string().starts_with(option), "{error}");
        }
    }
}
