//! The durations of one event type: how many calls took how long, of one side or of two.

use maud::{Markup, html};

use super::chart::{
    Axis, BLUE, Chart, INK, Ink, PLOT, Scale, Tick, bars, duration_label, has_room_beside, line, y_axis,
};
use super::show::Shown;
use super::table::{HtmlCell, HtmlColumn, HtmlRow, HtmlTable};

const HEIGHT: f64 = 140.0;
/// The bar of durations that are not above 0, which have no place on a logarithmic axis.
const ZERO_BAR: f64 = 12.0;
/// Where the axis begins right of that bar, so that the labels of both have room.
const BESIDE_ZERO: f64 = 46.0;
/// The id of the axis of shares.
const SHARES: &str = "shares";

/// How many calls of each side took from one duration to another, in milliseconds.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Bucket {
    pub(super) from: f64,
    pub(super) to: f64,
    pub(super) counts: Vec<u64>,
}

/// One side, or the side before and that after.
pub(super) struct Durations<'a> {
    pub(super) event_type: String,
    pub(super) buckets: Vec<Bucket>,
    /// Their names in texts and in the JSON.
    pub(super) sides: &'a [&'static str],
    /// From the `data-at` around the charts to the buckets.
    pub(super) at: String,
    /// The beginning of the charts' ids.
    pub(super) id: String,
}

/// Of the histogram and of the shares. Bars of the side before are outlines, so that they show upon those of the other.
fn inks(sides: usize) -> &'static [(Ink, Ink)] {
    const AFTER: (Ink, Ink) = (Ink::area(BLUE), Ink::line(BLUE, 2.0, None));
    const BEFORE: (Ink, Ink) = (Ink::outline(INK), Ink::line(INK, 1.6, Some("5 3")));
    if sides == 1 { &[AFTER] } else { &[BEFORE, AFTER] }
}

impl Durations<'_> {
    /// `None` without durations.
    pub(super) fn charts(&self) -> Option<[Markup; 2]> {
        let ends = self.ends()?;
        let start = if self.zero().is_some() { BESIDE_ZERO } else { 0.0 };
        let x = Scale::log(ends, [start, PLOT]);
        let axis = Axis::Durations { ends, start };
        Some([self.histogram(&x, axis), self.shares(&x, axis)])
    }

    /// The durations that are not above 0.
    fn zero(&self) -> Option<&Bucket> {
        self.buckets.first().filter(|bucket| bucket.to <= 0.0)
    }

    /// Of a logarithmic axis: the shortest duration and the longest.
    fn ends(&self) -> Option<[f64; 2]> {
        let first = self.buckets.iter().find(|bucket| bucket.to > 0.0)?;
        // The first bucket may begin at 0, which has no place on this axis.
        let lo = if first.from > 0.0 { first.from } else { first.to / 10_f64.powf(0.05) };
        Some([lo, self.buckets.last()?.to])
    }

    fn sum(&self, side: usize) -> u64 {
        self.buckets.iter().map(|bucket| bucket.counts[side]).sum()
    }

    fn share(&self, bucket: &Bucket, side: usize) -> f64 {
        bucket.counts[side] as f64 / self.sum(side).max(1) as f64
    }

    fn histogram(&self, x: &Scale, axis: Axis) -> Markup {
        let sides = 0..self.sides.len();
        let all = self.buckets.iter().flat_map(|bucket| sides.clone().map(|side| self.share(bucket, side)));
        let most = all.fold(0.0_f64, f64::max);
        let y = Scale::linear([0.0, most], [HEIGHT, 4.0]);
        let inks = inks(self.sides.len());
        let legend: Vec<_> = self.legend(|(area, _)| *area);
        let chart = Chart {
            title: &format!("Histogram of the duration of {}", self.event_type),
            desc: &self.desc(),
            id: &format!("{}h", self.id),
            height: HEIGHT,
            legend: &legend,
            axis,
        };
        let ticks = y.nice(4).into_iter().map(|share| (y.at(share), share_label(share)));
        let axes = html! { (chart.y_axis(&ticks.collect::<Vec<_>>())) (chart.x_axis(&self.x_ticks(x))) };
        let path = |side: usize| {
            bars(self.buckets.iter().map(|bucket| {
                let [left, right] = self.edges(bucket, x);
                [left, (right - 0.5).max(left + 0.5), y.at(self.share(bucket, side)), HEIGHT]
            }))
        };
        let plot =
            html! { @for (side, (area, _)) in inks.iter().enumerate().rev() { (area.draw(&path(side))) } };
        chart.draw(&axes, &plot)
    }

    /// The share of calls up to each duration.
    fn shares(&self, x: &Scale, axis: Axis) -> Markup {
        let y = Scale::linear([0.0, 1.0], [HEIGHT, 4.0]);
        let legend: Vec<_> = self.legend(|(_, line)| *line);
        let chart = Chart {
            title: &format!("Share of calls of {} up to each duration", self.event_type),
            desc: &self.desc(),
            id: &format!("{}s", self.id),
            height: HEIGHT,
            legend: &legend,
            axis,
        };
        let axes = html! { (chart.y_axis_of(SHARES)) (chart.x_axis_of(&format!("{}hx", self.id))) };
        let path = |side: usize| {
            let start = self.buckets.first().map(|bucket| (self.edges(bucket, x)[0], HEIGHT));
            let mut sum = 0.0;
            let each = self.buckets.iter().flat_map(|bucket| {
                let before = (self.edges(bucket, x)[0], y.at(sum));
                sum += self.share(bucket, side);
                [before, (self.edges(bucket, x)[1], y.at(sum))]
            });
            // Neighbours have an edge in common.
            let mut points: Vec<_> = start.into_iter().chain(each).collect();
            points.dedup();
            line(points)
        };
        let plot = html! { @for (side, (_, line)) in inks(self.sides.len()).iter().enumerate() { (line.draw(&path(side))) } };
        chart.draw(&axes, &plot)
    }

    fn edges(&self, bucket: &Bucket, x: &Scale) -> [f64; 2] {
        if bucket.to <= 0.0 { [0.0, ZERO_BAR] } else { [x.at(bucket.from), x.at(bucket.to)] }
    }

    /// Both ends of the axis have labels, as the buckets there begin and end with them.
    fn x_ticks(&self, x: &Scale) -> Vec<Tick> {
        let ends = [self.buckets.iter().find(|bucket| bucket.to > 0.0), self.buckets.last()];
        let [Some(first), Some(last)] = ends else { return Vec::new() };
        let mut ticks = vec![(x.at(first.from), duration_label(first.from)), (PLOT, duration_label(last.to))];
        if let Some(zero) = self.zero() {
            let label = if zero.from < 0.0 { "≤ 0" } else { "0" };
            ticks.push((ZERO_BAR / 2.0, label.to_owned()));
        }
        for tick in x.nice(6).into_iter().map(|value| (x.at(value), duration_label(value))) {
            if ticks.iter().all(|other| has_room_beside(other, &tick)) {
                ticks.push(tick);
            }
        }
        ticks
    }

    fn desc(&self) -> String {
        let nothing = self.buckets.iter().filter(|bucket| bucket.to <= 0.0).flat_map(|bucket| &bucket.counts);
        let (nothing, all): (u64, u64) =
            (nothing.sum(), (0..self.sides.len()).map(|side| self.sum(side)).sum());
        let [first, last] = [self.buckets.first().map(|b| b.from), self.buckets.last().map(|b| b.to)];
        let within = [first, last].map(|end| duration_label(end.unwrap_or_default())).join(" to ");
        let at_zero = if nothing > 0 { format!(" {nothing} are not above 0.") } else { String::new() };
        format!(
            "{all} durations in {} buckets from {within}, on a logarithmic axis.{at_zero}",
            self.buckets.len()
        )
    }

    fn legend(&self, ink: fn(&(Ink, Ink)) -> Ink) -> Vec<(&'static str, Ink)> {
        let inks = inks(self.sides.len());
        if inks.len() < 2 {
            Vec::new()
        } else {
            self.sides.iter().copied().zip(inks.iter().map(ink)).collect()
        }
    }

    /// How many calls are in each bucket.
    pub(super) fn histogram_table(&self, most: usize) -> HtmlTable {
        let mut columns = vec![HtmlColumn::figure("from ms", "/from"), HtmlColumn::figure("to ms", "/to")];
        for side in self.sides {
            let key = if self.sides.len() == 1 { "/n".to_owned() } else { format!("/{side}") };
            columns.push(HtmlColumn::figure(*side, key));
        }
        let cells = |place: usize| {
            let Bucket { from, to, counts } = &self.buckets[place];
            let mut cells: Vec<_> = [from, to].map(|end| HtmlCell::Figure(Shown::whole(Some(*end)))).into();
            cells.extend(counts.iter().map(|count| HtmlCell::Figure(Shown::count(*count))));
            cells
        };
        self.table("by duration", most, columns, cells)
    }

    /// Which share of the calls is in a bucket or in one before it.
    pub(super) fn shares_table(&self, most: usize) -> HtmlTable {
        let mut columns = vec![HtmlColumn::figure("up to ms", "/to")];
        columns.extend(self.sides.iter().map(|side| HtmlColumn::derived(*side)));
        let share = |place: usize, side: usize| {
            let each = self.buckets[..=place].iter().map(|bucket| self.share(bucket, side));
            HtmlCell::Derived(format!("{:.1}%", each.sum::<f64>() * 100.0))
        };
        let cells = |place: usize| {
            let mut cells = vec![HtmlCell::Figure(Shown::whole(Some(self.buckets[place].to)))];
            cells.extend((0..self.sides.len()).map(|side| share(place, side)));
            cells
        };
        self.table("up to each duration", most, columns, cells)
    }

    /// The fullest buckets, at most so many, in the order of the durations.
    fn table(
        &self,
        of: &str,
        most: usize,
        columns: Vec<HtmlColumn>,
        cells: impl Fn(usize) -> Vec<HtmlCell>,
    ) -> HtmlTable {
        let mut order: Vec<usize> = (0..self.buckets.len()).collect();
        let calls = |place: &usize| self.buckets[*place].counts.iter().sum::<u64>();
        order.retain(|place| calls(place) > 0);
        order.sort_by_key(|place| std::cmp::Reverse(calls(place)));
        let left_out = order.len().saturating_sub(most);
        order.truncate(most);
        order.sort_unstable();
        let mut caption = format!("calls of {} {of}", self.event_type);
        if left_out > 0 {
            caption += &format!(" (the {most} fullest buckets; {left_out} more are in the JSON)");
        }
        let rows = order.into_iter().map(|place| HtmlRow { at: format!("/{place}"), cells: cells(place) });
        HtmlTable { caption, at: self.at.clone(), columns, rows: rows.collect() }
    }
}

/// The axis of shares, which all event types have in common.
pub(super) fn shares_labels() -> Markup {
    let y = Scale::linear([0.0, 1.0], [HEIGHT, 4.0]);
    let ticks = [0.0, 0.25, 0.5, 0.75, 1.0].map(|share| (y.at(share), share_label(share)));
    html! { g id=(SHARES) { (y_axis(0.0, &ticks)) } }
}

fn share_label(share: f64) -> String {
    // A tenth of a percent drops what binary fractions add.
    format!("{}%", (share * 1000.0).round() / 10.0)
}
