//! TLS in a program that is built with two cryptographic backends of rustls. Without a choice of the program, rustls
//! panics where it needs one. A package of its own, because features are shared by all that is built together.
#![cfg(test)]

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;
use std::time::SystemTime;

use rustls::crypto::{CryptoProvider, aws_lc_rs, ring};
use support::{Cluster, alone};
use tracing_ledger::Row;
use tracing_ledger::store::{Attempt, Postgres, Store as _};

/// A server with TLS, and the URL of one of its databases with the CA that signed its certificate.
static SERVER: LazyLock<(Cluster, String)> = LazyLock::new(|| {
    let cluster = Cluster::start();
    let data = cluster.dir().join("data");
    openssl(&data, "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=ca -keyout ca.key -out ca.crt");
    openssl(&data, "req -newkey rsa:2048 -nodes -subj /CN=server -keyout server.key -out server.csr");
    fs::write(data.join("server.ext"), "subjectAltName = IP:127.0.0.1\n").expect("the folder can be written");
    openssl(
        &data,
        "x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile server.ext -out server.crt",
    );
    let url = cluster.database_after("ALTER SYSTEM SET ssl = on");
    cluster.stop();
    cluster.restart();
    let url = format!("{url}?sslrootcert={}/ca.crt", data.display());
    (cluster, url)
});

/// The server reads a key only if it is its owner's alone.
fn openssl(folder: &Path, arguments: &str) {
    let output = Command::new("openssl").current_dir(folder).args(arguments.split_whitespace()).output();
    let output = output.expect("openssl is not installed: run scripts/test, which installs it");
    assert!(output.status.success(), "openssl {arguments}:\n{}", String::from_utf8_lossy(&output.stderr));
    let owner = fs::metadata(folder).expect("it is there");
    for file in ["server.key", "server.crt"].map(|file| folder.join(file)) {
        if file.exists() {
            fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("it is ours");
            chown(&file, Some(owner.uid()), Some(owner.gid())).expect("root may give it away");
        }
    }
}

fn insert(mode: &str) {
    let url = format!("{}&sslmode={mode}", SERVER.1);
    let row = [Row::new(SystemTime::now(), "test", "test.event")];
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let mut store = Postgres::from_url(&url).expect("readable");
    runtime.block_on(store.insert(&row, Attempt::First)).unwrap_or_else(|error| panic!("{mode}: {error}"));
}

#[test]
fn only_verify_ca_chooses_a_backend_and_only_where_none_is_chosen() {
    alone("only_verify_ca_chooses_a_backend_and_only_where_none_is_chosen", || {
        for mode in ["disable", "allow", "prefer", "verify-full"] {
            insert(mode);
            assert!(CryptoProvider::get_default().is_none(), "{mode} has chosen for the process");
        }
        insert("verify-ca");
        insert("require");
        assert_eq!(
            SERVER.0.psql(
                SERVER.1.split('?').next().expect("a URL"),
                "SELECT count(*) FROM observability_events"
            ),
            "6"
        );
    });
}

#[test]
fn the_choice_of_the_program_stays() {
    alone("the_choice_of_the_program_stays", || {
        let suites = aws_lc_rs::default_provider().kx_groups.len();
        assert_ne!(suites, ring::default_provider().kx_groups.len(), "the two can be told apart");
        aws_lc_rs::default_provider().install_default().expect("it is the first choice");
        insert("verify-ca");
        let chosen = CryptoProvider::get_default().expect("it is chosen");
        assert_eq!(chosen.kx_groups.len(), suites);
    });
}
