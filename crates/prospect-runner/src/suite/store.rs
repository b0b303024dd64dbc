//! The folder of a suite.

use std::fs;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::inputs::{Inputs, SharedInputs};
use super::shard::Shard;
use super::variant::Variant;
use super::video::Video;
use crate::error::RunError;
use prospect_evaluation::{Cost, Judgement};
use prospect_foreign::one_line;
use prospect_journal::{JournalError, Lock, TRACE_FILE, UNFINISHED, write_whole};

/// Name of the file with the suite's description.
const SUITE_FILE: &str = "suite.json";
/// Name of the file with a run's result.
const RESULT_FILE: &str = "result.json";
/// Name of the file with the suspended stream of a video.
pub(super) const CHECKPOINT_FILE: &str = "stream.checkpoint";

/// Description of a suite.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SuiteDescription {
    /// Strategies, in the order of the tables.
    pub strategies: Vec<StrategyEntry>,
    /// Videos, in order.
    pub videos: Vec<VideoEntry>,
    /// Name of the strategy with which the others are compared.
    pub baseline: Option<String>,
    /// How texts are compared.
    pub similarity: String,
}

/// A strategy of a suite.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StrategyEntry {
    /// Its name.
    pub name: String,
    /// Its folder inside the suite's folder.
    pub folder: String,
}

/// A video of a suite.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VideoEntry {
    /// Its name, which is also the name of its folder.
    pub name: String,
    /// Path of the video.
    pub source: PathBuf,
}

impl VideoEntry {
    /// The entry of a video. Its path is absolute, because the report is read from other folders.
    pub(super) fn of(video: &Video) -> Self {
        let source = std::path::absolute(&video.source).unwrap_or_else(|_| video.source.clone());
        Self { name: video.name.clone(), source }
    }
}

/// The result of one run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunResult {
    /// The inputs of the run.
    pub inputs: Inputs,
    /// Why the run failed, if it did.
    pub error: Option<String>,
    /// The judgement of its replies.
    pub judgement: Judgement,
    /// The cost of the run.
    pub cost: Cost,
    /// Laws of traces that its trace breaks.
    pub broken_laws: Vec<String>,
}

impl RunResult {
    /// Whether the result stands. A run that failed is repeated, and so is one that broke a law: two
    /// processes may have worked on it at the same time.
    pub(super) fn is_sound(&self) -> bool {
        self.error.is_none() && self.broken_laws.is_empty()
    }
}

/// Reads and writes a suite's folder.
#[derive(Debug, Clone)]
pub struct Store {
    folder: PathBuf,
}

impl Store {
    /// The suite in `folder`, which need not exist yet.
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// The folder of one run.
    pub fn run_folder(&self, strategy_folder: &str, video: &str) -> PathBuf {
        self.folder.join(strategy_folder).join(video)
    }

    /// The result of one run; `None` if there is none, or if another program wrote it.
    pub fn result(&self, strategy_folder: &str, video: &str) -> Option<RunResult> {
        let file = self.run_folder(strategy_folder, video).join(RESULT_FILE);
        serde_json::from_slice(&fs::read(file).ok()?).ok()
    }

    /// Locks the part of the suite that belongs to `shard`.
    ///
    /// # Errors
    /// [`JournalError::Locked`], [`JournalError::Write`].
    pub(super) fn lock_shard(&self, shard: Shard) -> Result<Lock, RunError> {
        let name = format!(".shard-{}.lock", shard.to_string().replace('/', "-of-"));
        Ok(Lock::take(&self.folder.join(name), &self.folder)?)
    }

    /// Locks the folder of one run.
    ///
    /// # Errors
    /// [`JournalError::Locked`], [`JournalError::Write`].
    pub(super) fn lock_run(&self, strategy_folder: &str, video: &str) -> Result<Lock, RunError> {
        Ok(Lock::of_folder(&self.run_folder(strategy_folder, video))?)
    }

    /// Writes the result of one run.
    ///
    /// # Errors
    /// [`JournalError::Write`].
    pub fn put_result(&self, strategy_folder: &str, video: &str, result: &RunResult) -> Result<(), RunError> {
        write_json(&self.run_folder(strategy_folder, video).join(RESULT_FILE), result)
    }

    /// Deletes the files of a run that is about to be repeated: its result, its trace, and unfinished
    /// files of a killed process.
    ///
    /// # Errors
    /// [`JournalError::Write`].
    pub fn forget_run(&self, strategy_folder: &str, video: &str) -> Result<(), RunError> {
        let folder = self.run_folder(strategy_folder, video);
        let failed = |source| JournalError::Write { path: folder.clone(), source };
        let entries = match fs::read_dir(&folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            entries => entries.map_err(failed)?,
        };
        for entry in entries {
            let path = entry.map_err(failed)?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if [RESULT_FILE, TRACE_FILE, CHECKPOINT_FILE].contains(&&*name) || name.starts_with(UNFINISHED) {
                fs::remove_file(&path)
                    .map_err(|source| JournalError::Write { path: path.clone(), source })?;
            }
        }
        Ok(())
    }

    /// Reads the suite's description.
    ///
    /// # Errors
    /// [`RunError::Argument`] if the folder has none.
    pub fn description(&self) -> Result<SuiteDescription, RunError> {
        let path = self.folder.join(SUITE_FILE);
        let wrong = |problem: String| RunError::Argument {
            argument: path.display().to_string(),
            problem,
            expected: "a folder that compare or eval wrote".to_owned(),
        };
        read_json(&path).map_err(wrong)
    }

    /// Whether a suite of these videos may be written here: the folder has no suite, or one of the same
    /// dataset, which may have grown or shrunk since. The results of another dataset would be lost.
    pub fn is_for<'a>(&self, videos: impl Iterator<Item = &'a Video>) -> bool {
        let Ok(there) = self.description() else { return true };
        let mut shared = 0;
        for entry in videos.map(VideoEntry::of) {
            match there.videos.iter().find(|video| video.name == entry.name) {
                Some(video) if video.source != entry.source => return false,
                found => shared += usize::from(found.is_some()),
            }
        }
        shared > 0
    }

    /// The folder of the first run whose result was made from other inputs than a suite of these strategies
    /// and videos has. That suite would do the run anew, and the result would be lost.
    pub fn first_lost<'a>(
        &self,
        variants: &[Variant],
        inputs: &[SharedInputs],
        videos: impl Iterator<Item = &'a Video> + Clone,
    ) -> Option<PathBuf> {
        let strategies = variants.iter().zip(inputs);
        let mut runs = strategies.flat_map(|strategy| videos.clone().map(move |video| (strategy, video)));
        runs.find_map(|((variant, inputs), video)| {
            let there = self.result(&variant.folder(), &video.name).filter(RunResult::is_sound)?;
            let is_lost = !there.inputs.may_be(inputs, video);
            is_lost.then(|| self.run_folder(&variant.folder(), &video.name))
        })
    }

    /// Writes the suite's description.
    ///
    /// # Errors
    /// [`JournalError::Write`].
    pub fn put_description(&self, description: &SuiteDescription) -> Result<(), RunError> {
        write_json(&self.folder.join(SUITE_FILE), description)
    }

    /// Writes a text file into the suite's folder.
    ///
    /// # Errors
    /// [`JournalError::Write`].
    pub fn put_text(&self, name: &str, text: &str) -> Result<PathBuf, RunError> {
        let path = self.folder.join(name);
        write_whole(&path, |to| to.write_all(text.as_bytes()))?;
        Ok(path)
    }
}

fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, String> {
    let bytes = fs::read(path).map_err(|error| error.to_string())?;
    serde_json::from_slice(&bytes).map_err(one_line)
}

fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<(), RunError> {
    write_whole(path, |to| Ok(serde_json::to_writer_pretty(to, value)?))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_result_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path());
        assert_eq!(store.result("drop_all", "v"), None);
        fs::create_dir_all(store.run_folder("drop_all", "v")).unwrap();
        fs::write(store.run_folder("drop_all", "v").join(RESULT_FILE), "{\"error\":").unwrap();
        assert_eq!(store.result("drop_all", "v"), None);
        fs::write(store.run_folder("drop_all", "v").join(".unfinished-aB3"), "{").unwrap();
        fs::write(store.run_folder("drop_all", "v").join(TRACE_FILE), "").unwrap();
        store.forget_run("drop_all", "v").unwrap();
        assert_eq!(fs::read_dir(store.run_folder("drop_all", "v")).unwrap().count(), 0);
        store.forget_run("drop_all", "v").unwrap();
        store.forget_run("drop_all", "never").unwrap();
        let video = |source: &str| Video {
            name: "v".to_owned(),
            source: source.into(),
            annotations: "v.json".into(),
            choice: prospect_evaluation::annotations::Choice::default(),
            states: None,
            part: None,
        };
        let (mine, others) = (video("a/v.mp4"), Video { name: "w".to_owned(), ..video("b/w.mp4") });
        assert!(store.is_for([&mine].into_iter()));
        let description = SuiteDescription {
            strategies: Vec::new(),
            videos: vec![VideoEntry::of(&mine)],
            baseline: None,
            similarity: String::new(),
        };
        store.put_description(&description).unwrap();
        assert!(store.is_for([&mine, &others].into_iter()));
        // Another video of that name, and another dataset.
        assert!(!store.is_for([&video("b/v.mp4")].into_iter()) && !store.is_for([&others].into_iter()));
        fs::remove_file(folder.path().join(SUITE_FILE)).unwrap();
        let complaint = store.description().unwrap_err().to_string();
        assert!(
            complaint.contains("suite.json") && complaint.ends_with("compare or eval wrote"),
            "{complaint}"
        );
    }
}
