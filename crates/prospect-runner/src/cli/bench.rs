//! `prospect-runner bench`.

use serde::Serialize;

use super::arguments::BenchArguments;
use super::say::{fit_table, print, print_fitted};
use crate::bench::{
    Measured, MeasuredEviction, MeasuredStream, MeasuredStreams, Rates, measure, measure_evictions,
    measure_stream, measure_streams, rates, shape, shape_config, soak,
};
use crate::error::RunError;
use crate::pace::decided_placement;
use crate::progress::spinner;
use prospect_engine::peak_memory_bytes;

/// Cache length at which the stream is measured.
const STREAM_CACHE: usize = 1024;
/// Frames of the measured stream.
const STREAM_FRAMES: usize = 20;
/// Budget at which evictions are measured.
const EVICTION_BUDGET: usize = 4096;

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    shape: String,
    device: String,
    precisions: String,
    kernels: &'static str,
    threads: usize,
    #[serde(flatten)]
    rates: Rates,
    stages: Vec<Measured>,
    stream: Option<MeasuredStream>,
    evictions: Vec<MeasuredEviction>,
    peak_memory_bytes: Option<u64>,
    device_memory_bytes: Option<usize>,
}

pub(super) fn bench(arguments: &BenchArguments) -> Result<(), RunError> {
    let settings = arguments.settings()?;
    let placement = decided_placement(&settings, &shape_config(&arguments.shape)?)?;
    let shape = shape(&arguments.shape, placement)?;
    let model = &shape.model;
    let spinner = spinner();
    let progress = &mut |what: &str| {
        spinner.set_message(what.to_owned());
        spinner.tick();
    };
    if let Some(seconds) = arguments.soak {
        let soak = soak(model, EVICTION_BUDGET, seconds, progress)?;
        spinner.finish_and_clear();
        // Numbers always serialise.
        print(&serde_json::to_string_pretty(&soak).unwrap_or_default());
        return Ok(());
    }
    if !arguments.streams.is_empty() {
        let name = format!("{} with random weights in {}", shape.name, model.placement());
        let measured = measure_streams(shape.model, &arguments.streams, progress)?;
        spinner.finish_and_clear();
        let text = match arguments.json {
            // Numbers always serialise.
            true => serde_json::to_string_pretty(&measured).unwrap_or_default(),
            false => {
                format!("{name}, {} threads\n{}", prospect_model::threads(), fit_table(&streams(&measured)))
            }
        };
        print_fitted(&text);
        return Ok(());
    }
    progress("what the machine could do");
    let rates = rates(model)?;
    let stages = measure(model, &arguments.cache, arguments.repeats, progress)?;
    let stream = match arguments.stream {
        true => Some(measure_stream(model, STREAM_CACHE, STREAM_FRAMES, progress)?),
        false => None,
    };
    let evictions = match arguments.evictions {
        true => measure_evictions(model, EVICTION_BUDGET, arguments.repeats, progress)?,
        false => Vec::new(),
    };
    spinner.finish_and_clear();
    let report = Report {
        device: model.placement().device.to_string(),
        precisions: model.placement().to_string(),
        kernels: settings.model.kernels.as_str(),
        shape: shape.name,
        threads: prospect_model::threads(),
        rates,
        stages,
        stream,
        evictions,
        peak_memory_bytes: peak_memory_bytes(),
        device_memory_bytes: model.device_memory().map(|memory| memory.used),
    };
    if arguments.json {
        // Numbers always serialise.
        print(&serde_json::to_string_pretty(&report).unwrap_or_default());
    } else {
        print_fitted(&text(&report));
    }
    Ok(())
}

fn text(report: &Report) -> String {
    let head = format!(
        "{} with random weights in {} on {}, {} threads, memory at {:.0} GB/s, products at {:.2} Tflop/s",
        report.shape,
        report.precisions,
        report.device,
        report.threads,
        report.rates.bytes_per_second / 1e9,
        report.rates.operations_per_second / 1e12,
    );
    let mut parts = vec![head, fit_table(&stages(report))];
    if let Some(stream) = &report.stream {
        parts.push(format!(
            "stream at {} tokens: {:.1} frames a second silent, {:.1} with a reply of 20 tokens every 10 frames",
            stream.cache_tokens, stream.silent_frames_per_second, stream.talking_frames_per_second
        ));
    }
    if !report.evictions.is_empty() {
        parts.push(fit_table(&evictions(report)));
    }
    let mebibytes = |bytes: f64| format!("{:.0} MiB", bytes / f64::from(1 << 20));
    if let Some(bytes) = report.peak_memory_bytes {
        parts.push(format!("memory at most: {}", mebibytes(bytes as f64)));
    }
    if let Some(bytes) = report.device_memory_bytes {
        parts.push(format!("memory of the device in use: {}", mebibytes(bytes as f64)));
    }
    parts.join("\n")
}

fn stages(report: &Report) -> Vec<Vec<String>> {
    let header = [
        "stage",
        "cache",
        "tokens",
        "median ms",
        "least ms",
        "read floor ms",
        "times the floor",
        "product floor ms",
        "times the floor",
    ];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    for measured in &report.stages {
        let reading = measured.bytes as f64 / report.rates.bytes_per_second * 1e3;
        let multiplying = measured.operations / report.rates.operations_per_second * 1e3;
        let mut row = vec![
            measured.stage.to_string(),
            measured.cache_tokens.map_or("-".to_owned(), |tokens| tokens.to_string()),
            measured.tokens.to_string(),
            format!("{:.2}", measured.median_ms),
            format!("{:.2}", measured.least_ms),
        ];
        for floor in [reading, multiplying] {
            row.push(format!("{floor:.3}"));
            row.push(format!("{:.1}", measured.median_ms / floor));
        }
        rows.push(row);
    }
    rows
}

fn streams(measured: &[MeasuredStreams]) -> Vec<Vec<String>> {
    let header = [
        "streams",
        "frames/s",
        "frames/s a stream",
        "tokens/s",
        "tokens/s a stream",
        "p95 of a frame ms",
        "memory MiB",
    ];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    rows.extend(measured.iter().map(|of| {
        let each = |rate: f64| format!("{:.2}", rate / of.streams as f64);
        vec![
            of.streams.to_string(),
            format!("{:.2}", of.frames_per_second),
            each(of.frames_per_second),
            format!("{:.1}", of.tokens_per_second),
            each(of.tokens_per_second),
            format!("{:.0}", of.p95_frame_ms),
            of.memory_bytes.map_or("-".to_owned(), |bytes| (bytes >> 20).to_string()),
        ]
    }));
    rows
}

fn evictions(report: &Report) -> Vec<Vec<String>> {
    let header = ["eviction by", "positions", "tokens", "kept", "put back", "median ms"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    rows.extend(report.evictions.iter().map(|eviction| {
        vec![
            eviction.strategy.clone(),
            eviction.positions.to_owned(),
            eviction.tokens_before.to_string(),
            eviction.kept.to_string(),
            eviction.put_back.to_string(),
            format!("{:.2}", eviction.median_ms),
        ]
    }));
    rows
}
