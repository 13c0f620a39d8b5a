//! A test process that is killed takes its PostgreSQL with it.

use std::env;
use std::io::{self, BufRead, BufReader, Read};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Stdio};

use support::{Cluster, this_test};

/// Set in the process that is to be killed.
const VICTIM: &str = "LEDGER_TEST_VICTIM";

#[test]
fn no_server_outlives_a_killed_test() {
    if env::var_os(VICTIM).is_some() {
        return wait_for_the_kill(Cluster::shared());
    }
    let mut victim = victim();
    let stdout = BufReader::new(victim.stdout.take().expect("stdout is a pipe"));
    let mut stderr = victim.stderr.take().expect("stderr is a pipe");
    let Some(line) = stdout.lines().map_while(Result::ok).find(|line| line.starts_with("up ")) else {
        panic!("no server came up: {}", io::read_to_string(stderr).unwrap_or_default());
    };
    let (port, dir) = line["up ".len()..].split_once(' ').expect("a port and a folder");
    let port = port.parse::<u16>().expect("a port");
    TcpStream::connect(("127.0.0.1", port)).expect("the server listens");

    victim.kill().expect("the victim is there to be killed");
    // The server's keeper inherited this pipe: its end is the end of the clean-up.
    stderr.read_to_end(&mut Vec::new()).expect("a pipe is read");
    victim.wait().expect("the victim is gone");

    TcpStream::connect(("127.0.0.1", port)).expect_err("the server is gone");
    assert!(!Path::new(dir).exists(), "{dir} is still there");
}

fn victim() -> Child {
    this_test("killed_cluster::no_server_outlives_a_killed_test")
        .env(VICTIM, "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("this test starts itself")
}

#[expect(clippy::print_stdout, reason = "this is how the victim speaks to the test")]
fn wait_for_the_kill(cluster: &Cluster) {
    println!("\nup {} {}", cluster.port(), cluster.dir().display());
    io::stdin().read_to_end(&mut Vec::new()).expect("the test holds stdin open");
}
