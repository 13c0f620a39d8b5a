//! A throwaway PostgreSQL server on 127.0.0.1, gone when the test process is, however that ends.

use std::collections::hash_map::DefaultHasher;
use std::env;
use std::fmt::Write as _;
use std::hash::{Hash, Hasher as _};
use std::io::{BufRead, BufReader, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{LazyLock, Mutex};
use std::time::{Duration, Instant};
use std::{fs, thread};

use super::install;

/// How often a first start is tried: its port may have been taken since it was free.
const STARTS: u32 = 20;
/// After a kill the orphaned backends hold the shared memory, on a busy machine for many seconds.
const RESTARTED_WITHIN: Duration = Duration::from_mins(2);

/// A PostgreSQL server with databases of its own.
pub struct Cluster {
    bin: PathBuf,
    dir: PathBuf,
    port: u16,
    keeper: Mutex<ServerKeeper>,
    databases: AtomicU32,
}

impl Cluster {
    /// The server that all tests of this binary share, started by the first test that asks.
    pub fn shared() -> &'static Self {
        static SHARED: LazyLock<Cluster> = LazyLock::new(Cluster::start);
        &SHARED
    }

    /// A server for one test alone, which may stop and kill it.
    pub fn start() -> Self {
        Self::start_in(&std::env::temp_dir())
    }

    /// As [`start`](Self::start), with all that belongs to the server in a folder in this one.
    pub fn start_in(parent: &Path) -> Self {
        Self::start_after("init", parent)
    }

    /// A streaming standby of this server, with all it has.
    pub fn standby(&self) -> Self {
        Self::start_after(&format!("clone {}", self.port), &std::env::temp_dir())
    }

    fn start_after(data: &str, parent: &Path) -> Self {
        let bin = install::bin_dir();
        let dir = tempfile::Builder::new()
            .prefix("ledger-pg-")
            .tempdir_in(parent)
            .expect("a temporary folder")
            .keep();
        let mut keeper = ServerKeeper::spawn(&bin, &dir);
        let template = (data == "init").then(|| template(&bin, &dir)).flatten();
        if !template.as_deref().is_some_and(|template| copy(template, &dir.join("data"))) {
            keeper.must(data);
            if let Some(template) = template {
                keep(&dir.join("data"), &template);
            }
        }
        let port = (0..STARTS)
            .map(|_| free_port())
            .find(|port| keeper.tell(&format!("start {port}")))
            .unwrap_or_else(|| panic!("PostgreSQL does not start:\n{}", logs(&dir)));
        Self { bin, dir, port, keeper: Mutex::new(keeper), databases: AtomicU32::new(0) }
    }

    /// The URL of a fresh database that has the table of `schema.sql`.
    pub fn database(&self) -> String {
        let url = self.empty_database();
        self.psql(&url, include_str!("../../schema.sql"));
        url
    }

    /// The same after these statements.
    pub fn database_after(&self, statements: &str) -> String {
        let url = self.database();
        self.psql(&url, statements);
        url
    }

    /// The URL of a fresh database without tables.
    pub fn empty_database(&self) -> String {
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.psql(&self.url(), &format!("CREATE DATABASE {name}"));
        self.url_of(&name)
    }

    /// The URL of the database that every server has, as the superuser.
    pub fn url(&self) -> String {
        self.url_of("postgres")
    }

    fn url_of(&self, database: &str) -> String {
        format!("postgres://postgres@127.0.0.1:{}/{database}", self.port)
    }

    /// The port on 127.0.0.1; the same after [`restart`](Self::restart).
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The folder that goes with the server.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// One of PostgreSQL's programs, of the version of the server.
    pub fn program(&self, name: &str) -> PathBuf {
        self.bin.join(name)
    }

    /// The output of the statements: a line for each row, columns separated by `|`. Panics at the first that fails.
    pub fn psql(&self, url: &str, sql: &str) -> String {
        self.try_psql(url, sql).unwrap_or_else(|stderr| panic!("psql failed on\n{sql}\n{stderr}"))
    }

    /// As [`psql`](Self::psql). The error is the message of the first statement that fails.
    pub fn try_psql(&self, url: &str, sql: &str) -> Result<String, String> {
        let mut psql = Command::new(self.bin.join("psql"))
            .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", url])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("psql starts");
        let mut stdin = psql.stdin.take().expect("stdin is a pipe");
        // A psql that gave up already has said why on its stderr.
        stdin.write_all(sql.as_bytes()).ok();
        drop(stdin);
        let output = psql.wait_with_output().expect("psql ends");
        let text = |bytes| String::from_utf8(bytes).expect("psql prints UTF-8").trim_end().to_owned();
        if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
    }

    /// Stops the server, ending its connections, and keeps its data.
    pub fn stop(&self) {
        self.tell("stop");
    }

    /// Stops the server without letting anything come to its end: its next start recovers from its log.
    pub fn stop_at_once(&self) {
        self.tell("stop_at_once");
    }

    /// Kills the server with SIGKILL, as a crash does.
    pub fn kill9(&self) {
        self.tell("kill");
    }

    /// Lets a standby be the primary from now on.
    pub fn promote(&self) {
        self.tell("promote");
    }

    /// The same database on another server, as its superuser.
    pub fn url_of_the_same(&self, url: &str) -> String {
        self.url_of(url.rsplit('/').next().expect("a URL has a last part"))
    }

    /// Starts the stopped or killed server again, on the same port with the same data.
    pub fn restart(&self) {
        let mut keeper = self.keeper.lock().expect("no test panicked while it told the keeper");
        let start = format!("start {}", self.port);
        let deadline = Instant::now() + RESTARTED_WITHIN;
        while !keeper.tell(&start) {
            assert!(Instant::now() < deadline, "PostgreSQL does not start again:\n{}", logs(&self.dir));
            thread::sleep(Duration::from_millis(100));
        }
    }

    fn tell(&self, line: &str) {
        self.keeper.lock().expect("no test panicked while it told the keeper").must(line);
    }
}

/// The shell that starts and stops the server; see `keeper.sh`.
struct ServerKeeper {
    shell: Child,
    /// `None` once the keeper has been let go.
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    dir: PathBuf,
}

impl ServerKeeper {
    /// A keeper that owns the folder from here on, under an account that PostgreSQL's server accepts.
    fn spawn(bin: &Path, dir: &Path) -> Self {
        let mut command = Command::new("sh");
        command.args(["-c", include_str!("keeper.sh"), "keeper"]).arg(bin).arg(dir).current_dir(dir);
        if fs::metadata(dir).expect("the folder is there").uid() == 0 {
            let (user, group) = install::unprivileged();
            chown(dir, Some(user), Some(group)).expect("root may give the folder away");
            command.uid(user).gid(group);
        }
        // Its own process group: a Ctrl-C or a kill meant for the tests must leave it time to clean up.
        command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut shell = command.spawn().expect("sh starts");
        let orders = shell.stdin.take();
        let answers = BufReader::new(shell.stdout.take().expect("stdout is a pipe"));
        Self { shell, orders, answers, dir: dir.to_owned() }
    }

    /// Whether the keeper did what the line says.
    fn tell(&mut self, line: &str) -> bool {
        let orders = self.orders.as_mut().expect("the keeper gets orders only before it is let go");
        writeln!(orders, "{line}").expect("the keeper listens");
        let mut status = String::new();
        self.answers.read_line(&mut status).expect("the keeper answers");
        status.trim_end() == "0"
    }

    fn must(&mut self, line: &str) {
        assert!(self.tell(line), "could not {line} PostgreSQL:\n{}", logs(&self.dir));
    }
}

impl Drop for ServerKeeper {
    fn drop(&mut self) {
        drop(self.orders.take());
        // Nothing to do about a keeper that cannot be waited for.
        self.shell.wait().ok();
    }
}

/// The path of a data folder as `initdb` makes it, to be copied: a copy takes a fraction of the time. It is kept in
/// cargo's target folder, for this version and this configuration of the server.
fn template(bin: &Path, dir: &Path) -> Option<PathBuf> {
    let version = Command::new(bin.join("initdb")).arg("--version").output().ok()?.stdout;
    let mut hasher = DefaultHasher::new();
    (bin, version, include_str!("keeper.sh"), fs::metadata(dir).ok()?.uid()).hash(&mut hasher);
    let folder = env::current_exe().ok()?.parent()?.parent()?.to_owned();
    Some(folder.join(format!("ledger-pg-template-{:016x}", hasher.finish())))
}

/// Keeps a copy of the data folder as the template. Several tests may do so at once: the last step is a rename.
fn keep(data: &Path, template: &Path) {
    let server = data.parent().and_then(Path::file_name).expect("every server has a folder of its own");
    let copied = template.with_file_name(server);
    if !copy(data, &copied) || fs::rename(&copied, template).is_err() {
        // Another test was faster, or there is no room: the next server is made by initdb again.
        fs::remove_dir_all(&copied).ok();
    }
}

/// Copies a folder with the owners of its files; whether that succeeded.
fn copy(from: &Path, to: &Path) -> bool {
    let copied = from.is_dir()
        && Command::new("cp").arg("-a").arg(from).arg(to).status().is_ok_and(|status| status.success());
    if !copied {
        fs::remove_dir_all(to).ok();
    }
    copied
}

/// A port nobody listened on a moment ago.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("127.0.0.1 has a free port");
    listener.local_addr().expect("a bound socket has an address").port()
}

fn logs(dir: &Path) -> String {
    ["keeper.log", "server.log"].iter().fold(String::new(), |mut text, name| {
        let log = fs::read_to_string(dir.join(name)).unwrap_or_default();
        writeln!(text, "--- {name}\n{log}").expect("a String takes everything");
        text
    })
}
