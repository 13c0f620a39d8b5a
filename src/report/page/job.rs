//! Jobs and attempts.

use maud::{Markup, html};

use super::chart::{Axis, BLUE, Chart, GREY, Ink, PLOT, Scale, Tick, bars, picture, round};
use super::event::figure;
use super::show::{Shown, foreign, or_none, step};
use super::table::{HtmlCell, HtmlColumn, HtmlRow, HtmlTable};
use crate::report::answer::{Attempts, AttemptsBar, FlowFigures, JobFigures, ResultFigures, Share};
use crate::report::render::percent;

const HEIGHT: f64 = 110.0;
/// More bars are left out.
const MOST_BARS: usize = 40;

/// How many calls a booking took.
pub(super) fn attempts(number: usize, event_type: &str, attempts: &Attempts) -> Markup {
    let spread = &attempts.per_booking;
    let name = foreign(event_type);
    html! {
        div data-at={ "/report/attempts" (step(event_type)) } {
            h3 { "Attempts: " (name) " per booking" }
            p {
                "Median " (Shown::decimal(spread.median).at("/per_booking/median"))
                ", p95 " (Shown::decimal(spread.p95).at("/per_booking/p95"))
                ", most " (Shown::whole(spread.max).at("/per_booking/max"))
                " calls, of " (Shown::count(spread.n).at("/per_booking/n")) " bookings. "
                (Shown::count(attempts.calls_without_booking).at("/calls_without_booking"))
                " calls name no booking."
            }
            (histogram(&format!("a{number}"), [&format!("Bookings by number of {name}"), "bookings"], "/histogram", &attempts.histogram))
        }
    }
}

fn histogram(id: &str, [title, counted]: [&str; 2], at: &str, all: &[AttemptsBar]) -> Markup {
    let shown = &all[..all.len().min(MOST_BARS)];
    let most = shown.iter().map(|bar| bar.count).max().unwrap_or_default().max(1);
    let y = Scale::linear([0.0, most as f64], [HEIGHT, 4.0]);
    let width = PLOT / shown.len().max(1) as f64;
    let desc = format!("{} bars, at most {most} {counted} in one.", shown.len());
    let chart = Chart { title, desc: &desc, id, height: HEIGHT, legend: &[], axis: Axis::Places };
    let ticks = y.nice(4).into_iter().filter(|value| value.fract() == 0.0);
    let ticks: Vec<Tick> = ticks.map(|value| (y.at(value), value.to_string())).collect();
    // Each bar has its label, if there is room for all of them.
    let every = (shown.len() * 18).div_ceil(PLOT as usize).max(1);
    let labels = shown.iter().enumerate().step_by(every);
    let labels: Vec<Tick> =
        labels.map(|(place, bar)| ((place as f64 + 0.5) * width, bar.attempts.to_string())).collect();
    let axes = html! { (chart.y_axis(&ticks)) (chart.x_axis(&labels)) };
    let gap = (width * 0.1).min(6.0);
    let rectangles = shown.iter().enumerate().map(|(place, bar)| {
        let left = place as f64 * width;
        [left + gap, left + width - gap, y.at(bar.count as f64), HEIGHT]
    });
    let plot = Ink::area(BLUE).draw(&bars(rectangles));
    let table = histogram_table(title, counted, at, shown, all.len() - shown.len());
    figure(title, &chart.draw(&axes, &plot), &table)
}

fn histogram_table(
    title: &str,
    counted: &str,
    at: &str,
    shown: &[AttemptsBar],
    left_out: usize,
) -> HtmlTable {
    let columns = vec![
        HtmlColumn::figure("calls", "/attempts"),
        HtmlColumn::figure(counted, "/count"),
        HtmlColumn::figure("at most so many", "/cumulative"),
    ];
    let rows = shown.iter().enumerate().map(|(place, bar)| {
        let share = Share { n: bar.count, rate: Some(bar.cumulative) };
        let cells = [Shown::whole(Some(bar.attempts)), Shown::count(bar.count), Shown::share(&share)];
        HtmlRow { at: step(&place.to_string()), cells: cells.map(HtmlCell::Figure).into() }
    });
    let more = if left_out > 0 { format!(" ({left_out} more are in the JSON)") } else { String::new() };
    HtmlTable { caption: format!("{title}{more}"), at: at.to_owned(), columns, rows: rows.collect() }
}

/// The jobs of one event type; `number` is their place in the report.
pub(super) fn jobs(number: usize, job: &JobFigures) -> Markup {
    let name = foreign(&job.event_type);
    let of = foreign(&job.of);
    let within = &job.attempts;
    html! {
        div data-at={ "/report/jobs/" (number) } {
            h3 { "Jobs: planning against waiting" }
            p {
                (Shown::count(job.jobs).at("/jobs")) " jobs. Calls of " (of) " within one: mean "
                (Shown::decimal(within.mean).at("/attempts/mean")) ", median "
                (Shown::decimal(within.median).at("/attempts/median")) ", p90 "
                (Shown::decimal(within.p90).at("/attempts/p90")) ", most "
                (Shown::whole(within.max).at("/attempts/max")) " (n "
                (Shown::count(within.n).at("/attempts/n")) ")."
            }
            (waiting(&job.calls_share, &of))
            (results(&name, &job.results).draw())
            @if !within.histogram.is_empty() {
                (histogram(&format!("j{number}"), [&format!("{name} by number of calls"), "jobs"], "/attempts/histogram", &within.histogram))
            }
            @if !job.flows.is_empty() { (flows(&name, &job.flows).draw()) }
        }
    }
}

/// The time of all jobs, as one bar.
fn waiting(share: &Share, of: &str) -> Markup {
    let Some(rate) = share.rate else { return html! {} };
    let rest = Share { n: share.n, rate: Some(1.0 - rate) };
    let end = round(rate * 380.0);
    let label = format!("Time of jobs: {} in calls, {} waiting", percent(share), percent(&rest));
    let drawn = html! {
        path d=(format!("M0 2H{end}v14H0z")) fill=(BLUE) {}
        path d=(format!("M{} 2H380v14H{}z", end + 2.0, end + 2.0)) fill=(GREY) {}
    };
    html! {
        figure.chart {
            figcaption { "Time of jobs" }
            (picture(&label, 380.0, 18.0, &drawn))
            p {
                "In calls of " (of) " (blue): " (Shown::share(share).at("/calls_share/rate"))
                ". Waiting (grey): " (percent(&rest)) ". Of "
                (Shown::count(share.n).at("/calls_share/n")) " jobs that have both times."
            }
        }
    }
}

fn results(name: &str, results: &[ResultFigures]) -> HtmlTable {
    let columns = vec![
        HtmlColumn::text("result"),
        HtmlColumn::figure("jobs", "/count"),
        HtmlColumn::figure("attempts median", "/attempts/median"),
        HtmlColumn::figure("p95", "/attempts/p95"),
        HtmlColumn::figure("n", "/attempts/n"),
        HtmlColumn::figure("duration median", "/duration_ms/median"),
        HtmlColumn::figure("p95", "/duration_ms/p95"),
        HtmlColumn::figure("n", "/duration_ms/n"),
    ];
    let rows = results.iter().enumerate().map(|(place, result)| {
        let (attempts, duration) = (&result.attempts, &result.duration_ms);
        let figures = [
            Shown::count(result.count),
            Shown::decimal(attempts.median),
            Shown::decimal(attempts.p95),
            Shown::count(attempts.n),
            Shown::duration(duration.median),
            Shown::duration(duration.p95),
            Shown::count(duration.n),
        ];
        let mut cells = vec![HtmlCell::Text(or_none(result.result.as_deref()))];
        cells.extend(figures.map(HtmlCell::Figure));
        HtmlRow { at: step(&place.to_string()), cells }
    });
    HtmlTable {
        caption: format!("{name} by result"),
        at: "/results".to_owned(),
        columns,
        rows: rows.collect(),
    }
}

fn flows(name: &str, flows: &[FlowFigures]) -> HtmlTable {
    let columns = vec![
        HtmlColumn::text("flow"),
        HtmlColumn::figure("timeouts", "/timeouts/rate"),
        HtmlColumn::figure("of timeouts and successes (n)", "/timeouts/n"),
        HtmlColumn::figure("went on as a job", "/handed_over/rate"),
        HtmlColumn::figure("of failed bookings (n)", "/handed_over/n"),
    ];
    let rows = flows.iter().enumerate().map(|(place, flow)| {
        let figures = [
            Shown::share(&flow.timeouts),
            Shown::count(flow.timeouts.n),
            Shown::share(&flow.handed_over),
            Shown::count(flow.handed_over.n),
        ];
        let mut cells = vec![HtmlCell::Text(foreign(&flow.flow))];
        cells.extend(figures.map(HtmlCell::Figure));
        HtmlRow { at: step(&place.to_string()), cells }
    });
    HtmlTable {
        caption: format!("Flows before {name}"),
        at: "/flows".to_owned(),
        columns,
        rows: rows.collect(),
    }
}
