//! Charts as SVG text: lines over time, bars, with axes that a person can read. No scripts, no
//! outside files; colours differ in brightness as well.

use std::fmt::Write as _;

/// Size of a chart in units of its own.
const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 260.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 16.0;
const BOTTOM: f64 = 40.0;

/// Most points of one line: more are thinned by keeping the largest of neighbours.
const POINTS_MAX: usize = 1_000;

/// One line of a chart.
#[derive(Clone, Debug)]
pub struct Series {
    /// Name in the legend.
    pub name: String,
    /// Points in the order of x.
    pub points: Vec<(f64, f64)>,
}

/// How values are spread over an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// Evenly, from zero.
    Linear,
    /// Each power of ten the same length.
    Logarithmic,
}

/// What a chart shows.
#[derive(Clone, Debug)]
pub struct Chart {
    /// Heading.
    pub title: String,
    /// Meaning and unit of x.
    pub x_label: String,
    /// Meaning and unit of y.
    pub y_label: String,
    /// Scale of y.
    pub scale: Scale,
    /// Whether each point is a bar from zero.
    pub bars: bool,
    /// Texts for places on the x axis; empty: numbers.
    pub x_marks: Vec<(f64, String)>,
    /// The lines.
    pub series: Vec<Series>,
}

const COLOURS: [&str; 6] = ["#0b4f9e", "#e07a00", "#1b8a4b", "#a8123e", "#6c6c6c", "#7b3fb5"];

/// Text inside SVG and HTML.
pub fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe += "&amp;",
            '<' => safe += "&lt;",
            '>' => safe += "&gt;",
            '"' => safe += "&quot;",
            c if c.is_control() => safe.push(' '),
            c => safe.push(c),
        }
    }
    safe
}

/// A short number for an axis.
fn short(value: f64) -> String {
    match value.abs() {
        v if v >= 1e6 => format!("{}M", value / 1e6),
        v if v >= 1e4 => format!("{}k", value / 1e3),
        v if v >= 10.0 || v.fract() == 0.0 => format!("{value:.0}"),
        _ => format!("{value:.2}"),
    }
}

/// The next of 1, 2, 5, 10, 20, ... above a value: a round step of an axis.
fn round_step(value: f64) -> f64 {
    let power = 10_f64.powf(value.max(1e-9).log10().floor());
    let factor = [1.0, 2.0, 5.0].into_iter().find(|f| f * power >= value).unwrap_or(10.0);
    factor * power
}

struct Axes {
    x: (f64, f64),
    y: (f64, f64),
    scale: Scale,
}

impl Axes {
    fn of(chart: &Chart) -> Axes {
        let points = || chart.series.iter().flat_map(|s| &s.points);
        let largest = |pick: fn(&(f64, f64)) -> f64| points().map(pick).fold(0.0, f64::max);
        let x_low = points().map(|p| p.0).fold(f64::INFINITY, f64::min);
        let x_high = largest(|p| p.0);
        let x_low = if x_low.is_finite() { x_low } else { 0.0 };
        let y_high = largest(|p| p.1).max(1.0);
        let y = match chart.scale {
            Scale::Linear => (0.0, y_high * 1.05),
            Scale::Logarithmic => {
                let positive = points().map(|p| p.1).filter(|y| *y > 0.0);
                let low = positive.fold(f64::INFINITY, f64::min).min(y_high);
                (10_f64.powf(low.log10().floor()), 10_f64.powf(y_high.log10().ceil()).max(10.0))
            }
        };
        Axes { x: (x_low, x_high.max(x_low + 1.0)), y, scale: chart.scale }
    }

    fn x(&self, value: f64) -> f64 {
        LEFT + (value - self.x.0) / (self.x.1 - self.x.0) * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, value: f64) -> f64 {
        let share = match self.scale {
            Scale::Linear => value / self.y.1,
            Scale::Logarithmic => {
                let (low, high) = (self.y.0.log10(), self.y.1.log10());
                ((value.max(self.y.0)).log10() - low) / (high - low).max(1e-9)
            }
        };
        HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)
    }

    fn y_marks(&self) -> Vec<f64> {
        match self.scale {
            Scale::Linear => {
                let step = round_step(self.y.1 / 6.0);
                let count = (self.y.1 / step) as u32;
                (0..=count).map(|i| step * f64::from(i)).collect()
            }
            Scale::Logarithmic => {
                let (low, high) = (self.y.0.log10() as i32, self.y.1.log10().round() as i32);
                (low..=high).map(|power| 10_f64.powi(power)).collect()
            }
        }
    }
}

/// A chart as an `svg` element.
pub fn svg(chart: &Chart) -> String {
    let axes = Axes::of(chart);
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{}\">\n",
        escape(&chart.title)
    );
    let mut put = |text: String| svg += &text;
    let (bottom, right) = (HEIGHT - BOTTOM, WIDTH - RIGHT);
    for value in axes.y_marks() {
        let y = axes.y(value);
        put(format!(
            "<line class=\"grid\" x1=\"{LEFT}\" y1=\"{y:.1}\" x2=\"{right}\" y2=\"{y:.1}\"/>\
             <text class=\"end\" x=\"{:.1}\" y=\"{:.1}\">{}</text>\n",
            LEFT - 6.0,
            y + 4.0,
            short(value)
        ));
    }
    for (value, text) in x_marks(chart, &axes) {
        let x = axes.x(value);
        put(format!(
            "<text class=\"mid\" x=\"{x:.1}\" y=\"{:.1}\">{}</text>\n",
            bottom + 16.0,
            escape(&text)
        ));
    }
    put(format!(
        "<text class=\"mid\" x=\"{:.1}\" y=\"{:.1}\">{}</text>\
         <text class=\"mid\" transform=\"translate(14 {:.1}) rotate(-90)\">{}</text>\n",
        f64::midpoint(LEFT, right),
        HEIGHT - 6.0,
        escape(&chart.x_label),
        f64::midpoint(TOP, bottom),
        escape(&chart.y_label)
    ));
    for (series, colour) in chart.series.iter().zip(COLOURS.iter().cycle()) {
        put(if chart.bars { bars(series, &axes, colour) } else { line(series, &axes, colour) });
    }
    svg += "</svg>\n";
    svg
}

fn x_marks(chart: &Chart, axes: &Axes) -> Vec<(f64, String)> {
    if !chart.x_marks.is_empty() {
        return chart.x_marks.clone();
    }
    let step = round_step((axes.x.1 - axes.x.0) / 10.0).max(1.0);
    let first = (axes.x.0 / step).ceil();
    (0..=11)
        .map(|i| (first + f64::from(i)) * step)
        .take_while(|value| *value <= axes.x.1)
        .map(|value| (value, short(value)))
        .collect()
}

/// The points of a line, thinned to what a screen can show; peaks stay.
fn thinned(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let group = points.len().div_ceil(POINTS_MAX).max(1);
    let highest = |some: &[(f64, f64)]| {
        some.iter().copied().fold(some[0], |top, point| if point.1 > top.1 { point } else { top })
    };
    points.chunks(group).map(highest).collect()
}

fn line(series: &Series, axes: &Axes, colour: &str) -> String {
    let points = thinned(&series.points);
    let mut text =
        format!("<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.6\" points=\"");
    for (x, y) in &points {
        write!(text, "{:.1},{:.1} ", axes.x(*x), axes.y(*y)).expect("a string takes all text");
    }
    text += "\"/>\n";
    // A single point has no line.
    if let [(x, y)] = points[..] {
        writeln!(
            text,
            "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"3\" fill=\"{colour}\"/>",
            axes.x(x),
            axes.y(y)
        )
        .expect("a string takes all text");
    }
    text
}

fn bars(series: &Series, axes: &Axes, colour: &str) -> String {
    let width = (WIDTH - LEFT - RIGHT) / (series.points.len().max(1) as f64 + 1.0);
    let bottom = HEIGHT - BOTTOM;
    let mut text = String::new();
    for (x, y) in &series.points {
        let top = axes.y(*y);
        writeln!(
            text,
            "<rect x=\"{:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{:.1}\" fill=\"{colour}\"/>",
            axes.x(*x) - width / 2.0,
            (width - 1.0).max(0.5),
            (bottom - top).max(0.0)
        )
        .expect("a string takes all text");
    }
    text
}

/// The legend of a chart.
pub fn legend(chart: &Chart) -> String {
    let entries = chart.series.iter().zip(COLOURS.iter().cycle()).map(|(series, colour)| {
        format!("<span><i style=\"background:{colour}\"></i>{}</span>", escape(&series.name))
    });
    format!("<p class=\"legend\">{}</p>\n", entries.collect::<String>())
}
