//! The tests' own PostgreSQL: fresh databases, and a server that a test may stop and kill.

use support::Cluster;

#[test]
fn every_database_is_fresh_and_has_the_table() {
    let cluster = Cluster::shared();
    let (one, other) = (cluster.database(), cluster.database());
    cluster.psql(&one, "INSERT INTO observability_events (source, event_type) VALUES ('tests', 'cluster')");
    let count = "SELECT count(*) FROM observability_events";
    assert_eq!((cluster.psql(&one, count), cluster.psql(&other, count)), ("1".to_owned(), "0".to_owned()));
}

#[test]
fn the_schema_may_be_applied_twice() {
    let cluster = Cluster::shared();
    cluster.psql(&cluster.database(), include_str!("../../schema.sql"));
}

#[test]
fn a_stopped_or_killed_server_comes_back_with_its_data() {
    let cluster = Cluster::start();
    let url = cluster.database_after("CREATE TABLE kept AS SELECT 7 AS n");
    for end in [Cluster::stop, Cluster::kill9] {
        end(&cluster);
        cluster.try_psql(&url, "SELECT 1").expect_err("nobody listens");
        cluster.restart();
        assert_eq!(cluster.psql(&url, "SELECT n FROM kept"), "7");
    }
}
