//! Does what a suite still lacks.

use std::path::Path;

use super::dataset::Video;
use super::inputs::Inputs;
use super::sanity::replay_references;
use super::shard::Shard;
use super::store::{RunResult, Store, StrategyEntry, SuiteDescription, VideoEntry};
use super::variant::Variant;
use crate::annotations::Annotations;
use crate::checkpoint::Checkpoint;
use crate::display::Silent;
use crate::error::RunError;
use crate::evaluation::{Cost, Judge, Judgement, Similarity, Window};
use crate::run;
use crate::trace::{TraceWriter, broken_laws, read_trace};

/// Videos, strategies, and what runs them.
pub struct Suite<'a> {
    /// Every video, in order.
    pub videos: Vec<Video>,
    /// Every strategy, in order.
    pub variants: Vec<Variant>,
    /// The strategy that the others are compared with.
    pub baseline: Option<String>,
    /// Where the results lie.
    pub store: Store,
    /// The model.
    pub checkpoint: &'a Checkpoint,
    /// Compares texts.
    pub similarity: &'a dyn Similarity,
}

/// Is told of every run of a shard once it has its result.
pub type Progress<'a> = dyn FnMut(&Variant, &Video) + 'a;

impl Suite<'_> {
    /// Runs that `shard` has.
    pub fn runs(&self, shard: Shard) -> usize {
        (0..self.variants.len() * self.videos.len()).filter(|run| shard.has(*run)).count()
    }

    /// Does the runs of `shard` that have no result yet, and those that failed or were made from something else; returns
    /// how many it did.
    ///
    /// # Errors
    /// [`RunError::Interrupted`], or results that cannot be written. A run that fails is a result, not an error.
    pub fn run(&self, shard: Shard, progress: &mut Progress<'_>) -> Result<usize, RunError> {
        self.store.put_description(&self.description())?;
        let mut done = 0;
        for (number, variant) in self.variants.iter().enumerate() {
            for (index, video) in self.videos.iter().enumerate() {
                if !shard.has(number * self.videos.len() + index) {
                    continue;
                }
                let inputs = Inputs::of(variant, video)?;
                let is_there = |result: &RunResult| result.error.is_none() && result.inputs == inputs;
                if !self.store.result(&variant.folder(), &video.name).as_ref().is_some_and(is_there) {
                    let result = self.one(variant, video, inputs)?;
                    self.store.put_result(&variant.folder(), &video.name, &result)?;
                    done += 1;
                }
                progress(variant, video);
            }
        }
        Ok(done)
    }

    fn description(&self) -> SuiteDescription {
        let strategy =
            |variant: &Variant| StrategyEntry { name: variant.name.clone(), folder: variant.folder() };
        // The report is read elsewhere than here.
        let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let video = |video: &Video| VideoEntry { name: video.name.clone(), source: absolute(&video.source) };
        SuiteDescription {
            strategies: self.variants.iter().map(strategy).collect(),
            videos: self.videos.iter().map(video).collect(),
            baseline: self.baseline.clone(),
            similarity: self.similarity.name().to_owned(),
        }
    }

    fn one(&self, variant: &Variant, video: &Video, inputs: Inputs) -> Result<RunResult, RunError> {
        let failed = |inputs, judgement, error: RunError| match error {
            RunError::Interrupted | RunError::Write { .. } => Err(error),
            error => Ok(RunResult {
                inputs,
                error: Some(error.to_string()),
                judgement,
                cost: Cost::default(),
                broken_laws: Vec::new(),
            }),
        };
        let annotations = match Annotations::from_file(&video.annotations) {
            Ok(annotations) => annotations,
            Err(error) => return failed(inputs, Judgement::default(), error.into()),
        };
        self.store.forget_result(&variant.folder(), &video.name)?;
        match self.stream(variant, video, &annotations) {
            Ok((judgement, cost, broken_laws)) => {
                Ok(RunResult { inputs, error: None, judgement, cost, broken_laws })
            }
            // What a failed run was to say was not said.
            Err(error) => failed(inputs, Judgement::silent(&annotations), error),
        }
    }

    /// Runs one video; everything that is measured of it is read from its trace.
    fn stream(
        &self,
        variant: &Variant,
        video: &Video,
        annotations: &Annotations,
    ) -> Result<(Judgement, Cost, Vec<String>), RunError> {
        let (settings, source) = (&variant.settings, video.source.display().to_string());
        let mut trace = TraceWriter::in_folder(&self.store.run_folder(&variant.folder(), &video.name));
        if variant.is_sanity() {
            replay_references(settings, &source, annotations, &mut trace)?;
        } else {
            run::run(settings, self.checkpoint, &source, Some(annotations), &mut trace, &mut Silent)?;
        }
        let events = read_trace(trace.path())?;
        let (evaluation, fps) = (&settings.evaluation, settings.stream.fps);
        let window = Window::from_seconds(evaluation.reference_before, evaluation.reference_after, fps);
        let judge = Judge { similarity: self.similarity, window, fps };
        Ok((judge.judge(&events, annotations)?, Cost::of(&events), broken_laws(&events)))
    }
}
