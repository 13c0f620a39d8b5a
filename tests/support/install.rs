//! Finds PostgreSQL's programs on this machine, and the account that its server runs as.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Accounts a server started by root may run as: it refuses root itself.
const ACCOUNTS: [&str; 2] = ["postgres", "nobody"];

/// The folder of `initdb`, `pg_ctl` and `psql`: `PG_BIN`, or the newest version that is installed.
pub fn bin_dir() -> PathBuf {
    if let Some(dir) = env::var_os("PG_BIN").map(PathBuf::from) {
        assert!(is_server(&dir), "PG_BIN={} does not contain initdb, pg_ctl and psql", dir.display());
        return dir;
    }
    debian()
        .or_else(|| env::split_paths(&env::var_os("PATH")?).find(|dir| is_server(dir)))
        .or_else(pg_config)
        .expect("PostgreSQL's server (initdb, pg_ctl) is not installed: run scripts/test, which installs it")
}

/// Debian and Ubuntu keep the server's programs off the PATH, in a folder by version.
fn debian() -> Option<PathBuf> {
    let version = |dir: &Path| dir.file_name()?.to_str()?.parse::<u32>().ok();
    fs::read_dir("/usr/lib/postgresql")
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|dir| is_server(&dir.join("bin")))
        .max_by_key(|dir| version(dir))
        .map(|dir| dir.join("bin"))
}

fn pg_config() -> Option<PathBuf> {
    let output = Command::new("pg_config").arg("--bindir").output().ok()?;
    let dir = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim_end());
    is_server(&dir).then_some(dir)
}

fn is_server(dir: &Path) -> bool {
    ["initdb", "pg_ctl", "psql"].iter().all(|program| dir.join(program).exists())
}

/// The user and group ids of an account without rights.
pub fn unprivileged() -> (u32, u32) {
    ACCOUNTS.iter().find_map(|account| Some((id("-u", account)?, id("-g", account)?))).expect(
        "a server started by root needs an account to run as: add the user `postgres`, or test as yourself",
    )
}

fn id(which: &str, account: &str) -> Option<u32> {
    let output = Command::new("id").args([which, account]).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim_end().parse().ok()
}
