//! `prospect-runner inspect`: a checkpoint's shapes and what its cache costs.

use std::sync::Arc;

use prospect_config::Layers;
use prospect_model::{CacheType, ModelConfig};
use serde::Serialize;

use super::arguments::InspectArguments;
use super::say::{print, print_fitted};
use crate::checkpoint;
use crate::error::RunError;
use crate::memory_span::MemorySpan;
use crate::model_files::ModelFiles;
use crate::strategies::Registry;
use crate::stream_costs::{SilentStream, cache_costs};
use prospect_hub::WeightFiles;
use prospect_session::Guidance;

/// Name of the settings without a preset.
const DEFAULTS: &str = "defaults";
/// The settings that are shown: the default ones, and the presets for published checkpoints.
const SHOWN_SETTINGS: [&str; 4] = [DEFAULTS, "watch", "guide", "caption"];
/// Cache sizes whose memory is shown, in tokens.
const CACHE_TOKENS: [usize; 3] = [1024, 4096, 8192];
/// Memory sizes into which the cache is fitted, in GiB.
const MEMORY_GIB: [usize; 3] = [4, 8, 24];
const BYTES_PER_PARAMETER: usize = size_of::<f32>();

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Report {
    vision_hidden_size: usize,
    vision_layers: usize,
    vision_heads: usize,
    image_size: usize,
    patch_size: usize,
    tokens_per_frame: usize,
    hidden_size: usize,
    layers: usize,
    heads: usize,
    kv_heads: usize,
    head_dim: usize,
    vocab_size: usize,
    max_positions: usize,
    rope_theta: f64,
    parameters: usize,
    weight_bytes_f32: usize,
    /// `None` if nothing is known about them.
    weights: Option<WeightFiles>,
    /// The formats of the tensors of GGUF files.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    formats: Vec<&'static str>,
    kv_bytes_per_token_f32: usize,
    kv_bytes_per_token_bf16: usize,
    kv_bytes_per_token_int8: usize,
    /// The part of a stream that the cache holds, by the name of the settings; empty without a tokenizer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    memory: Vec<Memory>,
}

/// The part of a stream that the cache holds.
#[derive(Debug, Serialize)]
struct Memory {
    /// Name of the settings.
    settings: &'static str,
    /// The part in words.
    holds: String,
}

pub(super) fn inspect(arguments: &InspectArguments) -> Result<(), RunError> {
    let (files, weights) = checkpoint::describe(arguments.model.as_deref())?;
    let report = report(&files.config()?, weights);
    let report = Report { formats: files.formats()?, memory: memory(&files)?, ..report };
    if arguments.json {
        // Numbers always serialise.
        print(&serde_json::to_string(&report).unwrap_or_default());
    } else {
        print_fitted(&text(&files.path().display().to_string(), &report));
    }
    Ok(())
}

fn report(config: &ModelConfig, weights: Option<WeightFiles>) -> Report {
    let (text, vision) = (&config.text_config, &config.vision_config);
    Report {
        vision_hidden_size: vision.hidden_size,
        vision_layers: vision.num_hidden_layers,
        vision_heads: vision.num_attention_heads,
        image_size: vision.image_size,
        patch_size: vision.patch_size,
        tokens_per_frame: config.image_seq_len(),
        hidden_size: text.hidden_size,
        layers: text.num_hidden_layers,
        heads: text.num_attention_heads,
        kv_heads: text.kv_heads(),
        head_dim: text.head_dim(),
        vocab_size: text.vocab_size,
        max_positions: text.max_position_embeddings,
        rope_theta: text.rope_theta(),
        parameters: config.parameters(),
        weight_bytes_f32: config.parameters() * BYTES_PER_PARAMETER,
        weights,
        formats: Vec::new(),
        kv_bytes_per_token_f32: config.kv_bytes_per_token(CacheType::F32),
        kv_bytes_per_token_bf16: config.kv_bytes_per_token(CacheType::Bf16),
        kv_bytes_per_token_int8: config.kv_bytes_per_token(CacheType::Int8),
        memory: Vec::new(),
    }
}

/// The part of a stream that the cache holds under the default settings and under each preset for published
/// checkpoints.
fn memory(files: &ModelFiles) -> Result<Vec<Memory>, RunError> {
    // A model that is not downloaded has only its configuration on the disk.
    let Ok(processor) = files.processor() else { return Ok(Vec::new()) };
    let (processor, config) = (Arc::new(processor), files.config()?);
    let registry = Registry::default();
    let mut spans = Vec::new();
    for name in SHOWN_SETTINGS {
        let layers = if name == DEFAULTS { Layers::new() } else { Layers::new().preset(name)? };
        let settings = layers.resolve()?;
        let costs = cache_costs(&settings, &processor, config.kv_bytes_per_token(CacheType::F32));
        let span = costs.and_then(|costs| {
            let settings = settings.fitted_to(&costs)?;
            let rule = || registry.overflow_rule(&settings.context);
            let stream = SilentStream::new(&settings, rule()?, Guidance::default(), &processor)?;
            Ok(MemorySpan::of(&stream, &rule()?)?.to_string())
        });
        // Settings that do not fit the checkpoint show their error, and the others are shown all the same.
        let holds = span.unwrap_or_else(|error: RunError| error.to_string());
        spans.push(Memory { settings: name, holds });
    }
    Ok(spans)
}

fn text(name: &str, report: &Report) -> String {
    let row = |key: &str, value: String| format!("  {key:<12}  {value}");
    let mut rows = vec![
        row(
            "vision tower",
            format!(
                "{} wide, {} layers, {} heads",
                report.vision_hidden_size, report.vision_layers, report.vision_heads
            ),
        ),
        row(
            "frame",
            format!(
                "{0}x{0} pixels, patches of {1}, {2} image tokens",
                report.image_size, report.patch_size, report.tokens_per_frame
            ),
        ),
        row(
            "decoder",
            format!(
                "{} wide, {} layers, {} query and {} key heads of {}",
                report.hidden_size, report.layers, report.heads, report.kv_heads, report.head_dim
            ),
        ),
        row("vocabulary", report.vocab_size.to_string()),
        row("positions", format!("{}, rope theta {}", report.max_positions, report.rope_theta)),
        row(
            "parameters",
            format!("{:.1} M, {} in f32", report.parameters as f64 / 1e6, mebibytes(report.weight_bytes_f32)),
        ),
        row("weights", stored(report.weights, &report.formats)),
        row(
            "cache",
            format!(
                "{} bytes a token in f32, {} in bf16, {} in int8; in f32:",
                report.kv_bytes_per_token_f32, report.kv_bytes_per_token_bf16, report.kv_bytes_per_token_int8
            ),
        ),
    ];
    for tokens in CACHE_TOKENS {
        rows.push(row("", format!("{tokens} tokens: {}", mebibytes(tokens * report.kv_bytes_per_token_f32))));
    }
    for gib in MEMORY_GIB {
        let free = (gib << 30).saturating_sub(report.weight_bytes_f32);
        let tokens = (free / report.kv_bytes_per_token_f32.max(1)).min(report.max_positions);
        let limit = if tokens == report.max_positions { " (the model's maximum)" } else { "" };
        rows.push(row("", format!("{gib} GiB beside the weights: {tokens} tokens{limit}")));
    }
    for (index, Memory { settings, holds }) in report.memory.iter().enumerate() {
        rows.push(row(if index == 0 { "memory" } else { "" }, format!("{settings}: {holds}")));
    }
    format!("{name}\n{}", rows.join("\n"))
}

fn stored(weights: Option<WeightFiles>, formats: &[&str]) -> String {
    let Some(WeightFiles { files, bytes, downloaded }) = weights else { return "not downloaded".to_owned() };
    let plural = if files == 1 { "" } else { "s" };
    let place = if downloaded { "" } else { " on the hub, not downloaded" };
    let formats = match formats {
        [] => String::new(),
        formats => format!(": {}", formats.join(", ")),
    };
    format!("{} in {files} file{plural}{place}{formats}", mebibytes(bytes as usize))
}

fn mebibytes(bytes: usize) -> String {
    format!("{:.1} MiB", bytes as f64 / (1 << 20) as f64)
}
