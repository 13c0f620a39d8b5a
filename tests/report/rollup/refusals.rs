//! Figures and questions that a rollup refuses, with what to do.

use super::*;

#[tokio::test]
async fn figures_that_something_else_has_changed_are_refused() {
    let url = database();
    roll_up(&url).await;
    let table = "observability_events_rollup";
    for change in [
        "calls = -calls",
        "failed = -1",
        "unreadable = -1",
        "first_at = '200000-01-01Z'",
        "last_at = '200000-01-01Z'",
        "durations = '\\xff'",
    ] {
        psql(&url, &format!("CREATE TABLE whole AS TABLE {table}"));
        psql(&url, &format!("UPDATE {table} SET {change} WHERE calls > 0 AND hour = '2026-02-02T05:00:00Z'"));
        let error = report(&Question::new().rollup(true), &[&url]).await.expect_err(change);
        let text = error.to_string();
        assert!(text.starts_with("the rollup of 2026-02-02T05:00:00Z cannot be read"), "{change}: {text}");
        psql(&url, &format!("TRUNCATE {table}; INSERT INTO {table} TABLE whole; DROP TABLE whole"));
    }
    ask(&Question::new(), &url).await;
}

#[tokio::test]
async fn times_may_be_texts_and_one_that_is_no_time_is_named() {
    let url = database();
    psql(
        &url,
        "ALTER TABLE observability_events ALTER COLUMN created_at DROP DEFAULT, ALTER COLUMN created_at TYPE text \
         USING to_char(created_at AT TIME ZONE 'Asia/Tokyo', 'YYYY-MM-DD HH24:MI:SS.US\"+09\"')",
    );
    roll_up(&url).await;
    let question = Question::new().by("hour").expect("a key");
    let exact = exact(&question, &url).await;
    assert_same(&exact, &rolled(&question, &url).await);
    // Servers have other words and codes for each.
    for time in ["yesterday noon-ish", "garbage", "2026-13-45 00:00:00"] {
        psql(
            &url,
            &format!(
                "DELETE FROM observability_events WHERE source = 'none'; \
                 INSERT INTO observability_events (created_at, event_type, source, severity) \
                 VALUES ('{time}', 'http.request', 'none', 'info')"
            ),
        );
        let error = rollup().since(at(0)).run(&url).await.expect_err("refused").to_string();
        assert!(error.contains("created_at is text, and that of a row is no time"), "{time}: {error}");
        assert_eq!(rolled(&question, &url).await.unreadable, exact.unreadable + 1);
    }
}

#[tokio::test]
async fn keys_that_are_not_rolled_up_are_refused_with_what_to_do() {
    let url = database();
    roll_up(&url).await;
    for question in [
        Question::new().by("region").expect("a key"),
        Question::new().condition("region=eu").expect("a condition"),
    ] {
        let error = report(&question.rollup(true), &[&url]).await.expect_err("refused");
        assert!(error.is_config());
        let text = error.to_string();
        for part in
            ["has no key region", "--since 2026-02-04T12:00:00Z", "--rebuild --by route,http.status,region"]
        {
            assert!(text.contains(part), "{text}");
        }
    }
}

#[tokio::test]
async fn figures_by_other_rules_are_not_mixed() {
    let url = database();
    roll_up(&url).await;
    let rules: Rules = "[[rule]]\nspan = \"request\"\nevent_type = \"http.request\"\nduration = \"took\""
        .parse()
        .expect("rules");
    let question = Question::new().rules(rules.clone()).event("http.request");
    let error = report(&question.clone().rollup(true), &[&url]).await.expect_err("refused");
    assert!(
        error.to_string().contains("was made by other rules or another version of this command"),
        "{error}"
    );
    // The other event types are as they were.
    let question = question.event("inline_auto_assign.timeout");
    assert!(report(&question.rollup(true), &[&url]).await.is_err());
    let other = rollup().rules(rules.clone());
    let error = other.run(&url).await.expect_err("refused");
    assert!(error.is_config() && error.to_string().contains("by adding --rebuild"), "{error}");
    let error = Rollup::new().by("route").expect("a key").run(&url).await.expect_err("refused");
    assert!(error.to_string().contains("with --by route,http.status, and this command is with --by route"));
    // Hours that have their rows are made anew, and the others cannot be.
    psql(&url, "DELETE FROM observability_events WHERE created_at < '2026-02-02T10:00:00Z'");
    other.clone().rebuild(true).run(&url).await.expect("rolled up");
    other.run(&url).await.expect("by the rules of the last hours");
    let question = Question::new().rules(rules).event("http.request");
    let error = report(&question.clone().rollup(true), &[&url]).await.expect_err("refused");
    assert!(error.to_string().contains("--since 2026-02-02T10:00:00Z"), "{error}");
    ask(&question.since(at(10)), &url).await;
}

#[tokio::test]
async fn a_wrong_name_of_the_table_leaves_no_tables_behind() {
    let url = Cluster::shared().empty_database();
    let error = rollup().create(true).run(&url).await.expect_err("there is no table of rows");
    assert!(error.to_string().contains("the table observability_events does not exist"), "{error}");
    assert_eq!(number(&url, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"), 0);
    let long = "x".repeat(51);
    let error = Rollup::new().table(&long).expect_err("too long");
    assert!(error.to_string().contains("is too long for a rollup"), "{error}");
    assert!(Rollup::new().table(&long[1..]).is_ok());
}
