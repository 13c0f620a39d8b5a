//! The store that a URL names.

#[cfg(all(feature = "report", any(feature = "postgres", feature = "sqlite")))]
use super::read::TableIdentity;
use super::{Attempt, InsertError, Store, TableName, Trial};
use crate::columns::ColumnMap;
use crate::error::Error;
use crate::finding::Checkup;
use crate::row::Row;

/// The store for the scheme of a URL.
#[derive(Debug)]
pub(crate) enum AnyStore {
    #[cfg(feature = "postgres")]
    Postgres(Box<super::Postgres>),
    #[cfg(feature = "sqlite")]
    Sqlite(Box<super::Sqlite>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    Postgres,
    Sqlite,
}

/// Makes the store that the URL names, without a connection.
pub(crate) fn open(
    url: &str,
    table: &TableName,
    columns: &ColumnMap,
    create_table: bool,
) -> Result<AnyStore, Error> {
    match scheme(url)? {
        Scheme::Postgres => postgres(url, table, columns, create_table),
        Scheme::Sqlite => sqlite(url, table, columns, create_table),
    }
}

/// As [`open`], also for a URL that allows no writes.
#[cfg(all(feature = "report", any(feature = "postgres", feature = "sqlite")))]
pub(crate) fn open_to_read(url: &str, table: &TableName) -> Result<AnyStore, Error> {
    #[cfg(feature = "sqlite")]
    if scheme(url)? == Scheme::Sqlite {
        let mut store = super::Sqlite::reader(url)?;
        store.table = table.clone();
        return Ok(AnyStore::Sqlite(Box::new(store)));
    }
    open(url, table, &ColumnMap::default(), false)
}

/// The stores that the URLs name.
///
/// # Errors
/// As [`open_to_read`], and if two URLs certainly lead to the same rows, which would count twice.
#[cfg(all(feature = "report", any(feature = "postgres", feature = "sqlite")))]
pub(crate) async fn open_distinct<U: AsRef<str>>(
    urls: &[U],
    table: &TableName,
) -> Result<Vec<AnyStore>, Error> {
    let mut stores = open_all(urls, table)?;
    check_distinct(&mut stores).await?;
    Ok(stores)
}

/// Asks the servers whether two of the stores have the same rows under different names.
///
/// # Errors
/// If two do, or a server cannot be reached.
#[cfg(all(feature = "report", any(feature = "postgres", feature = "sqlite")))]
pub(crate) async fn check_distinct(stores: &mut [AnyStore]) -> Result<(), Error> {
    let mut identities: Vec<TableIdentity> = Vec::new();
    if stores.len() > 1 {
        for store in stores {
            let Some(identity) = store.identity().await? else { continue };
            if identities.iter().any(|other| other.is_same(&identity)) {
                return Err(named_twice());
            }
            identities.push(identity);
        }
    }
    Ok(())
}

#[cfg(all(feature = "report", any(feature = "postgres", feature = "sqlite")))]
fn named_twice() -> Error {
    Error::config(
        "two of the database URLs name the same database, whose rows would count twice: name each once. If they are \
         standbys of two copies of one server, which cannot be told apart, name the primaries",
    )
}

/// The stores that the URLs name, which are checked only by their names.
///
/// # Errors
/// As [`open_to_read`], and if two URLs certainly lead to the same rows.
#[cfg(all(feature = "report", any(feature = "postgres", feature = "sqlite")))]
pub(crate) fn open_all<U: AsRef<str>>(urls: &[U], table: &TableName) -> Result<Vec<AnyStore>, Error> {
    let mut places = std::collections::HashSet::new();
    let open = |url: &U| {
        let store = open_to_read(url.as_ref(), table)?;
        match store.place() {
            Some(place) if !places.insert(place.clone()) => Err(named_twice()),
            _ => Ok(store),
        }
    };
    urls.iter().map(open).collect()
}

/// Connects to the tables of a rollup, which only Postgres has.
#[cfg(all(feature = "report", feature = "postgres"))]
pub(crate) async fn open_rollup(
    url: &str,
    table: &TableName,
    writes: bool,
) -> Result<super::RollupTables, Error> {
    match scheme(url)? {
        Scheme::Postgres => {
            let mut store = super::Postgres::from_url(url)?;
            store.table = table.clone();
            store.rollup_tables(writes).await
        }
        Scheme::Sqlite => Err(Error::config(
            "only Postgres has rollups: leave out --rollup, and the report reads the rows of the SQLite file",
        )),
    }
}

fn scheme(url: &str) -> Result<Scheme, Error> {
    match url.split_once(':') {
        Some(("postgres" | "postgresql", _)) => Ok(Scheme::Postgres),
        Some(("sqlite", _)) => Ok(Scheme::Sqlite),
        _ => Err(Error::config("the database URL has an unknown scheme: use postgres://… or sqlite:…")),
    }
}

#[cfg(feature = "postgres")]
fn postgres(
    url: &str,
    table: &TableName,
    columns: &ColumnMap,
    create_table: bool,
) -> Result<AnyStore, Error> {
    let mut store = super::Postgres::from_url(url)?;
    (store.table, store.columns, store.create_table) = (table.clone(), columns.clone(), create_table);
    Ok(AnyStore::Postgres(Box::new(store)))
}

#[cfg(not(feature = "postgres"))]
fn postgres(_: &str, _: &TableName, _: &ColumnMap, _: bool) -> Result<AnyStore, Error> {
    Err(Error::config("the database URL is for Postgres: build tracing-ledger with the feature postgres"))
}

#[cfg(feature = "sqlite")]
fn sqlite(url: &str, table: &TableName, columns: &ColumnMap, create_table: bool) -> Result<AnyStore, Error> {
    let mut store = super::Sqlite::from_url(url)?;
    (store.table, store.columns, store.create_table) = (table.clone(), columns.clone(), create_table);
    Ok(AnyStore::Sqlite(Box::new(store)))
}

#[cfg(not(feature = "sqlite"))]
fn sqlite(_: &str, _: &TableName, _: &ColumnMap, _: bool) -> Result<AnyStore, Error> {
    Err(Error::config("the database URL is for SQLite: build tracing-ledger with the feature sqlite"))
}

/// Calls the method of the store that it is.
macro_rules! delegate {
    ($any:ident.$($call:tt)+) => {
        match *$any {
            #[cfg(feature = "postgres")]
            AnyStore::Postgres(ref mut store) => store.$($call)+,
            #[cfg(feature = "sqlite")]
            AnyStore::Sqlite(ref mut store) => store.$($call)+,
        }
    };
}

impl Store for AnyStore {
    #[cfg_attr(
        not(any(feature = "postgres", feature = "sqlite")),
        expect(unused_variables, reason = "without a built-in store there is no variant to pass them to")
    )]
    async fn insert(&mut self, batch: &[Row], attempt: Attempt) -> Result<(), InsertError> {
        delegate!(self.insert(batch, attempt).await)
    }

    async fn reach(&mut self) -> Result<(), InsertError> {
        delegate!(self.reach().await)
    }
}

impl AnyStore {
    /// The kind of database.
    pub(crate) fn name(&self) -> &'static str {
        match *self {
            #[cfg(feature = "postgres")]
            Self::Postgres(_) => "Postgres",
            #[cfg(feature = "sqlite")]
            Self::Sqlite(_) => "SQLite",
        }
    }

    /// A text that is the same for two stores only if they have the same rows; `None` where that is not known.
    #[cfg(all(feature = "report", any(feature = "postgres", feature = "sqlite")))]
    fn place(&self) -> Option<String> {
        match self {
            #[cfg(feature = "postgres")]
            Self::Postgres(store) => Some(store.place()),
            #[cfg(feature = "sqlite")]
            Self::Sqlite(store) => store.place(),
        }
    }

    /// As [`place`](Self::place), from the server.
    #[cfg(all(feature = "report", any(feature = "postgres", feature = "sqlite")))]
    async fn identity(&mut self) -> Result<Option<TableIdentity>, Error> {
        match self {
            #[cfg(feature = "postgres")]
            Self::Postgres(store) => store.identity().await,
            #[cfg(feature = "sqlite")]
            Self::Sqlite(_) => Ok(None),
        }
    }

    /// Checks the database and whether it takes these rows, and notes the findings.
    #[cfg_attr(
        not(any(feature = "postgres", feature = "sqlite")),
        expect(unused_variables, reason = "without a built-in store there is no variant to pass them to")
    )]
    pub(crate) async fn check(&mut self, trials: &[Trial], checkup: &mut Checkup) {
        delegate!(self.check(trials, checkup).await)
    }

    /// Whether the table has a row of this type with that mark in its context, or why that cannot be known.
    #[cfg_attr(
        not(any(feature = "postgres", feature = "sqlite")),
        expect(unused_variables, reason = "without a built-in store there is no variant to pass them to")
    )]
    pub(crate) async fn has_marked(&mut self, event_type: &str, mark: &str) -> Result<bool, String> {
        delegate!(self.has_marked(event_type, mark).await)
    }
}

#[cfg(all(feature = "report", any(feature = "postgres", feature = "sqlite")))]
impl super::read::RowSource for AnyStore {
    async fn expected(&mut self, selection: &super::read::Selection) -> Result<Option<u64>, Error> {
        delegate!(self.expected(selection).await)
    }

    fn passes_whole_rows(&self) -> bool {
        match self {
            #[cfg(feature = "postgres")]
            Self::Postgres(store) => store.passes_whole_rows(),
            #[cfg(feature = "sqlite")]
            Self::Sqlite(store) => store.passes_whole_rows(),
        }
    }

    async fn read(
        &mut self,
        selection: &super::read::Selection,
        each: &mut (dyn FnMut(&super::read::Reading<'_>) + Send),
    ) -> Result<(), Error> {
        delegate!(self.read(selection, each).await)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scheme_names_the_store() {
        assert_eq!(scheme("postgres://db/app").ok(), Some(Scheme::Postgres));
        assert_eq!(scheme("postgresql://db/app").ok(), Some(Scheme::Postgres));
        assert_eq!(scheme("sqlite:ledger.sqlite3").ok(), Some(Scheme::Sqlite));
    }

    #[cfg(all(feature = "report", feature = "postgres", feature = "sqlite"))]
    #[test]
    fn no_database_is_read_twice() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("ledger.sqlite3");
        std::fs::write(&file, "").expect("written");
        std::os::unix::fs::symlink(&file, dir.path().join("link")).expect("linked");
        let sqlite = |name: &str| format!("sqlite:{}", dir.path().join(name).display());
        let postgres = |rest: &str| format!("postgres://bob:secret@{rest}");
        for (one, other, same) in [
            (postgres("db/app"), postgres("db:5432/app?application_name=report"), true),
            (postgres("db/app"), postgres("db/other"), false),
            (postgres("db/app"), postgres("db2/app"), false),
            (postgres("db/app"), postgres("db/app?options=-csearch_path%3Dtwo"), false),
            (postgres("db/app"), "postgres://eve@db/app".to_owned(), false),
            (sqlite("ledger.sqlite3"), sqlite("link"), true),
            (sqlite("ledger.sqlite3"), sqlite("other"), false),
            ("sqlite::memory:".to_owned(), "sqlite::memory:".to_owned(), false),
        ] {
            let opened = open_all(&[&one, &other], &TableName::default());
            assert_eq!(opened.as_ref().is_err(), same, "{one} {other}");
            if let Err(error) = opened {
                assert!(error.is_config() && error.to_string().contains("name each once"), "{error}");
            }
        }
    }

    #[test]
    fn an_unknown_scheme_is_refused_with_the_known_ones() {
        for url in ["mysql://bob:secret@db/app", "ledger.sqlite3", ""] {
            let error = open(url, &TableName::default(), &ColumnMap::default(), false).expect_err(url);
            assert!(error.is_config());
            let expected = "the database URL has an unknown scheme: use postgres://… or sqlite:…";
            assert_eq!(error.to_string(), expected);
        }
    }
}
