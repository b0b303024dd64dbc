//! A model with everything that is loaded from its files, and the repository's default model.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use prospect_config::{CacheBudget, CacheCosts, Settings, SummaryPrompt};
use prospect_context::Role;
#[cfg(feature = "download")]
use prospect_model::ModelConfig;
use prospect_model::{Placement, SmolVlm};
use prospect_processor::Processor;

use crate::error::RunError;
use crate::interrupt::Interrupt;
use crate::model_files::ModelFiles;
use crate::outlet::tell;
use crate::pace::decide_quantize;
use crate::placement::{placement_of, precisions_of};
use crate::progress::shown_at_work;
use crate::published;
use crate::stream_costs::cache_costs;
use crate::verbosity::Level;
use prospect_hub::{Hub, HubId, Snapshot, WeightFiles};

/// Folder of the default checkpoint in the repository.
const DEFAULT_CHECKPOINT: &str = "fixtures/workbench";

/// The location of a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// The model's files.
    pub files: ModelFiles,
    /// Name in traces: the hub id, or the name of the folder or file.
    pub name: String,
    /// The commit on the hub, if the checkpoint comes from there.
    pub commit: Option<String>,
}

/// A loaded checkpoint.
pub struct Checkpoint {
    /// The model's files.
    pub files: ModelFiles,
    /// Name in traces: the hub id, or the name of the folder or file.
    pub name: String,
    /// The commit on the hub, if the checkpoint comes from there.
    pub commit: Option<String>,
    /// The model with its weights.
    pub model: Arc<SmolVlm>,
    /// Tokenizer, chat template and image processor.
    pub processor: Arc<Processor>,
}

impl Checkpoint {
    /// Loads the checkpoint that the settings name, or the default one.
    ///
    /// # Errors
    /// A file is missing or damaged, or this build or machine cannot compute as the settings ask.
    pub fn load(settings: &Settings, interrupt: &Interrupt) -> Result<Self, RunError> {
        Self::load_decided(settings, interrupt).map(|(checkpoint, _)| checkpoint)
    }

    /// Loads the checkpoint. In the returned settings, `auto` values are replaced by what was decided
    /// for this machine.
    fn load_decided(settings: &Settings, interrupt: &Interrupt) -> Result<(Self, Settings), RunError> {
        let placement = placement_of(settings)?;
        let Location { files, name, commit } = find(settings.model.path.as_deref(), interrupt)?;
        let settings = decide_quantize(settings, &placement, &files.config()?)?;
        let placement = Placement { precisions: precisions_of(&settings.model), ..placement };
        let processor = files.processor()?;
        let begun = Instant::now();
        let model = shown_at_work(&format!("loading {name}"), || files.model(placement))?;
        tell(
            Level::Debug,
            &format!(
                "debug: {name} from {}: {} on {}, loaded in {:.1} s",
                files.path().display(),
                model.placement(),
                model.placement().device,
                begun.elapsed().as_secs_f64()
            ),
        );
        let (by_shape, by_settings) = (model.config().image_seq_len(), processor.image_seq_len());
        if by_shape != by_settings {
            return Err(RunError::ImageSeqLen { model: by_shape, processor: by_settings });
        }
        let (config, special) = (model.config(), processor.special());
        if config.image_token_id != special.image {
            return Err(RunError::ImageToken { model: config.image_token_id, tokenizer: special.image });
        }
        let vocab_size = config.text_config.vocab_size;
        let largest = processor.ends().iter().copied().chain([special.image, special.bos, special.pad]).max();
        if let Some(id) = largest.filter(|&id| id as usize >= vocab_size) {
            return Err(RunError::SpecialToken { id, vocab_size });
        }
        let (model, processor) = (Arc::new(model), Arc::new(processor));
        Ok((Self { files, name, commit, model, processor }, settings))
    }

    /// Loads a checkpoint for streaming, and fits the settings to it.
    ///
    /// # Errors
    /// As [`Self::load`] and [`Self::fit`].
    pub fn load_for_stream(settings: &Settings, interrupt: &Interrupt) -> Result<(Self, Settings), RunError> {
        let (checkpoint, settings) = Self::load_decided(settings, interrupt)?;
        let settings = checkpoint.fit(settings)?;
        Ok((checkpoint, settings))
    }

    /// Converts a budget in bytes or seconds to tokens, and checks the settings of a stream that depend
    /// on the checkpoint.
    ///
    /// # Errors
    /// A setting exceeds what the checkpoint allows.
    pub fn fit(&self, settings: Settings) -> Result<Settings, RunError> {
        let config = self.model.config();
        let maximum = config.text_config.max_position_embeddings;
        let settings = settings.clone().fitted_to(&self.cache_costs(&settings)?)?;
        if settings.context.max_seq_len > maximum {
            let mut expected = format!("at most {maximum}, the model's max_position_embeddings");
            if let Some(CacheBudget::Seconds(seconds)) = settings.context.budget {
                let share = maximum as f64 / settings.context.max_seq_len as f64;
                expected.push_str(&format!(" (about {:.0} s)", (seconds * share).floor()));
            }
            return Err(settings.checkpoint_error("context.max_seq_len", expected).into());
        }
        self.check_summary_prompt(&settings)?;
        Ok(settings)
    }

    /// Tokens and bytes that a stream with these settings needs in the cache.
    ///
    /// # Errors
    /// The template or the tokenizer refuses a text.
    pub fn cache_costs(&self, settings: &Settings) -> Result<CacheCosts, RunError> {
        let positions = settings.context.strategy.positions().unwrap_or_default();
        cache_costs(settings, &self.processor, self.model.cache_bytes_per_token(positions))
    }

    /// Checks that the prompt of a summary, the summary and a frame fit beside the longest reply.
    fn check_summary_prompt(&self, settings: &Settings) -> Result<(), RunError> {
        let Some(SummaryPrompt { key, prompt, tokens }) = settings.context.strategy.summary_prompt() else {
            return Ok(());
        };
        let prompt = self.processor.encode_message(Role::User, prompt, false)?.ids.len();
        let frame = self.processor.encode_frame(None)?.ids.len();
        let beside = tokens + frame + settings.generation.max_new_tokens;
        let max_seq_len = settings.context.max_seq_len;
        if prompt + beside >= max_seq_len {
            let expected = format!(
                "a prompt that leaves room: it has {prompt} tokens, and context.max_seq_len = {max_seq_len} has to hold summary, frame and reply of {beside} tokens besides"
            );
            return Err(settings.checkpoint_error(&key, expected).into());
        }
        Ok(())
    }
}

/// Finds a checkpoint: a folder, a pair of GGUF files, a model on the hub (downloaded if it is not in
/// the cache), or the default checkpoint.
///
/// # Errors
/// [`RunError::NoCheckpoint`], [`RunError::Pair`] or [`RunError::Hub`]; [`RunError::NoDefault`] if the
/// binary was moved away from its repository.
pub fn find(name: Option<&str>, interrupt: &Interrupt) -> Result<Location, RunError> {
    match place(name)? {
        Place::Disk(files) => Ok(Location { name: files.name(), files, commit: None }),
        Place::Hub(id) => {
            let Snapshot { folder, commit } = hub(interrupt)?.find(&id)?;
            Ok(Location { files: ModelFiles::Folder(folder), name: id.repository, commit: Some(commit) })
        }
    }
}

/// A checkpoint's configuration files, and what is known about its weights. The weights of a model on
/// the hub are not downloaded.
///
/// # Errors
/// As [`find`].
pub fn describe(name: Option<&str>) -> Result<(ModelFiles, Option<WeightFiles>), RunError> {
    match place(name)? {
        Place::Disk(files) => {
            let weights = files.weights();
            Ok((files, weights))
        }
        Place::Hub(id) => {
            let (folder, weights) = hub(&Interrupt::default())?.describe(&id)?;
            Ok((ModelFiles::Folder(folder), weights))
        }
    }
}

/// The hub client of this process. It only downloads models of the supported type.
///
/// # Errors
/// There is no folder for the hub's cache.
pub fn hub(interrupt: &Interrupt) -> Result<Hub, RunError> {
    let hub = Hub::of_this_process()?;
    #[cfg(feature = "download")]
    let hub = hub
        .interrupted_by(interrupt.flag())
        .with_progress(Level::shows_progress())
        .with_config_check(|text, path| Ok(ModelConfig::parse(text, path).map(drop)?));
    #[cfg(not(feature = "download"))]
    let _ = interrupt;
    Ok(hub)
}

enum Place {
    Disk(ModelFiles),
    Hub(HubId),
}

fn place(name: Option<&str>) -> Result<Place, RunError> {
    let Some(name) = name else { return Ok(Place::Disk(ModelFiles::Folder(default_checkpoint()?))) };
    if let Some(files) = ModelFiles::named(name)? {
        return Ok(Place::Disk(files));
    }
    let name = published::find(name).map_or(name, |size| size.hub_id);
    Ok(Place::Hub(name.parse().map_err(|_| RunError::NoCheckpoint { folder: name.into() })?))
}

/// The small model of the repository.
///
/// # Errors
/// [`RunError::NoDefault`] if the binary was moved away from its repository.
pub fn default_checkpoint() -> Result<PathBuf, RunError> {
    from_repository(DEFAULT_CHECKPOINT)
}

/// A file of the repository, searched where this crate was compiled and in all folders above the binary
/// and the working folder.
///
/// # Errors
/// [`RunError::NoDefault`].
pub fn from_repository(relative: &str) -> Result<PathBuf, RunError> {
    let compiled = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).map(Path::to_owned);
    let binary = std::env::current_exe().ok();
    let working = std::env::current_dir().ok();
    let above = [binary, working].into_iter().flatten();
    let above = above.flat_map(|path| path.ancestors().map(Path::to_owned).collect::<Vec<_>>());
    let mut candidates = compiled.into_iter().chain(above).map(|root| root.join(relative));
    candidates.find(|path| path.exists()).ok_or_else(|| RunError::NoDefault { relative: relative.to_owned() })
}
