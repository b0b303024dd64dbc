//! Plots as inline SVG. Their colours stand for roles, to which the page's style sheet assigns real
//! colours for its light and dark theme.

use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;

use super::clock::clock;
use super::stream::{FramePoint, PacePoint, Stream};
use crate::error::RunError;
use prospect_evaluation::Figure;

/// Width of a plot: two fit side by side on a wide page, and one is hardly wider than a phone's screen.
const WIDTH: u32 = 600;
/// Width of a plot that must fit a phone's screen.
const NARROW_WIDTH: u32 = 480;
const HEIGHT: u32 = 220;
/// Most labels of the x axis; labels from one hour on are long.
const X_LABELS: usize = 6;
/// Colours as roles; `page.css` assigns the real colours.
const TEXT: RGBColor = RGBColor(1, 1, 1);
const GRID: RGBColor = RGBColor(2, 2, 2);
const SERIES: RGBColor = RGBColor(3, 3, 3);
const MARK: RGBColor = RGBColor(4, 4, 4);
const BOUND: RGBColor = RGBColor(5, 5, 5);
const FONT: (&str, u32) = ("sans-serif", 16);
/// Most points of a line. In a longer stream each section is drawn by its smallest and its largest
/// value, so that every stall stays visible.
const MOST_POINTS: usize = 800;
/// Smallest range of the queue's axis, so that its labels are integers.
const LEAST_QUEUE: f64 = 5.0;
/// Most labels of the y axis.
const Y_LABELS: usize = 5;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Chart<'a, 'b> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;
type Drawn = Result<(), Box<dyn std::error::Error>>;

/// Cache length over time, with the budget and every eviction.
pub(super) fn cache(stream: &Stream) -> Result<String, RunError> {
    let points = points(&stream.frames, |frame| frame.cache_tokens as f64);
    let evictions = stream.overflows.iter().map(|&(time, before, after)| (time, before as f64, after as f64));
    let evictions: Vec<(f64, f64, f64)> = evictions.collect();
    let top = points.iter().map(|point| point.1).chain(evictions.iter().map(|eviction| eviction.1));
    let top = top.chain(stream.max_seq_len.map(|tokens| tokens as f64)).fold(1.0, f64::max) * 1.08;
    draw("cache length in tokens over time", (WIDTH, HEIGHT), |area| {
        let mut chart = axes(area, last_time(stream), top, "tokens")?;
        chart.draw_series(LineSeries::new(points, SERIES.stroke_width(2)))?;
        if let Some(tokens) = stream.max_seq_len {
            let ends = [(0.0, tokens as f64), (last_time(stream), tokens as f64)];
            chart.draw_series(DashedLineSeries::new(ends, 6, 4, BOUND.stroke_width(1)))?;
        }
        let falls = evictions.iter().map(|&(time, before, after)| {
            PathElement::new(vec![(time, before), (time, after)], MARK.stroke_width(1))
        });
        chart.draw_series(falls)?;
        let feet =
            evictions.iter().map(|&(time, _, after)| TriangleMarker::new((time, after), 5, MARK.filled()));
        chart.draw_series(feet)?;
        Ok(())
    })
}

/// Time of every frame, with marks for frames that evicted.
pub(super) fn frame_times(stream: &Stream) -> Result<String, RunError> {
    let points = points(&stream.frames, |frame| frame.ms);
    let top = points.iter().map(|point| point.1).fold(1e-3, f64::max) * 1.08;
    let evicting = |frame: &&FramePoint| stream.overflows.iter().any(|overflow| overflow.0 == frame.time);
    let stalls: Vec<(f64, f64)> =
        stream.frames.iter().filter(evicting).map(|frame| (frame.time, frame.ms)).collect();
    draw("milliseconds per frame over time", (WIDTH, HEIGHT), |area| {
        let mut chart = axes(area, last_time(stream), top, "ms per frame")?;
        chart.draw_series(LineSeries::new(points, SERIES.stroke_width(1)))?;
        chart.draw_series(stalls.into_iter().map(|at| TriangleMarker::new(at, 5, MARK.filled())))?;
        Ok(())
    })
}

/// Lag of the model behind the stream, with missed deadlines and dropped frames.
pub(super) fn lag(stream: &Stream) -> Result<String, RunError> {
    let lag = |point: &PacePoint| (point.time, point.lag_ms);
    let missed: Vec<&PacePoint> = stream.pace.iter().filter(|point| point.missed).collect();
    let missed = thin(&missed, |point| lag(point));
    let points = thin(&stream.pace, lag);
    let top = points.iter().map(|point| point.1).fold(1e-3, f64::max) * 1.08;
    draw("milliseconds behind the stream over time", (WIDTH, HEIGHT), |area| {
        let mut chart = axes(area, last_time(stream), top, "ms behind")?;
        chart.draw_series(LineSeries::new(points, SERIES.stroke_width(1)))?;
        chart.draw_series(missed.into_iter().map(|at| TriangleMarker::new(at, 5, MARK.filled())))?;
        chart.draw_series(dropped(stream, top))?;
        Ok(())
    })
}

/// Number of waiting frames, with dropped frames.
pub(super) fn queue(stream: &Stream) -> Result<String, RunError> {
    let points = thin(&stream.pace, |point| (point.time, point.queued as f64));
    let top = points.iter().map(|point| point.1).fold(LEAST_QUEUE, f64::max) * 1.08;
    draw("frames waiting over time", (WIDTH, HEIGHT), |area| {
        let mut chart = axes(area, last_time(stream), top, "frames waiting")?;
        chart.draw_series(LineSeries::new(points, SERIES.stroke_width(1)))?;
        chart.draw_series(dropped(stream, top))?;
        Ok(())
    })
}

/// A mark at the x axis for every dropped frame; fewer marks if there are too many to tell apart.
fn dropped(stream: &Stream, top: f64) -> impl Iterator<Item = PathElement<(f64, f64)>> + '_ {
    let step = stream.dropped.len().div_ceil(MOST_POINTS).max(1);
    let end = last_time(stream);
    let times = stream.dropped.iter().step_by(step).filter(move |time| **time <= end);
    times.map(move |time| PathElement::new(vec![(*time, 0.0), (*time, top * 0.06)], BOUND.stroke_width(2)))
}

/// One metric of every strategy with its interval.
pub(super) fn intervals(label: &str, rows: &[(&str, Figure)]) -> Result<String, RunError> {
    let rows: Vec<(&str, Figure)> = rows.iter().filter(|row| !row.1.value.is_nan()).copied().collect();
    let (count, row_height) = (rows.len() as f64, 26);
    let height = row_height * rows.len() as u32 + 60;
    let description = format!("{label} of every strategy with its 95% interval");
    draw(&description, (NARROW_WIDTH, height), |area| {
        let mut chart = ChartBuilder::on(area)
            .margin(8)
            .x_label_area_size(46)
            .margin_right(16)
            .y_label_area_size(186)
            .build_cartesian_2d(0.0..1.02, -0.5..count - 0.5)?;
        chart
            .configure_mesh()
            .disable_y_mesh()
            .disable_y_axis()
            .axis_style(GRID)
            .bold_line_style(GRID)
            .light_line_style(TRANSPARENT)
            .label_style(FONT.into_font().color(&TEXT))
            .x_labels(6)
            .x_desc(label)
            .draw()?;
        for (index, (name, figure)) in rows.iter().enumerate() {
            let y = count - 1.0 - index as f64;
            let (low, high) = (figure.interval.low, figure.interval.high);
            if !low.is_nan() {
                chart.draw_series([PathElement::new(vec![(low, y), (high, y)], SERIES.stroke_width(3))])?;
            }
            chart.draw_series([Circle::new((figure.value, y), 5, SERIES.filled())])?;
            let anchor = plotters::style::text_anchor::Pos::new(
                plotters::style::text_anchor::HPos::Right,
                plotters::style::text_anchor::VPos::Center,
            );
            let style = TextStyle::from(FONT.into_font()).color(&TEXT).pos(anchor);
            let (left, row) = chart.backend_coord(&(0.0, y));
            area.draw(&Text::new((*name).to_owned(), (left - 10, row), style))?;
        }
        Ok(())
    })
}

/// One point per frame, or for many frames the smallest and the largest value of each section.
fn points(frames: &[FramePoint], value: impl Fn(&FramePoint) -> f64) -> Vec<(f64, f64)> {
    thin(frames, |frame| (frame.time, value(frame)))
}

fn thin<T>(items: &[T], point: impl Fn(&T) -> (f64, f64)) -> Vec<(f64, f64)> {
    if items.len() <= MOST_POINTS {
        return items.iter().map(point).collect();
    }
    let mut points = Vec::with_capacity(MOST_POINTS);
    for stretch in items.chunks(items.len().div_ceil(MOST_POINTS / 2)) {
        let by_value = |a: &(f64, f64), b: &(f64, f64)| a.1.total_cmp(&b.1);
        let ends = [stretch.iter().map(&point).min_by(by_value), stretch.iter().map(&point).max_by(by_value)];
        let mut ends: Vec<(f64, f64)> = ends.into_iter().flatten().collect();
        ends.sort_by(|a, b| a.0.total_cmp(&b.0));
        points.extend(ends);
    }
    points
}

fn last_time(stream: &Stream) -> f64 {
    stream.frames.last().map_or(1.0, |frame| frame.time).max(1e-3)
}

fn axes<'a, 'b>(
    area: &'a Area<'b>,
    end: f64,
    top: f64,
    unit: &str,
) -> Result<Chart<'a, 'b>, Box<dyn std::error::Error>>
where
    'b: 'a,
{
    // Enough decimals that no two labels are equal.
    let decimals = (-(top / Y_LABELS as f64).log10().floor()).max(0.0) as usize;
    let mut chart = ChartBuilder::on(area)
        .margin(8)
        .margin_right(24)
        .x_label_area_size(32)
        .y_label_area_size(72)
        .build_cartesian_2d(0.0..end, 0.0..top)?;
    chart
        .configure_mesh()
        .axis_style(GRID)
        .bold_line_style(GRID)
        .light_line_style(TRANSPARENT)
        .label_style(FONT.into_font().color(&TEXT))
        .x_label_formatter(&|time| clock(*time))
        .y_label_formatter(&|value| format!("{value:.decimals$}"))
        .x_labels(X_LABELS)
        .y_labels(Y_LABELS)
        .y_desc(unit)
        .draw()?;
    Ok(chart)
}

/// An SVG element that fills the available width, with a description for screen readers.
fn draw(
    description: &str,
    (width, height): (u32, u32),
    plot: impl FnOnce(&Area<'_>) -> Drawn,
) -> Result<String, RunError> {
    let failed = |error: Box<dyn std::error::Error>| RunError::Report { problem: error.to_string() };
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (width, height)).into_drawing_area();
        plot(&area).map_err(failed)?;
        area.present().map_err(|error| failed(error.into()))?;
    }
    let fixed = format!("<svg width=\"{width}\" height=\"{height}\"");
    let class = if width < WIDTH { "plot narrow" } else { "plot" };
    let fluid = format!("<svg class=\"{class}\" role=\"img\" aria-label=\"{description}\"");
    Ok(svg.replacen(&fixed, &fluid, 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_stream_keeps_its_stalls() {
        let frame = |index: usize| FramePoint {
            time: index as f64 / 2.0,
            cache_tokens: 9,
            ms: if index == 4321 { 900.0 } else { 4.0 },
        };
        let frames: Vec<FramePoint> = (0..7200).map(frame).collect();
        let points = points(&frames, |frame| frame.ms);
        assert!(points.len() <= MOST_POINTS && points.contains(&(2160.5, 900.0)));
        assert!(points.windows(2).all(|pair| pair[0].0 <= pair[1].0));
    }

    #[test]
    fn no_two_labels_of_an_axis_read_the_same() {
        for most in [0.004, 0.03, 0.4, 0.9, 1.0, 2.0, 4.9, 7.0, 36_000.0] {
            let frames = [most / 2.0, most].map(|ms| FramePoint { time: 1.0, cache_tokens: 1, ms }).to_vec();
            let pace =
                [0, 1].map(|queued| PacePoint { time: 1.0, lag_ms: most, queued, missed: true }).to_vec();
            let stream = Stream { frames, pace, ..Stream::default() };
            for drawn in [frame_times(&stream), lag(&stream), queue(&stream)] {
                let drawn = drawn.unwrap();
                let texts = drawn.split("</text>").filter_map(|text| text.rsplit('>').next()).map(str::trim);
                let mut labels: Vec<&str> = texts.filter(|text| text.parse::<f64>().is_ok()).collect();
                let all = labels.len();
                labels.dedup();
                assert!(all > 1 && labels.len() == all, "{most}: {labels:?}");
            }
        }
    }

    #[test]
    fn colours_are_roles_that_the_style_sheet_knows() {
        let stream = Stream {
            frames: vec![
                FramePoint { time: 0.0, cache_tokens: 5, ms: 3.0 },
                FramePoint { time: 0.5, cache_tokens: 9, ms: 4.0 },
            ],
            max_seq_len: Some(10),
            overflows: vec![(0.5, 9, 2)],
            pace: vec![PacePoint { time: 0.5, lag_ms: 700.0, queued: 1, missed: true }],
            dropped: vec![0.25, 9.0],
        };
        let drawn = cache(&stream).unwrap()
            + &frame_times(&stream).unwrap()
            + &lag(&stream).unwrap()
            + &queue(&stream).unwrap();
        let style = include_str!("page/page.css");
        for colour in drawn.split('#').skip(1).map(|rest| &rest[..6]) {
            assert!(style.contains(&format!("\"#{colour}\"")), "{colour}");
        }
        assert!(drawn.starts_with("<svg class=\"plot\" role=\"img\" aria-label=\"cache"));
    }
}
