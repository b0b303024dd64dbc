//! Merges the results of a suite, from one folder or from the folders of several shards.

use std::path::PathBuf;

use super::inputs::Inputs;
use super::store::{RunResult, Store, SuiteDescription};
use crate::error::RunError;
use prospect_evaluation::{StrategyRuns, StrategySummary, VideoRun, summarize};

/// A complete suite.
#[derive(Debug, Clone)]
pub struct Merged {
    /// Strategies, videos and baseline.
    pub description: SuiteDescription,
    /// The runs of every strategy.
    pub strategies: Vec<StrategyRuns>,
    /// The figures of every strategy.
    pub summaries: Vec<StrategySummary>,
    /// For each strategy and video, the folder with its trace.
    pub folders: Vec<Vec<PathBuf>>,
}

/// Reads all results. If several folders have a run, the first one in which it succeeded is used.
///
/// # Errors
/// A folder is not one of a suite, the folders belong to different suites, or results are missing or
/// have different inputs.
pub fn merge(folders: &[PathBuf]) -> Result<Merged, RunError> {
    let stores: Vec<Store> = folders.iter().map(|folder| Store::new(folder)).collect();
    let mut description: Option<SuiteDescription> = None;
    for (store, folder) in stores.iter().zip(folders) {
        let found = store.description()?;
        if description.as_ref().is_some_and(|first| *first != found) {
            return Err(RunError::Argument {
                argument: folder.display().to_string(),
                problem: "holds another suite than the folders before it".to_owned(),
                expected: "the same videos, strategies, baseline and similarity".to_owned(),
            });
        }
        description = Some(found);
    }
    let Some(description) = description else {
        return Err(RunError::Argument {
            argument: "merge".to_owned(),
            problem: "no folder".to_owned(),
            expected: "at least one that compare or eval wrote".to_owned(),
        });
    };
    let (strategies, folders) = collect(&description, &stores)?;
    let summaries = summarize(&strategies, description.baseline.as_deref());
    Ok(Merged { description, strategies, summaries, folders })
}

/// Refuses results with different inputs, which must not be compared in one table.
fn check_inputs(
    name: &str,
    first: &mut Option<Inputs>,
    inputs: &Inputs,
    same: SameInputs,
) -> Result<(), RunError> {
    let first = first.get_or_insert_with(|| inputs.clone());
    if same(first, inputs) {
        return Ok(());
    }
    Err(RunError::Argument {
        argument: name.to_owned(),
        problem: "has results of different settings, checkpoints, programs, videos, annotations or steps"
            .to_owned(),
        expected: "all of one kind: run the suite again, or in another --out".to_owned(),
    })
}

type SameInputs = fn(&Inputs, &Inputs) -> bool;
type Collected = (Vec<StrategyRuns>, Vec<Vec<PathBuf>>);

fn collect(description: &SuiteDescription, stores: &[Store]) -> Result<Collected, RunError> {
    let (mut strategies, mut folders) = (Vec::new(), Vec::new());
    let (mut missing, mut first_missing) = (0, None);
    let mut inputs_of_video = vec![None; description.videos.len()];
    for strategy in &description.strategies {
        let (mut runs, mut places, mut inputs_of_strategy) = (Vec::new(), Vec::new(), None);
        for (video, inputs_of_video) in description.videos.iter().zip(&mut inputs_of_video) {
            let result = |store: &Store| {
                let result = store.result(&strategy.folder, &video.name)?;
                Some((result, store.run_folder(&strategy.folder, &video.name)))
            };
            let mut found: Vec<(RunResult, PathBuf)> = stores.iter().filter_map(result).collect();
            // The sort is stable, so among equals the first folder's result is used.
            found.sort_by_key(|(result, _)| result.error.is_some());
            match found.into_iter().next() {
                Some((result, place)) => {
                    let inputs = &result.inputs;
                    check_inputs(&strategy.name, &mut inputs_of_strategy, inputs, Inputs::is_same_strategy)?;
                    check_inputs(&video.name, inputs_of_video, inputs, Inputs::is_same_video)?;
                    runs.push(video_run(video.name.clone(), result));
                    places.push(place);
                }
                None => {
                    missing += 1;
                    first_missing.get_or_insert_with(|| format!("{}/{}", strategy.folder, video.name));
                }
            }
        }
        strategies.push(StrategyRuns { strategy: strategy.name.clone(), runs });
        folders.push(places);
    }
    match first_missing {
        None => Ok((strategies, folders)),
        Some(first) => Err(RunError::MissingResults {
            missing,
            of: description.strategies.len() * description.videos.len(),
            first,
        }),
    }
}

fn video_run(video: String, result: RunResult) -> VideoRun {
    let RunResult { error, judgement, cost, broken_laws, .. } = result;
    VideoRun { video, judgement, cost, error, broken_laws }
}
