//! Curves as SVG files that are small enough to read in a diff.

use std::fmt::Write as _;
use std::fs;

use crate::options::BenchOptions;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 380.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 170.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 55.0;
const COLOURS: [&str; 4] = ["#1f77b4", "#d62728", "#2ca02c", "#7f7f7f"];

/// Lines over the same places on the horizontal axis. The places have even distances, because sizes mostly double.
pub struct Plot<'a> {
    /// The title.
    pub title: &'a str,
    /// The label of the horizontal axis.
    pub x: &'a str,
    /// The label of the vertical axis.
    pub y: &'a str,
    /// The names of the places.
    pub places: Vec<String>,
    /// The name of each line, with a value for each place.
    pub lines: Vec<(&'a str, Vec<f64>)>,
}

impl Plot<'_> {
    /// Writes the plot to a file of that name, if the options ask for plots.
    pub fn write(&self, options: &BenchOptions, name: &str) {
        if let Some(dir) = &options.plots {
            let file = dir.join(name).with_extension("svg");
            fs::write(&file, self.svg()).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        }
    }

    fn svg(&self) -> String {
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
             font-family=\"sans-serif\" font-size=\"13\">\n\
             <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
        );
        self.text(&mut svg, WIDTH / 2.0, 22.0, "middle", self.title);
        self.text(&mut svg, (LEFT + WIDTH - RIGHT) / 2.0, HEIGHT - 12.0, "middle", self.x);
        self.text(&mut svg, 8.0, TOP - 12.0, "start", self.y);
        self.grid(&mut svg);
        for (at, place) in self.places.iter().enumerate() {
            self.text(&mut svg, self.across(at), HEIGHT - BOTTOM + 20.0, "middle", place);
        }
        for (((name, values), colour), name_y) in self.lines.iter().zip(COLOURS).zip(self.name_ys()) {
            self.line(&mut svg, values, colour);
            self.text(&mut svg, WIDTH - RIGHT - 10.0, name_y + 4.0, "start", name);
        }
        svg + "</svg>\n"
    }

    fn grid(&self, svg: &mut String) {
        let step = self.step();
        for line in 0..=(self.top() / step).round() as u32 {
            let value = f64::from(line) * step;
            let y = self.up(value);
            put(
                svg,
                format_args!(
                    "<line x1=\"{LEFT}\" x2=\"{:.0}\" y1=\"{y:.1}\" y2=\"{y:.1}\" stroke=\"#ddd\"/>",
                    WIDTH - RIGHT
                ),
            );
            let decimals = if step < 1.0 { 2 } else { 0 };
            self.text(svg, LEFT - 8.0, y + 4.0, "end", &format!("{value:.decimals$}"));
        }
    }

    /// The height of the name of each line: that of its end, or lower if another name is there.
    fn name_ys(&self) -> Vec<f64> {
        let ends = self.lines.iter().map(|(_, values)| self.up(values.last().copied().unwrap_or_default()));
        let mut ys: Vec<_> = ends.collect();
        let mut from_above: Vec<usize> = (0..ys.len()).collect();
        from_above.sort_by(|one, other| ys[*one].total_cmp(&ys[*other]));
        for pair in from_above.windows(2) {
            ys[pair[1]] = ys[pair[1]].max(ys[pair[0]] + 15.0);
        }
        ys
    }

    fn line(&self, svg: &mut String, values: &[f64], colour: &str) {
        let points = values.iter().enumerate().map(|(at, value)| (self.across(at), self.up(*value)));
        let path: Vec<_> = points.clone().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        put(
            svg,
            format_args!(
                "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
                path.join(" ")
            ),
        );
        for (x, y) in points {
            put(svg, format_args!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>"));
        }
    }

    fn text(&self, svg: &mut String, x: f64, y: f64, anchor: &str, text: &str) {
        let text = text.replace('&', "&amp;").replace('<', "&lt;");
        put(svg, format_args!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>"));
    }

    fn across(&self, place: usize) -> f64 {
        let gaps = self.places.len().saturating_sub(1).max(1) as f64;
        LEFT + 20.0 + (WIDTH - LEFT - RIGHT - 40.0) * place as f64 / gaps
    }

    fn up(&self, value: f64) -> f64 {
        HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value / self.top()
    }

    /// The upper end of the vertical axis. The lower end is zero, so that lengths show ratios.
    fn top(&self) -> f64 {
        (self.most() / self.step()).ceil() * self.step()
    }

    /// 1, 2 or 5 times a power of ten, for at most ten lines.
    fn step(&self) -> f64 {
        let power = 10_f64.powf((self.most() / 10.0).log10().floor());
        [1.0, 2.0, 5.0, 10.0]
            .map(|digit| digit * power)
            .into_iter()
            .find(|step| self.most() / step <= 10.0)
            .unwrap_or(power)
    }

    fn most(&self) -> f64 {
        self.lines
            .iter()
            .flat_map(|(_, values)| values)
            .fold(f64::MIN_POSITIVE, |most, value| most.max(*value))
    }
}

fn put(svg: &mut String, element: std::fmt::Arguments<'_>) {
    writeln!(svg, "{element}").expect("a String takes everything");
}
