//! A pgbouncer in transaction mode in front of a server, with other clients on the same sessions.

use std::env;
use std::fs;
use std::io::Write as _;
use std::net::TcpStream;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::stage::Stage;
use crate::wait::until;

const UP_WITHIN: Duration = Duration::from_mins(10);
/// Fewer than there are clients, so that they take turns on them.
const SESSIONS: u32 = 2;

/// The settings of the ledger's own sessions. Between clients whose settings differ pgbouncer sends a `SET`, which
/// happens to forget the statement of the one before.
const AS_THE_LEDGER: [(&str, &str); 4] = [
    ("PGAPPNAME", "tracing-ledger"),
    ("PGCLIENTENCODING", "UTF8"),
    ("PGDATESTYLE", "ISO, MDY"),
    ("PGTZ", "UTC"),
];

/// Runs pgbouncer until standard input ends, and answers nothing. Killed with it when the tests are gone,
/// however they end.
const KEEPER: &str = r#""$0" "$1" & read -r _; kill -KILL $!; wait"#;

/// A running pgbouncer.
pub(crate) struct Pooler {
    keeper: Child,
    program: PathBuf,
    config: PathBuf,
    port: u16,
}

impl Pooler {
    /// One in front of the server of this stage, for the account of its ledger.
    pub(crate) fn start(stage: &Stage) -> Self {
        let program = program();
        let port = support::free_port();
        let dir = stage.cluster.dir().join(format!("pooler-{port}"));
        fs::create_dir(&dir).expect("the server's folder takes another");
        let users = dir.join("users.txt");
        let config = dir.join("pgbouncer.ini");
        fs::write(&users, format!("\"{}\" \"\"\n", stage.role)).expect("a file is written");
        fs::write(&config, options(&users, port, stage.cluster.port())).expect("a file is written");
        give_to_owner_of(stage.cluster.dir(), &[&dir, &users, &config]);
        let keeper = keep(&program, &config);
        let pooler = Self { keeper, program, config, port };
        pooler.wait_until_up();
        pooler
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Kills it and starts it again.
    pub(crate) fn kill_and_start(&mut self) {
        self.end();
        self.keeper = keep(&self.program, &self.config);
        self.wait_until_up();
    }

    fn end(&mut self) {
        drop(self.keeper.stdin.take());
        self.keeper.wait().ok();
    }

    fn wait_until_up(&self) {
        until(UP_WITHIN, "pgbouncer listens", || TcpStream::connect(("127.0.0.1", self.port)).is_ok());
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        self.end();
    }
}

fn options(users: &Path, port: u16, server: u16) -> String {
    format!(
        "[databases]
         * = host=127.0.0.1 port={server}
         [pgbouncer]
         listen_addr = 127.0.0.1
         listen_port = {port}
         unix_socket_dir =
         auth_type = trust
         auth_file = {}
         pool_mode = transaction
         default_pool_size = {SESSIONS}
         query_wait_timeout = 10",
        users.display()
    )
    .replace("\n         ", "\n")
}

fn keep(program: &Path, config: &Path) -> Child {
    let owner = fs::metadata(config).expect("the file was just written");
    let mut keeper = Command::new("sh");
    keeper.args(["-c", KEEPER]).arg(program).arg(config).process_group(0);
    if fs::metadata("/proc/self").is_ok_and(|own| own.uid() != owner.uid()) {
        keeper.uid(owner.uid()).gid(owner.gid());
    }
    keeper.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    keeper.spawn().expect("sh starts")
}

fn give_to_owner_of(dir: &Path, paths: &[&Path]) {
    let owner = fs::metadata(dir).expect("the server's folder is there");
    for path in paths {
        chown(path, Some(owner.uid()), Some(owner.gid())).expect("a file is given away");
    }
}

fn program() -> PathBuf {
    let path = env::var_os("PATH").unwrap_or_default();
    let dirs = env::split_paths(&path).chain(["/usr/sbin".into()]);
    let mut programs = dirs.map(|dir| dir.join("pgbouncer")).filter(|program| program.exists());
    programs.next().expect("pgbouncer is not installed: run scripts/test, which installs it")
}

/// Other clients on the sessions of a pooler: pgbench, whose statements have parameters and no transaction.
///
/// The parameters are as many and of the same types as those of the ledger's own statement, so that one in the
/// place of the other would not even fail.
pub(crate) struct Others {
    pgbench: Child,
}

impl Others {
    const CLIENTS: u32 = 6;

    /// Starts them for so many seconds.
    pub(crate) fn start(stage: &Stage, pooler: &Pooler, seconds: u32) -> Self {
        stage.psql(&format!("CREATE TABLE others (a text); GRANT INSERT ON others TO {}", stage.role));
        let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
        let mut pgbench = Command::new(stage.cluster.program("pgbench"))
            .args(["-n", "-M", "extended", "-f", "/dev/stdin", "-c", &Self::CLIENTS.to_string()])
            .args(names.map(|name| format!("-D{name}={{theirs}}")))
            .args(["-T", &seconds.to_string(), &stage.url(pooler.port())])
            .envs(AS_THE_LEDGER)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("pgbench starts");
        let parameters = names.map(|name| format!(":{name}::text[]")).join(", ");
        let script = format!("INSERT INTO others SELECT a FROM unnest({parameters}) AS their (a);\n");
        let mut stdin = pgbench.stdin.take().expect("stdin is a pipe");
        stdin.write_all(script.as_bytes()).expect("pgbench reads its script");
        Self { pgbench }
    }

    pub(crate) fn are_done(&mut self) -> bool {
        self.pgbench.try_wait().expect("pgbench is there").is_some()
    }

    /// Waits for them, and sees that each got what it asked for.
    pub(crate) fn check(self, stage: &Stage) {
        let output = self.pgbench.wait_with_output().expect("pgbench ends");
        assert!(output.status.success(), "others failed: {}", String::from_utf8_lossy(&output.stderr));
        let said = String::from_utf8(output.stdout).expect("pgbench prints UTF-8");
        let all =
            said.lines().find_map(|line| line.strip_prefix("number of transactions actually processed: "));
        let all = all.expect("pgbench counts");
        let rows = stage.psql("SELECT count(*), count(*) FILTER (WHERE a = 'theirs') FROM others");
        assert_eq!(rows, format!("{all}|{all}"), "rows of the others");
    }
}
