//! Draws how a frame's time divides into stages: one bar for each file of
//! `prospect-runner bench --json`, as SVG on standard output.
//!
//!     cargo run --example performance_picture -- f32.json q8.json > docs/performance.svg
#![allow(clippy::print_stdout, reason = "its output")]

use std::error::Error;
use std::fmt::Write;

use serde_json::Value;

const WIDTH: f64 = 860.0;
const LEFT: f64 = 250.0;
const ROW: f64 = 26.0;
/// Colours of vision, prefill and decoding.
const COLOURS: [&str; 3] = ["#3b6ea5", "#5fa777", "#d08c3f"];
const NAMES: [&str; 3] =
    ["vision + connector", "prefill of a frame at 1,024", "20 tokens of a reply at 1,024"];
/// Number of tokens of the reply that is drawn.
const REPLY_TOKENS: f64 = 20.0;

fn main() -> Result<(), Box<dyn Error>> {
    let mut bars = Vec::new();
    for path in std::env::args().skip(1) {
        let report: Value = serde_json::from_str(&std::fs::read_to_string(&path)?)?;
        let label = format!("{}, {}", text(&report["shape"]), text(&report["precisions"]));
        let label = label.split(" with").next().map(str::to_owned).unwrap_or(label.clone());
        let label = if text(&report["precisions"]).contains("int8") { label + ", q8" } else { label };
        let stage = |name: &str| median(&report, name).ok_or(format!("{path}: no stage {name} at 1024"));
        bars.push((label, [stage("vision")?, stage("prefill")?, REPLY_TOKENS * stage("decode")?]));
    }
    println!("{}", draw(&bars)?);
    Ok(())
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("?")
}

/// Median of a stage with 1,024 tokens in the cache, or of a stage without a cache.
fn median(report: &Value, name: &str) -> Option<f64> {
    let stages = report["stages"].as_array()?;
    let fits = |stage: &&Value| {
        stage["stage"] == name && (stage["cache_tokens"].is_null() || stage["cache_tokens"] == 1024)
    };
    stages.iter().find(fits)?["median_ms"].as_f64()
}

fn draw(bars: &[(String, [f64; 3])]) -> Result<String, std::fmt::Error> {
    let longest = bars.iter().map(|(_, parts)| parts.iter().sum::<f64>()).fold(1.0, f64::max);
    let scale = (WIDTH - LEFT - 90.0) / longest;
    let height = 60.0 + ROW * bars.len() as f64;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" font-family=\"sans-serif\" font-size=\"13\" fill=\"#777\">"
    );
    let mut x = 10.0;
    for (name, colour) in NAMES.iter().zip(COLOURS) {
        write!(svg, "<rect x=\"{x}\" y=\"12\" width=\"12\" height=\"12\" fill=\"{colour}\"/>")?;
        write!(svg, "<text x=\"{}\" y=\"23\">{name}</text>", x + 18.0)?;
        x += 40.0 + 7.0 * name.len() as f64;
    }
    for (index, (label, parts)) in bars.iter().enumerate() {
        let (y, mut x) = (40.0 + ROW * index as f64, LEFT);
        write!(svg, "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{label}</text>", LEFT - 8.0, y + 14.0)?;
        for (part, colour) in parts.iter().zip(COLOURS) {
            write!(
                svg,
                "<rect x=\"{x:.1}\" y=\"{y}\" width=\"{:.1}\" height=\"18\" fill=\"{colour}\"/>",
                part * scale
            )?;
            x += part * scale;
        }
        write!(
            svg,
            "<text x=\"{:.1}\" y=\"{}\">{:.0} ms</text>",
            x + 6.0,
            y + 14.0,
            parts.iter().sum::<f64>()
        )?;
    }
    svg.push_str("</svg>");
    Ok(svg)
}
