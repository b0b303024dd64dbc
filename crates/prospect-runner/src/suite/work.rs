//! Does the runs of a suite that have no result yet.

use std::num::NonZeroUsize;
use std::path::Path;

use super::inputs::{Inputs, SharedInputs};
use super::sanity::replay_references;
use super::shard::Shard;
use super::store::{CHECKPOINT_FILE, RunResult, Store, StrategyEntry, SuiteDescription, VideoEntry};
use super::variant::Variant;
use super::video::Video;
use crate::checkpoint::Checkpoint;
use crate::display::Silent;
use crate::error::RunError;
use crate::interrupt::Interrupt;
use crate::run::{self, Keeping, RunInputs};
use crate::similarity::judge;
use crate::strategies::Registry;
use crate::suspend::{Keeper, SuspendedRun};
use prospect_evaluation::annotations::Annotations;
use prospect_evaluation::{Cost, Similarity, read_trace};
use prospect_journal::{JournalError, TraceWriter};
use prospect_session::broken_laws;

/// Videos and strategies, and what is needed to run them.
pub struct Suite<'a> {
    /// Every video, in order, with its annotations.
    pub videos: Vec<(Video, Annotations)>,
    /// Every strategy, in order.
    pub variants: Vec<Variant>,
    /// What the runs of each strategy depend on, in the same order.
    pub inputs: Vec<SharedInputs>,
    /// The strategy that the others are compared with.
    pub baseline: Option<String>,
    /// The folder of the results.
    pub store: Store,
    /// Strategies, the built-in ones included.
    pub strategies: &'a Registry,
    /// The model.
    pub checkpoint: &'a Checkpoint,
    /// Ends the suite before its next run.
    pub interrupt: &'a Interrupt,
    /// Number of frames from one checkpoint of a stream to the next; `None` writes no checkpoints.
    pub checkpoint_every: Option<NonZeroUsize>,
    /// Compares texts.
    pub similarity: &'a dyn Similarity,
}

/// The outcome of one shard.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ShardOutcome {
    /// Number of runs done now. Other runs already had their result.
    pub done: usize,
    /// Number of failed runs.
    pub failed: usize,
    /// Number of laws of traces that were broken.
    pub broken_laws: usize,
    /// Number of runs of the whole suite that have no result of these inputs yet.
    pub missing: usize,
}

/// Progress of a suite.
pub enum Told<'a> {
    /// A run of the shard has a result.
    Result(&'a Variant, &'a Video, &'a RunResult),
    /// Something that a person should know.
    Note(&'a str),
}

/// Receives the progress.
pub type Progress<'a> = dyn FnMut(Told<'_>) + 'a;

/// Reads the annotations of every video.
///
/// # Errors
/// The first file that is malformed.
pub fn with_annotations(videos: Vec<Video>) -> Result<Vec<(Video, Annotations)>, RunError> {
    let read = |video: Video| {
        let mut annotations = Annotations::from_file_choosing(&video.annotations, &video.choice)?;
        if let Some(states) = &video.states {
            annotations.take_steps_of(Annotations::from_file(states)?);
        }
        Ok((video, annotations))
    };
    videos.into_iter().map(read).collect()
}

impl Suite<'_> {
    /// Number of runs that belong to `shard`.
    pub fn runs(&self, shard: Shard) -> usize {
        (0..self.variants.len() * self.videos.len()).filter(|run| shard.has(*run)).count()
    }

    /// Does the runs of `shard` that have no result, that failed, or whose result has other inputs.
    ///
    /// # Errors
    /// [`RunError::Interrupted`], or results that cannot be written. A run that fails is a result, not an error.
    pub fn run(&self, shard: Shard, progress: &mut Progress<'_>) -> Result<ShardOutcome, RunError> {
        let lock = self.store.lock_shard(shard)?;
        lock.missing().iter().for_each(|note| progress(Told::Note(note)));
        self.store.put_description(&self.description())?;
        let mut outcome = ShardOutcome::default();
        for (number, variant, video, annotations) in self.jobs() {
            // Consecutive numbers are different videos of one strategy.
            let shared = &self.inputs[number / self.videos.len()];
            if !shard.has(number) {
                let there = self.store.result(&variant.folder(), &video.name);
                // Only the shard that owns the run reads the video. Here its length has to be enough.
                outcome.missing +=
                    usize::from(!there.is_some_and(|there| there.inputs.may_be(shared, video)));
                continue;
            }
            self.interrupt.check()?;
            let inputs = Inputs::of(shared, video)?;
            let _lock = self.store.lock_run(&variant.folder(), &video.name)?;
            // A process with another division into shards may have done the run meanwhile.
            let there = self.store.result(&variant.folder(), &video.name);
            let is_of_these = |result: &RunResult| result.is_sound() && result.inputs == inputs;
            let result = match there.filter(is_of_these) {
                Some(result) => result,
                None => {
                    outcome.done += 1;
                    self.one(variant, video, annotations, inputs)?
                }
            };
            outcome.failed += usize::from(result.error.is_some());
            outcome.broken_laws += result.broken_laws.len();
            progress(Told::Result(variant, video, &result));
        }
        Ok(outcome)
    }

    /// All runs with their numbers.
    fn jobs(&self) -> impl Iterator<Item = (usize, &Variant, &Video, &Annotations)> {
        let pairs =
            self.variants.iter().flat_map(|variant| self.videos.iter().map(move |video| (variant, video)));
        pairs
            .enumerate()
            .map(|(number, (variant, (video, annotations)))| (number, variant, video, annotations))
    }

    fn description(&self) -> SuiteDescription {
        let strategy =
            |variant: &Variant| StrategyEntry { name: variant.name.clone(), folder: variant.folder() };
        let video = |(video, _): &(Video, Annotations)| VideoEntry::of(video);
        SuiteDescription {
            strategies: self.variants.iter().map(strategy).collect(),
            videos: self.videos.iter().map(video).collect(),
            baseline: self.baseline.clone(),
            similarity: self.similarity.name().to_owned(),
        }
    }

    /// Runs one video and writes its result. All figures are read from its trace, even if the run
    /// failed.
    fn one(
        &self,
        variant: &Variant,
        video: &Video,
        annotations: &Annotations,
        inputs: Inputs,
    ) -> Result<RunResult, RunError> {
        let folder = self.store.run_folder(&variant.folder(), &video.name);
        let keeper = self.keeper(variant, video, &folder)?;
        let resumed = keeper.as_ref().and_then(|keeper| resumable(keeper, &folder));
        if resumed.is_none() {
            self.store.forget_run(&variant.folder(), &video.name)?;
        }
        let (mut trace, suspended) = match resumed {
            Some((trace, suspended)) => (trace, Some(suspended)),
            None => (TraceWriter::in_folder(&folder), None),
        };
        let streamed = self.stream(variant, video, annotations, (keeper.as_ref(), suspended), &mut trace);
        let failure = match streamed {
            Err(error @ (RunError::Interrupted | RunError::Journal(JournalError::Write { .. }))) => {
                return Err(error);
            }
            outcome => outcome.err(),
        };
        // A failed run is resumed the next time, unless its suspended stream does not fit.
        let is_over = failure.as_ref().is_none_or(|error| matches!(error, RunError::Suspend(_)));
        // A run that failed before its first event has no trace.
        let events = if trace.has_begun() { read_trace(trace.path())? } else { Vec::new() };
        let result = RunResult {
            inputs,
            judgement: judge(&video.settings(&variant.settings), self.similarity)
                .judge(&events, annotations)?,
            cost: Cost::of(&events),
            broken_laws: if events.is_empty() { Vec::new() } else { broken_laws(&events) },
            error: failure.map(|error| error.to_string()),
        };
        self.store.put_result(&variant.folder(), &video.name, &result)?;
        // The lock file stays, like all lock files.
        keeper.filter(|_| is_over).map_or(Ok(()), |keeper| keeper.file().forget())?;
        Ok(result)
    }

    fn stream(
        &self,
        variant: &Variant,
        video: &Video,
        annotations: &Annotations,
        (keeper, suspended): (Option<&Keeper>, Option<SuspendedRun>),
        trace: &mut TraceWriter,
    ) -> Result<(), RunError> {
        let (settings, source) = (video.settings(&variant.settings), video.source.display().to_string());
        if variant.is_sanity() {
            return replay_references(&settings, &source, annotations, self.interrupt, trace);
        }
        let inputs = RunInputs {
            settings: &settings,
            strategies: self.strategies,
            checkpoint: self.checkpoint,
            source: &source,
            annotations: Some(annotations),
            interrupt: self.interrupt,
        };
        let keeping = Keeping { keeper, suspended, ..Keeping::default() };
        run::run(inputs, keeping, trace, &mut Silent).map(drop)
    }

    /// The keeper that suspends a video's stream regularly, if checkpoints are wanted.
    fn keeper(&self, variant: &Variant, video: &Video, folder: &Path) -> Result<Option<Keeper>, RunError> {
        let Some(every) = self.checkpoint_every.filter(|_| !variant.is_sanity()) else { return Ok(None) };
        let (settings, source) = (video.settings(&variant.settings), video.source.display().to_string());
        let (path, model) = (folder.join(CHECKPOINT_FILE), &self.checkpoint.files);
        Keeper::new(&path, every, &settings, model, &source).map(Some)
    }
}

/// A suspended stream and its trace, if both are intact and belong to this run. Otherwise the video is
/// run from the beginning.
fn resumable(keeper: &Keeper, folder: &Path) -> Option<(TraceWriter, SuspendedRun)> {
    let suspended = keeper.suspended().ok()?;
    Some((TraceWriter::continued(folder, suspended.trace()).ok()?, suspended))
}
