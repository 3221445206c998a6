//! Rate and latency over time as an SVG picture, in bounded memory: once there are too many points, every two
//! neighbours become one.
use super::histogram::Snapshot;
use std::fmt::Write;

/// Points that are kept.
const POINTS: usize = 512;
const WIDTH: f64 = 900.0;
const HEIGHT: f64 = 240.0;
const LEFT: f64 = 80.0;

/// What happened in one stretch of time.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Point {
    /// Its end, seconds from the start.
    at: f64,
    /// Its length, seconds.
    length: f64,
    records: u64,
    p50: f64,
    p99: f64,
}

/// The course of a run.
#[derive(Debug, Default)]
pub(crate) struct Course {
    points: Vec<Point>,
    last: Snapshot,
    last_at: f64,
}

impl Course {
    /// Notes what was counted up to now, `at` seconds from the start.
    pub(crate) fn note(&mut self, at: f64, now: Snapshot) {
        let between = now.since(&self.last);
        let (p50, p99) = (between.quantile_ms(0.5), between.quantile_ms(0.99));
        self.points.push(Point { at, length: at - self.last_at, records: between.count(), p50, p99 });
        self.last = now;
        self.last_at = at;
        if self.points.len() > POINTS {
            self.points = self.points.chunks(2).filter_map(join).collect();
        }
    }

    /// The picture.
    pub(crate) fn svg(&self, title: &str) -> String {
        let mut out = String::new();
        // Writing to a string cannot fail.
        let _infallible = self.draw(&mut out, title);
        out
    }

    fn draw(&self, out: &mut String, title: &str) -> std::fmt::Result {
        let (width, height) = (WIDTH + LEFT + 20.0, 2.0 * HEIGHT + 150.0);
        writeln!(
            out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"13\">"
        )?;
        writeln!(out, "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>")?;
        writeln!(out, "<text x=\"{LEFT}\" y=\"24\" font-size=\"16\">{}</text>", escape(title))?;
        let rate = |point: &Point| point.records as f64 / point.length.max(1e-9);
        self.panel(out, 50.0, "records/s", &[("records/s", "#1f6feb", &rate)])?;
        let latency: [Curve<'_>; 2] = [("p50", "#1a7f37", &|p| p.p50), ("p99", "#cf222e", &|p| p.p99)];
        self.panel(out, HEIGHT + 100.0, "ms", &latency)?;
        writeln!(out, "</svg>")
    }

    fn panel(&self, out: &mut String, top: f64, unit: &str, curves: &[Curve<'_>]) -> std::fmt::Result {
        let values = || self.points.iter().flat_map(|point| curves.iter().map(|curve| curve.2(point)));
        let highest = values().fold(0.0, f64::max).max(1e-6);
        let end = self.last_at.max(1e-6);
        let bottom = top + HEIGHT;
        for step in 0..=4 {
            let share = f64::from(step) / 4.0;
            let (y, x) = (bottom - share * HEIGHT, LEFT + share * WIDTH);
            writeln!(out, "<path d=\"M{LEFT} {y:.1}h{WIDTH}\" stroke=\"#ddd\"/>")?;
            let label = short(share * highest);
            writeln!(
                out,
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>",
                LEFT - 6.0,
                y + 4.0
            )?;
            let seconds = short(share * end);
            writeln!(
                out,
                "<text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{seconds} s</text>",
                bottom + 18.0
            )?;
        }
        writeln!(out, "<text x=\"6\" y=\"{:.1}\">{unit}</text>", top - 8.0)?;
        for (index, (name, colour, of)) in curves.iter().enumerate() {
            let mut path = String::new();
            for (number, point) in self.points.iter().enumerate() {
                let (x, y) = (LEFT + point.at / end * WIDTH, bottom - of(point) / highest * HEIGHT);
                write!(path, "{}{x:.1} {y:.1}", if number == 0 { "M" } else { "L" })?;
            }
            writeln!(out, "<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\"/>")?;
            let x = LEFT + 60.0 * index as f64;
            writeln!(out, "<text x=\"{x:.1}\" y=\"{:.1}\" fill=\"{colour}\">{name}</text>", top - 8.0)?;
        }
        Ok(())
    }
}

type Curve<'a> = (&'a str, &'a str, &'a dyn Fn(&Point) -> f64);

/// Two neighbours as one; of quantiles the worse, since their counts are gone.
fn join(points: &[Point]) -> Option<Point> {
    let last = points.last()?;
    let worst = |of: fn(&Point) -> f64| points.iter().map(of).fold(0.0, f64::max);
    Some(Point {
        at: last.at,
        length: points.iter().map(|point| point.length).sum(),
        records: points.iter().map(|point| point.records).sum(),
        p50: worst(|point| point.p50),
        p99: worst(|point| point.p99),
    })
}

fn short(number: f64) -> String {
    match number {
        n if n >= 1e6 => format!("{:.1}M", n / 1e6),
        n if n >= 1e4 => format!("{:.0}k", n / 1e3),
        n if n >= 100.0 => format!("{n:.0}"),
        n => format!("{n:.1}"),
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::super::histogram::Histogram;
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_long_run_takes_bounded_memory_and_loses_no_record() {
        let histogram = Histogram::default();
        let mut course = Course::default();
        for second in 1..=5000 {
            histogram.record(Duration::from_millis(7));
            course.note(f64::from(second), histogram.snapshot());
        }
        assert!(course.points.len() <= POINTS);
        assert_eq!(course.points.iter().map(|point| point.records).sum::<u64>(), 5000);
        let rates = course.points.iter().map(|point| point.records as f64 / point.length);
        assert!(rates.into_iter().all(|rate| (rate - 1.0).abs() < 1e-9));
    }

    #[test]
    fn the_picture_is_whole_with_and_without_points() {
        let mut course = Course::default();
        for _ in 0..3 {
            let svg = course.svg("a <b> & c");
            assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
            assert!(
                svg.contains("a &lt;b&gt; &amp; c") && !svg.contains("NaN") && !svg.contains("inf"),
                "{svg}"
            );
            course.note(course.last_at + 0.5, Snapshot::default());
        }
    }
}
