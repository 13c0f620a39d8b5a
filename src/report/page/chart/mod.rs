//! The parts of a chart: frame, axes, lines, bars and legend, as SVG.
//!
//! Colours are presentation attributes, as a policy may forbid styles. They are neither light nor dark, so that they show on
//! both with a contrast of 3 : 1, which an opacity below 1 would weaken; all else has the colour of the text.

mod moments;
mod scale;
#[cfg(test)]
pub(super) mod traced;

use maud::{Markup, html};

pub(super) use self::moments::{seconds, time_ticks};
pub(super) use self::scale::{Scale, Tick, duration_label};

pub(super) const BLUE: &str = "#3b82c4";
pub(super) const ORANGE: &str = "#d9722b";
pub(super) const GREY: &str = "#868b94";
pub(super) const RED: &str = "#d1495b";
pub(super) const VIOLET: &str = "#8b6fc0";
pub(super) const YELLOW: &str = "#a8871c";
pub(super) const GREEN: &str = "#2f9470";
pub(super) const PINK: &str = "#c45aa8";
pub(super) const BROWN: &str = "#96694a";
/// That of the text around.
pub(super) const INK: &str = "currentColor";

const WIDTH: f64 = 380.0;
const LEFT: f64 = 46.0;
/// The height of a line of the legend, which is above the plot.
const LINE: f64 = 14.0;
const BOTTOM: f64 = 20.0;
/// From the axis to the line of its labels.
const BELOW: f64 = 15.0;
/// Of the part between the axes.
pub(super) const PLOT: f64 = WIDTH - LEFT - 10.0;
/// The width of a character, roughly.
const CHARACTER: f64 = 5.6;

/// How something is drawn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ink {
    pub(super) colour: &'static str,
    /// Of a line.
    width: f64,
    dash: Option<&'static str>,
    shape: ChartShape,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ChartShape {
    Line,
    /// Filled.
    Area,
    /// The line around it.
    Outline,
    /// Points, each a line without length.
    Dots,
}

impl Ink {
    pub(super) const fn line(colour: &'static str, width: f64, dash: Option<&'static str>) -> Self {
        Self { colour, width, dash, shape: ChartShape::Line }
    }

    pub(super) const fn area(colour: &'static str) -> Self {
        Self { colour, width: 0.0, dash: None, shape: ChartShape::Area }
    }

    pub(super) const fn outline(colour: &'static str) -> Self {
        Self { colour, width: 1.2, dash: None, shape: ChartShape::Outline }
    }

    /// The points that a line of this ink cannot reach. They are thicker than the line.
    pub(super) const fn dots(self) -> Self {
        Self { width: self.width * 1.5 + 2.0, dash: None, shape: ChartShape::Dots, ..self }
    }

    pub(super) fn draw(self, path: &str) -> Markup {
        self.draw_stretched(path, None)
    }

    /// In a plot of time: the line keeps its width where the script stretches the plot.
    pub(super) fn draw_over_time(self, path: &str) -> Markup {
        self.draw_stretched(path, Some("non-scaling-stroke"))
    }

    fn draw_stretched(self, path: &str, effect: Option<&str>) -> Markup {
        let cap = (self.shape == ChartShape::Dots).then_some("round");
        html! {
            @if path.is_empty() {
            } @else if self.shape == ChartShape::Area {
                path d=(path) fill=(self.colour) {}
            } @else {
                path d=(path) fill="none" stroke=(self.colour) stroke-width=(self.width) stroke-dasharray=[self.dash]
                    stroke-linecap=[cap] vector-effect=[effect] {}
            }
        }
    }

    /// In a legend.
    fn sample(self, x: f64, y: f64) -> Markup {
        self.draw(&match self.shape {
            ChartShape::Line => format!("M{x} {}h16", y + 8.0),
            ChartShape::Area | ChartShape::Outline => format!("M{x} {}h12v8h-12z", y + 4.0),
            ChartShape::Dots => format!("M{} {}h0", x + 8.0, y + 8.0),
        })
    }
}

/// A chart for readers of all kinds: `desc` says in words what the lines show.
pub(super) struct Chart<'a> {
    pub(super) title: &'a str,
    pub(super) desc: &'a str,
    /// Of the title, and of no other element of the page.
    pub(super) id: &'a str,
    /// Of the part between the axes.
    pub(super) height: f64,
    pub(super) legend: &'a [(&'a str, Ink)],
    pub(super) axis: Axis,
}

/// The horizontal axis. The script finds the row of the table that belongs to a place.
#[derive(Clone, Copy, Debug)]
pub(super) enum Axis {
    /// Neighbours have nothing between them.
    Places,
    /// From one duration in milliseconds to another, on a logarithmic axis that begins at `start`.
    Durations { ends: [f64; 2], start: f64 },
    /// The first second since 1970, the length of a step in seconds, and the number of steps. The plot is as wide as there
    /// are steps, and the script stretches it.
    Time { first: f64, length: f64, steps: f64 },
}

impl Axis {
    fn width(self) -> f64 {
        if let Self::Time { steps, .. } = self { steps } else { PLOT }
    }

    /// For the script.
    fn words(self) -> Option<String> {
        match self {
            Self::Places => None,
            Self::Durations { ends: [lo, hi], start } => Some(format!("log,{lo},{hi},{start}")),
            Self::Time { first, length, .. } => Some(format!("time,{first},{length}")),
        }
    }
}

/// A small picture. `label` says in words what it shows.
pub(super) fn picture(label: &str, width: f64, height: f64, drawn: &Markup) -> Markup {
    html! {
        svg role="img" aria-label=(label) viewBox={ "0,0," (width) "," (height) } width=(width) height=(height) {
            title { (label) }
            (drawn)
        }
    }
}

impl Chart<'_> {
    /// `axes` has positions in the chart, `plot` those between the axes.
    pub(super) fn draw(&self, axes: &Markup, plot: &Markup) -> Markup {
        let top = self.top();
        let height = top + self.height + BOTTOM;
        html! {
            svg role="img" aria-labelledby=(self.id) viewBox={ "0,0," (WIDTH) "," (height) } width=(WIDTH) height=(height)
                font-size="10.5" data-axis=[self.axis.words()] {
                title id=(self.id) { (self.title) }
                desc { (self.desc) }
                g fill="currentColor" { (self.draw_legend()) (axes) }
                svg aria-hidden="true" x=(LEFT) y=(top) width=(PLOT) height=(self.height)
                    viewBox={ "0,0," (self.axis.width()) "," (self.height) } preserveAspectRatio="none" { (plot) }
            }
        }
    }

    fn top(&self) -> f64 {
        let lines = self.legend_places().last().map_or(0.0, |(_, line)| line + 1.0);
        8.0 + lines * LINE
    }

    /// Where each entry begins, and its line.
    fn legend_places(&self) -> Vec<(f64, f64)> {
        let (mut x, mut line) = (LEFT, 0.0);
        let each = self.legend.iter().map(|(name, _)| {
            let width = 32.0 + name.chars().count() as f64 * CHARACTER;
            if x + width > WIDTH + 12.0 && x > LEFT {
                (x, line) = (LEFT, line + 1.0);
            }
            x += width;
            (x - width, line)
        });
        each.collect()
    }

    fn draw_legend(&self) -> Markup {
        html! {
            @for ((name, ink), (x, line)) in self.legend.iter().zip(self.legend_places()) {
                @let (x, y) = (round(x), line * LINE);
                (ink.sample(x, y))
                text x=(round(x + 20.0)) y=(y + 11.5) { (name) }
            }
        }
    }

    /// Lines across the chart, each with its label at the left.
    pub(super) fn y_axis(&self, ticks: &[Tick]) -> Markup {
        y_axis(self.top(), ticks)
    }

    pub(super) fn x_axis(&self, ticks: &[Tick]) -> Markup {
        html! { g transform=(self.below()) { (x_labels(&format!("{}x", self.id), ticks)) } }
    }

    /// The axis of another chart, which has this id and is drawn by [`x_labels`].
    pub(super) fn x_axis_of(&self, id: &str) -> Markup {
        html! { use href={ "#" (id) } transform=(self.below()) {} }
    }

    /// The axis of another chart, which has this id and is drawn by [`y_axis`] from 0.
    pub(super) fn y_axis_of(&self, id: &str) -> Markup {
        html! { use href={ "#" (id) } y=(self.top()) {} }
    }

    fn below(&self) -> String {
        format!("translate({LEFT},{})", self.top() + self.height + BELOW)
    }

    /// Moments with a name, at the top of the plot; a line of the plot leads down from there. Those without room have none.
    pub(super) fn marks(&self, marks: &[Tick]) -> Markup {
        let mut free = 0.0;
        let with_room = marks.iter().filter(|(x, label)| {
            let end = x + 6.0 + label.chars().count() as f64 * CHARACTER;
            let has_room = *x >= free && end < PLOT;
            if has_room {
                free = end;
            }
            has_room
        });
        html! {
            @for (x, label) in with_room {
                text.mark x=(round(LEFT + x + 3.0)) y=(self.top() + 8.0) data-x=(round(*x)) font-size="9" { (label) }
            }
        }
    }
}

/// Lines across a chart that begins at `top`, each with its label at the left.
pub(super) fn y_axis(top: f64, ticks: &[Tick]) -> Markup {
    let lines: String = ticks.iter().map(|(y, _)| format!("M{LEFT} {}h{PLOT}", round(top + y))).collect();
    html! {
        path d=(lines) stroke="currentColor" stroke-opacity=".16" {}
        g text-anchor="end" transform={ "translate(" (LEFT - 6.0) "," (top + 3.5) ")" } {
            @for (y, label) in ticks { text y=(round(*y)) { (label) } }
        }
    }
}

/// The axis and its labels, from the left end of the labels' line. The script draws the same.
pub(super) fn x_labels(id: &str, ticks: &[Tick]) -> Markup {
    const MOST: f64 = WIDTH - LEFT;
    let marks: String = ticks.iter().map(|(x, _)| format!("M{} -{BELOW}v4", round(*x))).collect();
    html! {
        g id=(id) text-anchor="middle" {
            path d=(format!("M0 -{BELOW}h{PLOT}{marks}")) stroke="currentColor" stroke-opacity=".5" {}
            @for (x, label) in ticks {
                @let overflows = x + label.chars().count() as f64 * CHARACTER / 2.0 > MOST;
                text x=(round(if overflows { MOST } else { *x })) text-anchor=[overflows.then_some("end")] { (label) }
            }
        }
    }
}

/// A path through the points, each right of the one before by one step; it breaks where one is missing, and leaves out those that
/// have no neighbour: they are [`dots`].
pub(super) fn steps(heights: &[Option<f64>]) -> String {
    let mut path = String::new();
    // Differences of rounded heights add up to rounded heights.
    for (number, two) in heights.windows(2).enumerate() {
        let [Some(from), Some(to)] = [two[0], two[1]].map(|height| height.map(round)) else { continue };
        if number == 0 || heights[number - 1].is_none() {
            path += &format!("M{} {from}", number as f64 + 0.5);
        }
        path += &format!("l1 {}", round(to - from));
    }
    path
}

/// The points of [`steps`] that have no neighbour.
pub(super) fn dots(heights: &[Option<f64>]) -> String {
    let at = |number: Option<usize>| heights.get(number?).copied().flatten();
    let each = heights.iter().enumerate().filter_map(|(number, height)| {
        let is_lone = at(number.checked_sub(1)).is_none() && at(Some(number + 1)).is_none();
        let height = height.filter(|_| is_lone)?;
        Some(format!("M{} {}h0", number as f64 + 0.5, round(height)))
    });
    each.collect()
}

/// Whether the labels of two ticks do not touch. One at the right end of the axis begins further left.
pub(super) fn has_room_beside(one: &Tick, other: &Tick) -> bool {
    let ends = |(x, label): &Tick| {
        let width = label.chars().count() as f64 * CHARACTER;
        let right = (x + width / 2.0).min(PLOT + 10.0);
        (right - width, right)
    };
    let (one, other) = (ends(one), ends(other));
    one.1 + CHARACTER < other.0 || other.1 + CHARACTER < one.0
}

/// A path through the points. Those between two at the same height make no difference.
pub(super) fn line(points: impl IntoIterator<Item = (f64, f64)>) -> String {
    let points: Vec<_> = points.into_iter().map(|(x, y)| [round(x), round(y)]).collect();
    let mut path = String::new();
    for (place, [x, y]) in points.iter().enumerate() {
        let [before, after] = [place.checked_sub(1), Some(place + 1)].map(|place| points.get(place?));
        if before.is_none_or(|one| one[1] != *y) || after.is_none_or(|one| one[1] != *y) {
            path += &format!("{}{x} {y}", if place == 0 { 'M' } else { 'L' });
        }
    }
    path
}

/// The path of rectangles: left, right, top and bottom of each.
pub(super) fn bars(bars: impl IntoIterator<Item = [f64; 4]>) -> String {
    let each = bars.into_iter().filter(|[.., top, bottom]| bottom - top > 0.0);
    let draw = |[left, right, top, bottom]: [f64; 4]| {
        let (x, y) = (round(left), round(top));
        format!("M{x} {y}H{}v{}H{x}z", round(right), round(round(bottom) - y))
    };
    each.map(draw).collect()
}

/// The path around bars that stand side by side, each one step wide: the top and the bottom of each.
pub(super) fn stairs(bars: &[[f64; 2]]) -> String {
    let bars: Vec<_> = bars.iter().map(|bar| bar.map(round)).collect();
    let Some([_, bottom]) = bars.first() else { return String::new() };
    let run = |heights: Vec<f64>, sign: &str| -> String {
        let runs = heights.chunk_by(PartialEq::eq).map(|run| format!("V{}h{sign}{}", run[0], run.len()));
        runs.collect()
    };
    let tops = run(bars.iter().map(|[top, _]| *top).collect(), "");
    let bottoms = run(bars.iter().rev().map(|[_, bottom]| *bottom).collect(), "-");
    format!("M0 {bottom}{tops}{bottoms}z")
}

/// A tenth of a pixel is enough.
pub(super) fn round(value: f64) -> f64 {
    (value * 10.0).round() / 10.0 + 0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_breaks_where_a_value_is_missing() {
        let heights = [Some(1.04), Some(2.0), Some(1.96), None, Some(3.0), None, Some(1.0), Some(1.0)];
        assert_eq!(steps(&heights), "M0.5 1l1 1l1 0M6.5 1l1 0");
        assert_eq!(dots(&heights), "M4.5 3h0", "a point without a neighbour is no line");
        assert_eq!((steps(&[None]), dots(&[None])), (String::new(), String::new()));
        assert_eq!((steps(&[Some(2.0)]), dots(&[Some(2.0)])), (String::new(), "M0.5 2h0".to_owned()));
        assert_eq!(line([(0.0, 1.04), (5.0, 2.0)]), "M0 1L5 2");
        assert_eq!(line([1.0, 2.0, 3.0, 4.0].map(|x| (x, if x < 4.0 { 7.0 } else { 8.0 }))), "M1 7L3 7L4 8");
        assert_eq!(line([]), "");
    }

    #[test]
    fn a_bar_without_height_is_left_out() {
        assert_eq!(bars([[0.0, 10.0, 5.0, 20.0], [10.0, 20.0, 20.0, 20.0]]), "M0 5H10v15H0z");
    }

    #[test]
    fn stairs_go_along_the_tops_and_back_along_the_bottoms() {
        assert_eq!(stairs(&[[3.0, 9.0], [5.0, 8.0]]), "M0 9V3h1V5h1V8h-1V9h-1z");
        assert_eq!(stairs(&[[3.0, 9.0], [3.0, 9.0]]), "M0 9V3h2V9h-2z");
        assert_eq!(stairs(&[]), "");
    }

    #[test]
    fn labels_that_would_touch_are_recognised() {
        let tick = |x: f64, label: &str| (x, label.to_owned());
        assert!(has_room_beside(&tick(0.0, "1 ms"), &tick(60.0, "10 ms")));
        assert!(!has_room_beside(&tick(0.0, "1 ms"), &tick(20.0, "10 ms")));
        assert!(!has_room_beside(&tick(PLOT, "491.49 ms"), &tick(PLOT - 40.0, "200 ms")));
    }

    #[test]
    fn a_mark_without_room_has_no_label() {
        let chart = Chart { title: "t", desc: "d", id: "x", height: 100.0, legend: &[], axis: Axis::Places };
        let marks = [(10.0, "1.0".to_owned()), (12.0, "1.1".to_owned()), (PLOT - 1.0, "2.0".to_owned())];
        let drawn = chart.marks(&marks).into_string();
        assert!(drawn.contains("1.0") && !drawn.contains("1.1") && !drawn.contains("2.0"), "{drawn}");
    }
}
