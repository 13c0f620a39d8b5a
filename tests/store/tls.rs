//! TLS by the parameters of the URL, such as `verify-full` for a server with a certificate of an own CA.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::time::SystemTime;

use support::Cluster;
use tracing_ledger::Row;
use tracing_ledger::store::{Attempt, Failure, InsertError, Postgres, Store};

/// A server that takes the role `ledger` only by TLS, with a certificate for `localhost`.
struct TlsServer {
    cluster: Cluster,
    database: String,
}

static SERVER: LazyLock<TlsServer> = LazyLock::new(TlsServer::start);

impl TlsServer {
    fn start() -> Self {
        let cluster = Cluster::start();
        let data = cluster.dir().join("data");
        make_ca(&data, "ca");
        make_ca(&data, "stranger");
        make_server_certificate(&data);
        let database = cluster.database();
        cluster.psql(
            &database,
            "CREATE ROLE ledger LOGIN PASSWORD 'hunter2';
             GRANT INSERT ON observability_events TO ledger;
             ALTER SYSTEM SET ssl = on;",
        );
        let logins = "hostssl all ledger 127.0.0.1/32 scram-sha-256\nhost all postgres 127.0.0.1/32 trust\n";
        fs::write(data.join("pg_hba.conf"), logins).expect("the folder can be written");
        cluster.stop();
        cluster.restart();
        Self { cluster, database }
    }

    /// Inserts one row as the role `ledger`, with these parameters of the URL.
    async fn insert(&self, host: &str, parameters: &str) -> Result<(), InsertError> {
        let name = self.database.rsplit('/').next().expect("a URL names its database");
        let port = self.cluster.port();
        let url = format!("postgres://ledger:hunter2@{host}:{port}/{name}?{parameters}");
        insert(&url).await
    }

    /// Parameters of the URL that trust this CA.
    fn verified(&self, mode: &str, ca: &str) -> String {
        format!("sslmode={mode}&sslrootcert={}/data/{ca}.crt", self.cluster.dir().display())
    }
}

async fn insert(url: &str) -> Result<(), InsertError> {
    let mut store = Postgres::from_url(url).expect("readable");
    store.insert(&[Row::new(SystemTime::now(), "test", "test.event")], Attempt::First).await
}

pub(crate) fn openssl(folder: &Path, arguments: &str) {
    let mut command = Command::new("openssl");
    command.current_dir(folder).args(arguments.split_whitespace());
    let output = command.output().expect("openssl is not installed: run scripts/test, which installs it");
    assert!(output.status.success(), "openssl {arguments}:\n{}", String::from_utf8_lossy(&output.stderr));
}

/// Makes NAME.key and NAME.crt.
pub(crate) fn make_ca(folder: &Path, name: &str) {
    openssl(
        folder,
        &format!(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN={name} \
             -addext basicConstraints=critical,CA:TRUE -keyout {name}.key -out {name}.crt"
        ),
    );
}

/// Makes server.key and server.crt, signed by `ca`, for the one name `localhost`.
fn make_server_certificate(folder: &Path) {
    openssl(
        folder,
        "req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=server \
         -keyout server.key -out server.csr",
    );
    fs::write(folder.join("server.ext"), "subjectAltName = DNS:localhost\n")
        .expect("the folder can be written");
    openssl(
        folder,
        "x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile server.ext -out server.crt",
    );
    for file in ["server.key", "server.crt"] {
        give_to_owner_of(folder, &folder.join(file));
    }
}

/// The server reads a key only if no other user can.
pub(crate) fn give_to_owner_of(folder: &Path, file: &PathBuf) {
    fs::set_permissions(file, fs::Permissions::from_mode(0o600)).expect("it is ours");
    let folder = fs::metadata(folder).expect("it is there");
    if folder.uid() != fs::metadata(file).expect("it is there").uid() {
        chown(file, Some(folder.uid()), Some(folder.gid())).expect("root may give it away");
    }
}

/// Checks that the message has the remedy and no part of the URL.
#[track_caller]
fn assert_refused(result: Result<(), InsertError>, remedy: &str) {
    let error = result.expect_err("refused");
    let text = format!("{error} {error:?}");
    for secret in ["hunter2", "ledger", "127.0.0.1", "localhost", "/data/"] {
        assert!(!text.contains(secret), "{text}");
    }
    assert!(text.contains(remedy), "{text}");
}

#[tokio::test]
async fn verify_full_with_the_right_ca_and_name_writes() {
    SERVER.insert("localhost", &SERVER.verified("verify-full", "ca")).await.expect("stored");
    let rows = SERVER.cluster.psql(&SERVER.database, "SELECT count(*) > 0 FROM observability_events");
    assert_eq!(rows, "t");
}

#[tokio::test]
async fn verify_full_refuses_a_certificate_of_an_unknown_ca() {
    // Without a CA in the URL, those of the system count.
    for parameters in [&SERVER.verified("verify-full", "stranger"), "sslmode=verify-full"] {
        let refused = SERVER.insert("localhost", parameters).await;
        assert_refused(refused, "signed by an unknown CA; name the CA's certificate");
    }
}

#[tokio::test]
async fn verify_full_refuses_another_host_name_and_verify_ca_does_not() {
    let refused = SERVER.insert("127.0.0.1", &SERVER.verified("verify-full", "ca")).await;
    assert_refused(refused, "for another host name than the URL's");
    SERVER.insert("127.0.0.1", &SERVER.verified("verify-ca", "ca")).await.expect("no name is looked at");
    let refused = SERVER.insert("127.0.0.1", &SERVER.verified("verify-ca", "stranger")).await;
    assert_refused(refused, "signed by an unknown CA");
}

#[tokio::test]
async fn a_certificate_file_that_is_not_there_is_named_by_its_parameter() {
    let refused = SERVER.insert("localhost", &SERVER.verified("verify-full", "nobody")).await;
    assert_refused(refused, "check sslrootcert");
}

#[tokio::test]
async fn a_login_without_tls_is_refused_with_the_remedy_where_the_server_requires_tls() {
    let refused = SERVER.insert("localhost", "sslmode=disable").await;
    assert_eq!(refused.as_ref().err().map(InsertError::failure), Some(Failure::Hold));
    assert_refused(refused, "then the URL needs sslmode=verify-full");
}

#[tokio::test]
async fn sslmode_allow_uses_tls_where_the_server_takes_nothing_else() {
    SERVER.insert("localhost", "sslmode=allow").await.expect("stored");
}

#[tokio::test]
async fn a_login_that_requires_tls_fails_where_the_server_has_none() {
    let url = format!("{}?sslmode=require", Cluster::shared().database());
    assert_refused(insert(&url).await, "the server offers no TLS");
}

/// The default is `prefer`: it protects against listening, but not against another server in place of this one.
#[tokio::test]
async fn prefer_and_require_look_at_no_certificate() {
    for parameters in ["", "sslmode=require", &SERVER.verified("prefer", "stranger")] {
        SERVER.insert("127.0.0.1", parameters).await.expect(parameters);
    }
}

#[tokio::test]
async fn require_with_a_root_certificate_is_verify_ca_as_in_libpq() {
    SERVER.insert("127.0.0.1", &SERVER.verified("require", "ca")).await.expect("no name is looked at");
    let refused = SERVER.insert("127.0.0.1", &SERVER.verified("require", "stranger")).await;
    assert_refused(refused, "signed by an unknown CA");
}

/// A login that the server refuses by TLS is not sent once more without.
#[tokio::test]
async fn prefer_sends_no_password_without_tls_after_a_refusal() {
    let name = SERVER.database.rsplit('/').next().expect("a URL names its database");
    let url = format!("postgres://ledger:wrong@127.0.0.1:{}/{name}", SERVER.cluster.port());
    assert_refused(insert(&url).await, "the login was refused; check the user and password");
}
