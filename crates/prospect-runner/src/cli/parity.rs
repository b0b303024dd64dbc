//! `prospect-runner parity`: the settings' device and type beside f32 on the CPU.

use prospect_config::Settings;
use prospect_context::PositionPolicy;
use prospect_model::{Placement, SmolVlm};
use serde::Serialize;

use super::arguments::ParityArguments;
use super::say::{fit_table, print, print_fitted};
use crate::bench::{shape, shape_config};
use crate::checkpoint;
use crate::error::RunError;
use crate::interrupt::Interrupt;
use crate::pace::decided_placement;
use crate::parity::{Parity, compare, compare_shapes};
use crate::progress::progress_bar;
use crate::run::source_options;

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    device: String,
    dtype: String,
    positions: &'static str,
    #[serde(flatten)]
    parity: Parity,
}

const POLICIES: [PositionPolicy; 4] =
    [PositionPolicy::Rerotate, PositionPolicy::Preserve, PositionPolicy::Legacy, PositionPolicy::Recompute];

pub(super) fn parity(arguments: &ParityArguments) -> Result<(), RunError> {
    let Some(settings) = arguments.common.resolve_or_print()? else { return Ok(()) };
    let reports = match &arguments.shape {
        Some(name) => vec![of_shape(name, &settings)?],
        None => of_checkpoint(arguments, &settings)?,
    };
    match arguments.json || settings.output.json {
        // Numbers always serialise.
        true => print(&serde_json::to_string_pretty(&reports).unwrap_or_default()),
        false => print_fitted(&text(&reports)),
    }
    Ok(())
}

fn of_shape(name: &str, settings: &Settings) -> Result<Report, RunError> {
    let other = decided_placement(settings, &shape_config(name)?)?;
    let models = [shape(name, Placement::default())?.model, shape(name, other)?.model];
    Ok(report(&models, PositionPolicy::Rerotate, compare_shapes([&models[0], &models[1]])?))
}

/// Under every position policy.
fn of_checkpoint(arguments: &ParityArguments, settings: &Settings) -> Result<Vec<Report>, RunError> {
    let files = checkpoint::find(settings.model.path.as_deref(), &Interrupt::default())?.files;
    let processor = files.processor()?;
    let other = decided_placement(settings, &files.config()?)?;
    let models = [files.model(Placement::default())?, files.model(other)?];
    let video = match &arguments.source {
        Some(source) => source.clone(),
        None => checkpoint::from_repository("fixtures/workbench/videos/video_000.mp4")?.display().to_string(),
    };
    let prompt = &settings.stream.default_system_prompt;
    let open = || prospect_source::open(&video, source_options(settings));
    // The same video once for every policy.
    let bar = progress_bar(open()?.length().unwrap_or(0) * POLICIES.len(), "frames");
    let of_policy = |policy: PositionPolicy| {
        bar.set_message(policy.as_str());
        let mut frames = open()?;
        let cache = (settings.context.max_seq_len, policy);
        let parity =
            compare([&models[0], &models[1]], &processor, frames.as_mut(), cache, prompt, &mut || {
                bar.inc(1)
            })?;
        Ok(report(&models, policy, parity))
    };
    let reports = POLICIES.into_iter().map(of_policy).collect();
    bar.finish_and_clear();
    reports
}

fn report(models: &[SmolVlm; 2], policy: PositionPolicy, parity: Parity) -> Report {
    let placement = models[1].placement();
    let (device, dtype) = (placement.device.to_string(), placement.to_string());
    Report { device, dtype, positions: policy.as_str(), parity }
}

fn text(reports: &[Report]) -> String {
    let header = [
        "device",
        "dtype",
        "positions",
        "frames",
        "evictions",
        "tokens",
        "vision",
        "worst",
        "logits",
        "worst",
        "cache",
        "differ",
    ];
    let mut rows = vec![header.map(str::to_owned).to_vec()];
    let mut lines = Vec::new();
    for report in reports {
        let Parity { frames, tokens, evictions, cache, disagreements, .. } = &report.parity;
        let Parity { vision, vision_worst, logits, logits_worst, .. } = &report.parity;
        rows.push(vec![
            report.device.clone(),
            report.dtype.clone(),
            report.positions.to_owned(),
            frames.to_string(),
            evictions.to_string(),
            tokens.to_string(),
            format!("{vision:.1e}"),
            format!("{vision_worst:.1e}"),
            format!("{logits:.1e}"),
            format!("{logits_worst:.1e}"),
            format!("{cache:.1e}"),
            disagreements.len().to_string(),
        ]);
        lines.extend(disagreements.iter().map(|one| {
            format!(
                "{}: frame {}: {} instead of {}, which leads by {:.4}",
                report.positions, one.frame, one.other, one.reference, one.margin
            )
        }));
    }
    std::iter::once(fit_table(&rows)).chain(lines).collect::<Vec<_>>().join("\n")
}
