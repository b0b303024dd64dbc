//! Estimates whether this machine keeps a stream's pace in f32, and decides `model.quantize = "auto"`
//! by that.

use prospect_config::{Quantize, Settings};
use prospect_model::{ComputeDevice, ModelConfig, Placement, Precision, cpu_product_rate};

use crate::error::RunError;
use crate::operations::of_silent_frame;
use crate::outlet::tell;
use crate::placement::{placement_of, precisions_of};
use crate::verbosity::Level;

/// Share of the rate of a large product that a whole frame reaches. `bench` measures 0.8 to 0.9.
const SHARE: f64 = 0.8;
/// Operations per second that every machine achieves. A stream that needs fewer is not worth a
/// measurement.
const ANY_MACHINE: f64 = 4e9;

/// Replaces `model.quantize = "auto"` in the settings by a decision. If the decision is q8, one line
/// says so.
///
/// # Errors
/// The measurement fails.
pub(crate) fn decide_quantize(
    settings: &Settings,
    placement: &Placement,
    config: &ModelConfig,
) -> Result<Settings, RunError> {
    if settings.model.quantize != Quantize::Auto {
        return Ok(settings.clone());
    }
    let exact = || settings.clone().with_quantize(Quantize::None);
    if placement.device != ComputeDevice::Cpu {
        return Ok(exact());
    }
    let fps = settings.stream.fps;
    let operations = operations_of_frame(settings, config);
    if operations * fps < ANY_MACHINE {
        return Ok(exact());
    }
    let seconds = operations / (SHARE * cpu_product_rate(Precision::F32)?);
    if seconds * fps <= 1.0 {
        return Ok(exact());
    }
    let told = format!(
        "model.quantize = \"auto\": q8, because a frame takes about {seconds:.1} s in f32 on this CPU, and {fps} a second come"
    );
    tell(Level::Info, &told);
    Ok(settings.clone().with_quantize(Quantize::Q8))
}

/// The placement of the settings on this machine, with `model.quantize = "auto"` decided for a model of this
/// configuration.
///
/// # Errors
/// This build or machine cannot compute as the settings ask, or the measurement fails.
pub(crate) fn decided_placement(settings: &Settings, config: &ModelConfig) -> Result<Placement, RunError> {
    let placement = placement_of(settings)?;
    let settings = decide_quantize(settings, &placement, config)?;
    Ok(Placement { precisions: precisions_of(&settings.model), ..placement })
}

/// Operations of a silent frame with a full cache.
fn operations_of_frame(settings: &Settings, config: &ModelConfig) -> f64 {
    let cached = settings.context.max_seq_len.min(config.text_config.max_position_embeddings);
    of_silent_frame(config, cached)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use prospect_config::Layers;

    use super::*;

    fn config() -> ModelConfig {
        ModelConfig::parse(include_str!("../../../configs/shapes/256m.json"), "config.json".as_ref()).unwrap()
    }

    fn decided(sets: &[&str], placement: &Placement) -> Quantize {
        let layers = sets.iter().try_fold(Layers::new(), |layers, set| layers.set(set)).unwrap();
        decide_quantize(&layers.resolve().unwrap(), placement, &config()).unwrap().model.quantize
    }

    #[test]
    fn auto_is_q8_where_the_pace_would_not_be_kept() {
        let cpu = Placement { device: ComputeDevice::Cpu, ..Placement::default() };
        let auto = "model.quantize=auto";
        assert_eq!(decided(&[auto, "stream.fps=1000"], &cpu), Quantize::Q8);
        // Any machine can process one frame in 1,000 seconds.
        assert_eq!(decided(&[auto, "stream.fps=0.001"], &cpu), Quantize::None);
        let gpu = Placement { device: ComputeDevice::Cuda(0), ..Placement::default() };
        assert_eq!(decided(&[auto, "stream.fps=1000"], &gpu), Quantize::None);
        assert_eq!(decided(&["model.quantize=none", "stream.fps=1000"], &cpu), Quantize::None);
    }
}
