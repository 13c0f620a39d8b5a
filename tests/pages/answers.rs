//! The failures, losses and deploys on a page. These tests need no browser.

use serde_json::{Value, json};

use super::rows::{row, rows};
use super::site::Page;

#[test]
fn a_comparison_has_the_losses_of_both_sides() {
    let loss = row(40_000, 90_100, "ledger.loss", json!({ "cause": "spool_full", "count": 55 }));
    let after: Vec<_> = rows(1.0).into_iter().filter(|row| row["event_type"] != "ledger.loss").collect();
    let before = [rows(1.0), vec![loss]].concat();
    let page = Page::of_two(&before, &after, &["--event", "orders.create", "--accept-short-window"]);
    let comparison = &page.json["comparison"];
    assert_eq!(
        comparison["before"]["losses"],
        json!({ "rows": 2, "lost": 72, "by": { "queue_full": 17, "spool_full": 55 } })
    );
    assert_eq!(comparison["after"]["losses"]["lost"], 0);
    for part in [
        "Rows lost on the side before: <b><span data-key=/lost>72",
        "spool_full",
        " on the side after",
        "Rows lost: 72.",
    ] {
        assert!(page.html.contains(part), "{part}");
    }
}

/// With other ids, as sides with rows in common are not compared.
fn others(rows: Vec<Value>) -> Vec<Value> {
    let other = |mut row: Value| {
        row["id"] = row["id"].as_str().expect("an id").replacen("0000", "0001", 1).into();
        row
    };
    rows.into_iter().map(other).collect()
}

#[test]
fn a_comparison_of_saved_sides_mentions_only_the_parts_that_it_has() {
    let page = Page::of_saved(&rows(1.0), &others(rows(1.4)), &["--gate", "p95<=+10%"]);
    let text = page.text();
    let (top, _) = page.html.split_once("<main>").expect("a main part");
    for name in ["before", "after"] {
        let side = &page.json["comparison"][name];
        let [first, last] = [&side["first"], &side["last"]].map(|moment| moment.as_str().expect("a moment"));
        let sentence = format!("The side {name}: {} rows, from {first} to {last}.", side["rows"]);
        assert!(text.contains(&sentence), "{sentence}");
        assert!(top.contains(first), "{name} is at the top");
        let lost = format!("Rows lost on the side {name}: 17");
        assert!(text.contains(&lost), "{lost}");
    }
    assert!(!text.contains("Charts over time have"));
    assert!(page.html.contains("<label hidden>Find in groups and calls"));
    let page = Page::of_rows(&rows(1.0), &[]);
    assert!(page.html.contains("<label>Find in groups and calls"));
}

/// The verdict leaves room for event types, and each link and each option has what it leads to.
#[test]
fn a_comparison_of_many_event_types_is_small_and_has_sections() {
    let many = |side: u64| -> Vec<Value> {
        let call = |number: u64| {
            let context = json!({ "duration_ms": 5 + side + number % 17, "success": !number.is_multiple_of(9), "route": number / 40 % 3 });
            row(side * 4000 + number, number * 40, &format!("event.{}", number % 40), context)
        };
        (0..4000).map(call).collect()
    };
    let gates = ["--gate", "p95<=+10%", "--gate", "p50<=+10%", "--gate", "success>=-1pt", "--by", "route"];
    let page = Page::of_two(&many(0), &many(1), &gates);
    let size = super::hostile::without_contexts(&page.html);
    assert!(size <= 150_000, "{size} bytes");
    assert!(page.html.matches("<section id=event-").count() >= 3);
    for link in page.html.split("href=#").skip(1).filter_map(|rest| rest.split(['>', ' ']).next()) {
        assert!(page.html.contains(&format!(" id={link}")), "{link} leads nowhere");
    }
    let text = page.text();
    assert!(
        text.contains("undecided p95<=+10% of 40 event types: ") && text.contains("more are in the JSON")
    );
}

#[test]
fn a_gate_is_explained_by_its_figures_and_their_interval() {
    let gates = ["--gate", "p95<=+10%", "--gate", "p50<=1ms", "--event", "orders.create"];
    let page = Page::of_two(&rows(1.0), &rows(4.0), &[&gates[..], &["--accept-short-window"]].concat());
    let text = page.text();
    let sentence = |gate: &str| {
        let (_, rest) = text.split_once(&format!("{gate} of orders.create: ")).expect(gate);
        rest.split_once(')').expect("an interval").0.to_owned()
    };
    let change = sentence("p95<=+10%");
    assert!(
        change.contains(" ms → ") && change.contains(" (+") && change.contains("%, 95 % interval +"),
        "{change}"
    );
    let value = sentence("p50<=1ms");
    assert!(value.contains(" ms (95 % interval ") && !value.contains('→'), "{value}");
}

#[test]
fn a_comparison_says_nothing_of_deploys_that_its_sides_may_be() {
    let one_version = |row: Value| {
        let mut row = row;
        row["context"]["version"] = json!("1.4.0");
        row
    };
    let rows: Vec<Value> = rows(1.0).into_iter().map(one_version).collect();
    let sentence = "No deploy is marked";
    assert!(Page::of_rows(&rows, &[]).html.contains(sentence));
    let page = Page::of_two(
        &rows,
        &super::rows::rows(1.4).into_iter().map(one_version).collect::<Vec<_>>(),
        &["--accept-short-window"],
    );
    assert!(!page.html.contains(sentence) && page.html.contains("the side after alone"));
}

#[test]
fn a_version_that_comes_back_is_marked_and_hosts_with_two_are_not() {
    let of = |version: fn(u64) -> &'static str| {
        let order = |number: u64| {
            let context = json!({ "duration_ms": 5, "success": true, "version": version(number) });
            row(number, number * 100, "orders.create", context)
        };
        Page::of_rows(&(0..900).map(order).collect::<Vec<_>>(), &[])
    };
    let marks = |page: &Page| page.html.matches("class=mark").count();
    let page = of(|number| if (300..450).contains(&number) { "1.1" } else { "1.0" });
    let deploys = &page.json["report"]["events"][0]["detail"]["deploys"];
    let names =
        |deploy: &Value| [&deploy["from"], &deploy["to"]].map(|name| name.as_str().map(str::to_owned));
    let names: Vec<_> = deploys.as_array().expect("deploys").iter().map(names).collect();
    let [old, new] = ["1.0", "1.1"].map(|name| Some(name.to_owned()));
    assert_eq!(names, [[old.clone(), new.clone()], [new, old]]);
    assert_eq!(deploys[0]["at"], "2026-11-02T08:20:00.250000Z");
    assert_eq!(marks(&page), 2);
    let page = of(|number| if number % 7 % 2 == 0 { "1.0" } else { "1.1" });
    assert_eq!((marks(&page), page.html.contains("no other one takes over")), (0, true));
}

#[test]
fn a_call_that_an_error_ended_has_its_text_as_reason() {
    let text = |number: u64| match number % 3 {
        0 => json!({ "error": "card declined", "reason": null }),
        1 => json!({ "reason": "out of stock", "error": "no piece" }),
        _ => json!({ "error": "x".repeat(5000) }),
    };
    let failed = |number: u64, event_type: &str| {
        let mut context = text(number);
        context["success"] = json!(false);
        row(number, number * 60, event_type, context)
    };
    // One with a rule of its own that names no key for a reason, and one without a rule.
    for event_type in ["http.request", "orders.pay"] {
        let rows: Vec<_> = (0..30).map(|number| failed(number, event_type)).collect();
        let page = Page::of_rows(&rows, &[]);
        let reasons = page.json["report"]["events"][0]["reasons"].as_array().expect("reasons").clone();
        let mut codes: Vec<_> =
            reasons.iter().map(|reason| reason["code"].as_str().expect("a text")).collect();
        codes.sort_unstable();
        assert_eq!(
            codes,
            ["card declined", "out of stock", &format!("{}…", "x".repeat(200))],
            "{event_type}"
        );
        assert!(reasons.iter().all(|reason| reason["count"] == 10), "{reasons:?}");
        assert!(page.html.contains(">card declined<"), "{event_type}");
    }
}
