//! Calls within spans, and events within calls.

use tracing::field::Empty;
use tracing::{Span, info, info_span, instrument};

use super::*;

fn request(uri: &str) -> Span {
    info_span!(target: "tower_http::trace::make_span", "request", method = %"GET", uri = %uri, version = %"HTTP/1.1")
}

fn respond(request: &Span, status: u16) {
    request.in_scope(|| {
        info!(target: "shop", latency = 1, "another event");
        info!(target: "tower_http::trace::on_response", latency = %format_args!("{} ms", status - 199), status);
    });
}

#[test]
fn requests_that_are_open_at_once_have_their_own_status() {
    let work = || {
        let [one, two, other] = ["/health?a=1", "/health?a=1", "/orders"].map(request);
        respond(&one, 200);
        respond(&other, 404);
        respond(&two, 503);
        drop((one, two, other));
    };
    assert_same("builtin = true", &ALL_FORMS, LevelFilter::INFO, work);
}

#[test]
fn requests_that_overlap_take_the_first_event_of_their_time() {
    let line = |at: u32, event: &str| {
        format!(
            "2026-11-20T10:00:00.{at:03}5Z  INFO request{{method=GET uri=/health}}: tower_http::trace::{event}\n"
        )
    };
    let respond = |at, status| line(at, &format!("on_response: finished latency=1 ms status={status}"));
    let close = |at| line(at, "make_span: close time.busy=10ms time.idle=10ms");
    let log = [
        [respond(10, 201), respond(20, 202), close(21)].concat(),
        [respond(30, 203), close(31), close(41)].concat(),
        // A client has hung up after 100 ms, and left an event to nobody.
        [respond(90, 204), respond(91, 205), close(92), close(200)].concat(),
    ];
    let (rows, unread) = rows_of(log.concat().as_bytes(), &["status", "outcome"]);
    let row = |status: Option<&str>, outcome: &str| {
        [Some("http.request"), status, Some(outcome)].map(|text| text.map(str::to_owned)).to_vec()
    };
    let expected = [
        row(Some("201"), "ok"),
        row(Some("202"), "ok"),
        row(Some("203"), "ok"),
        row(Some("204"), "ok"),
        row(None, "cancelled"),
    ];
    assert_eq!((rows, unread), (expected.to_vec(), 0));
}

#[test]
fn an_event_gives_its_fields_to_the_nearest_span_whose_rule_takes_them() {
    let work = || {
        let request = request("/a");
        request.in_scope(|| {
            info_span!(target: "shop", "handler", id = 1).in_scope(|| respond(&Span::current(), 503));
        });
    };
    let rules = "builtin = true\n[[rule]]\nspan = 'handler'";
    assert_same(rules, &["full", "json", "bare", "bare json"], LevelFilter::INFO, work);
}

#[test]
fn a_failure_without_a_status_is_unclear() {
    let work = || {
        let request = request("/a");
        request.in_scope(|| {
            info!(target: "tower_http::trace::on_failure", classification = %"broken pipe", latency = %"3 ms", "response failed");
        });
        drop(request);
        drop(self::request("/b"));
        let answered = self::request("/c");
        respond(&answered, 200);
    };
    assert_same("builtin = true", &ALL_FORMS, LevelFilter::INFO, work);
}

#[test]
fn fields_and_constants_of_spans_with_a_rule_are_inherited() {
    let rules = "
        [[rule]]
        span = 'job'
        target = 'shop'
        rename = { kind = 'job_kind' }
        redact = { shop = 'drop', user = 'hash' }
        set = { flow = 'job', trigger = 'none' }
        [[rule]]
        span = 'pay'
        inherit = ['flow', 'trigger', 'job_kind', 'id', 'shop', 'user']
        inherit_from = ['batch']
        redact = { user = 'hash' }";
    let work = || {
        let around = info_span!(target: "shop", "batch", id = 4, flow = "batch");
        let other = around.in_scope(|| info_span!(target: "shop", "other", id = 5));
        let job = other.in_scope(
            || info_span!(target: "shop", "job", trigger = "creation", kind = "fast", shop = 7, user = "ada"),
        );
        job.in_scope(|| {
            let pay = info_span!(target: "shop", "pay", success = true);
            pay.in_scope(|| info!(target: "shop", "paying"));
        });
    };
    assert_same(rules, &TEXT_AND_JSON, LevelFilter::INFO, work);
}

const JOBS: &str = "
    [[rule]]
    span = 'job'
    success = false
    silent = 'unknown'
    collect = { calls = 'count call' }
    [[rule]]
    span = 'part'
    collect = { steps = 'count step' }
    [[rule]]
    span = ['call', 'step']";

#[test]
fn an_inner_span_leaves_the_calls_that_only_an_outer_one_collects() {
    let work = || {
        let job = info_span!(target: "shop", "job", id = 1);
        job.in_scope(|| {
            let part = info_span!(target: "shop", "part");
            part.in_scope(|| {
                for name in ["call", "step"] {
                    match name {
                        "call" => info_span!(target: "shop", "call").in_scope(|| {}),
                        _ => info_span!(target: "shop", "step").in_scope(|| {}),
                    }
                }
            });
        });
    };
    assert_same(JOBS, &TEXT_AND_JSON, LevelFilter::INFO, work);
}

#[test]
fn a_call_within_a_call_of_its_kind_adds_no_time() {
    let rules = "
        [[rule]]
        span = 'job'
        duration = 'took'
        collect = { calls = 'count call', ms = 'total call' }
        [[rule]]
        span = 'call'";
    let work = || {
        info_span!(target: "shop", "job", id = 1).in_scope(|| {
            info_span!(target: "shop", "call").in_scope(|| {
                info_span!(target: "shop", "call").in_scope(|| std::thread::sleep(Duration::from_millis(40)));
            });
        });
    };
    for form in TEXT_AND_JSON {
        let (ledger, log, _) = both(rules, form, LevelFilter::INFO, work);
        for rows in [ledger, log] {
            let job = rows.iter().find(|row| row.0 == "job").expect("a job");
            let [ms, took] = ["ms", "took"]
                .map(|key| job.4[key].as_str().and_then(|ms| ms.parse::<f64>().ok()).expect("a number"));
            assert_eq!(job.4["calls"], "2");
            assert!(ms > 39.0 && ms < 1.2 * took, "{form}: {ms} of {took}");
        }
    }
}

#[test]
fn a_job_that_records_a_field_again_leaves_calls_that_are_counted() {
    let work = || {
        let job = info_span!(target: "shop", "job", id = 1, attempt = Empty);
        job.in_scope(|| {
            for attempt in 0..3 {
                job.record("attempt", attempt);
                info_span!(target: "shop", "call").in_scope(|| {});
            }
        });
    };
    for form in TEXT_AND_JSON {
        let (_, log, unread) = both(JOBS, form, LevelFilter::INFO, work);
        let job = log.iter().find(|row| row.0 == "job").expect("a job");
        assert_eq!((&job.4["calls"], unread.rows_uncollected()), (&json!("1"), 2), "{form}");
        assert!(unread.to_string().contains("2 calls count for no span that collects them"), "{unread}");
    }
}

#[test]
fn calls_stay_with_their_job_where_another_has_the_same_id() {
    let work = || {
        let [one, two] =
            ["a.csv", "b.csv"].map(|file| info_span!(target: "shop", "job", tenant_id = 1, file));
        let call = || info_span!(target: "shop", "call").in_scope(|| {});
        one.in_scope(call);
        two.in_scope(|| [call(), call(), call()]);
        drop(one);
        drop(two);
    };
    assert_same(JOBS, &TEXT_AND_JSON, LevelFilter::INFO, work);
}

#[test]
fn a_call_that_closes_in_its_place_stays_with_its_job() {
    let work = || {
        let [one, two] = ["creation", "change"]
            .map(|trigger| info_span!(target: "shop", "auto_assign.job", trigger, result = "done"));
        let quote = || info_span!(target: "shop", "auto_assign.quote", success = true);
        let (first, second) = (one.in_scope(quote), two.in_scope(quote));
        second.in_scope(|| info!(target: "shop", "searching"));
        one.in_scope(|| drop(first));
        two.in_scope(|| drop(second));
    };
    let (ledger, log, _) = both("builtin = true", "json", LevelFilter::INFO, work);
    let triggers = |rows: Vec<RowText>| -> Vec<_> {
        rows.into_iter()
            .map(|row| (row.0, row.4["trigger"].clone(), row.4.get("attemptsUsed").cloned()))
            .collect()
    };
    assert_eq!(triggers(log), triggers(ledger));
}

#[test]
fn a_function_that_calls_itself_has_the_errors_of_its_own() {
    #[instrument(target = "shop", skip_all, err, ret)]
    fn visit(depth: u32) -> Result<u32, String> {
        match depth {
            0 => Err("too deep".to_owned()),
            1 => visit(0).or(Ok(1)),
            _ => visit(depth - 1),
        }
    }
    assert_same("[[rule]]\nspan = 'visit'", &ALL_FORMS, LevelFilter::INFO, || _ = visit(2));
}

#[test]
fn calls_are_numbered_within_the_spans_that_number_them() {
    fn job(id: u32) -> Span {
        info_span!(target: "shop", "job", id, success = true)
    }
    fn call(own: Option<u32>) {
        info_span!(target: "shop", "call", number = own, success = true).in_scope(|| {});
    }
    let rules = "
        [[rule]]
        span = 'job'
        event_type = 'shop.job'
        [[rule]]
        span = 'call'
        number_within = { 'shop.job' = 'number' }";
    let work = || {
        call(None);
        for id in [1, 2, 1] {
            let (one, other) = (job(id), job(3));
            for _ in 0..2 {
                one.in_scope(|| info_span!(target: "shop", "batch").in_scope(|| call(None)));
                other.in_scope(|| call(None));
            }
            one.in_scope(|| call(Some(7)));
        }
    };
    assert_same(rules, &TEXT_AND_JSON, LevelFilter::INFO, work);
}
