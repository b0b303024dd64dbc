//! `prospect-runner bench`.

use serde::Serialize;

use super::arguments::BenchArguments;
use super::print;
use super::table::aligned;
use crate::bench::{Measured, Stage, measure, read_bandwidth, shape};
use crate::checkpoint::precisions_of;
use crate::error::RunError;

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    shape: String,
    precisions: String,
    threads: usize,
    read_bandwidth_gb_s: f64,
    stages: Vec<Measured>,
}

pub(super) fn bench(arguments: &BenchArguments) -> Result<(), RunError> {
    let shape = shape(&arguments.shape, precisions_of(&arguments.model_settings()?))?;
    let threads = prospect_model::threads();
    let bandwidth = read_bandwidth(threads);
    let stages = measure(&shape.model, &arguments.cache, arguments.repeats)?;
    let report = Report {
        shape: shape.name,
        precisions: shape.model.precisions().to_string(),
        threads,
        read_bandwidth_gb_s: bandwidth / 1e9,
        stages,
    };
    if arguments.json {
        // Numbers always serialise.
        print(&serde_json::to_string_pretty(&report).unwrap_or_default());
    } else {
        print(&text(&report, bandwidth));
    }
    Ok(())
}

fn text(report: &Report, bandwidth: f64) -> String {
    let header = ["stage", "cache", "tokens", "median ms", "least ms", "read floor ms", "times the floor"];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    for measured in &report.stages {
        let floor = measured.bytes as f64 / bandwidth * 1e3;
        let stage = match measured.stage {
            Stage::Vision => "vision + connector",
            Stage::Prefill => "prefill a frame",
            Stage::Decode => "decode a token",
        };
        rows.push(vec![
            stage.to_owned(),
            measured.cache_tokens.map_or("-".to_owned(), |tokens| tokens.to_string()),
            measured.tokens.to_string(),
            format!("{:.1}", measured.median_ms),
            format!("{:.1}", measured.least_ms),
            format!("{floor:.1}"),
            format!("{:.1}", measured.median_ms / floor),
        ]);
    }
    format!(
        "{} with random weights in {}, {} threads, memory read at {:.0} GB/s\n{}",
        report.shape,
        report.precisions,
        report.threads,
        report.read_bandwidth_gb_s,
        aligned(&rows)
    )
}
