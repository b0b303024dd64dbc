//! A part of a suite, for one of several machines.

use std::str::FromStr;

use crate::error::RunError;

/// Shard `index` of `count`: every `count`-th run, beginning with run `index`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    index: usize,
    count: usize,
}

impl Shard {
    /// The whole suite.
    pub const WHOLE: Self = Self { index: 0, count: 1 };

    /// Whether this shard does run number `run`.
    pub fn has(self, run: usize) -> bool {
        run % self.count == self.index
    }

    /// The shard that a job scheduler gave this process, by its variables: Slurm's `SLURM_ARRAY_TASK_ID` with
    /// `SLURM_ARRAY_TASK_COUNT` (and `_MIN`, `_STEP`), or Kubernetes' `JOB_COMPLETION_INDEX` with `JOB_COMPLETIONS`, which
    /// the job has to pass on itself. `None` without an index.
    ///
    /// # Errors
    /// An index without a count, or one that does not go with it: a process that took this for the whole suite would do
    /// what all others do.
    pub fn from_scheduler(variable: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, RunError> {
        let families = [
            (
                "SLURM_ARRAY_TASK_ID",
                "SLURM_ARRAY_TASK_COUNT",
                "SLURM_ARRAY_TASK_MIN",
                "SLURM_ARRAY_TASK_STEP",
            ),
            ("JOB_COMPLETION_INDEX", "JOB_COMPLETIONS", "", ""),
        ];
        for (index_name, count_name, first_name, step_name) in families {
            let Some(index) = variable(index_name) else { continue };
            let count = variable(count_name).unwrap_or_default();
            let or = |name: &str, default: usize| match variable(name) {
                Some(text) => text.parse::<usize>().ok(),
                None => Some(default),
            };
            let shard = || {
                let (first, step) = (or(first_name, 0)?, or(step_name, 1)?);
                let index = index.parse::<usize>().ok()?.checked_sub(first)?.checked_div(step)?;
                Self::new(index, count.parse().ok()?)
            };
            return shard().map(Some).ok_or_else(|| RunError::Argument {
                argument: format!("{index_name}={index}, {count_name}={count}"),
                problem: "no shard".to_owned(),
                expected: "an index below the count, or --shard INDEX/COUNT".to_owned(),
            });
        }
        Ok(None)
    }

    fn new(index: usize, count: usize) -> Option<Self> {
        (index < count).then_some(Self { index, count })
    }
}

impl std::fmt::Display for Shard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("expected INDEX/COUNT with INDEX from 0 to COUNT - 1, got {text:?}");
        let (index, count) = text.split_once('/').ok_or_else(wrong)?;
        let (index, count) = (index.parse().map_err(|_| wrong())?, count.parse().map_err(|_| wrong())?);
        Self::new(index, count).ok_or_else(wrong)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_share_the_runs_out() {
        let shards: Vec<Shard> = (0..3).map(|index| format!("{index}/3").parse().unwrap()).collect();
        for run in 0..10 {
            assert_eq!(shards.iter().filter(|shard| shard.has(run)).count(), 1);
            assert!(Shard::WHOLE.has(run));
        }
        for wrong in ["3/3", "1", "a/2", "0/0", "-1/2", ""] {
            assert!(wrong.parse::<Shard>().unwrap_err().contains("expected INDEX/COUNT"));
        }
    }

    #[test]
    fn a_scheduler_names_the_shard() {
        let from = |variables: &'static [(&str, &str)]| {
            Shard::from_scheduler(move |name| {
                variables.iter().find(|pair| pair.0 == name).map(|pair| pair.1.to_owned())
            })
        };
        let slurm = from(&[
            ("SLURM_ARRAY_TASK_ID", "3"),
            ("SLURM_ARRAY_TASK_COUNT", "4"),
            ("SLURM_ARRAY_TASK_MIN", "1"),
        ]);
        assert_eq!(slurm.unwrap().unwrap().to_string(), "2/4");
        let kubernetes = from(&[("JOB_COMPLETION_INDEX", "0"), ("JOB_COMPLETIONS", "2")]);
        assert_eq!(kubernetes.unwrap().unwrap().to_string(), "0/2");
        assert_eq!(from(&[]).unwrap(), None);
        let stepped = from(&[
            ("SLURM_ARRAY_TASK_ID", "30"),
            ("SLURM_ARRAY_TASK_COUNT", "4"),
            ("SLURM_ARRAY_TASK_MIN", "0"),
            ("SLURM_ARRAY_TASK_STEP", "10"),
        ]);
        assert_eq!(stepped.unwrap().unwrap().to_string(), "3/4");
        let alone = from(&[("JOB_COMPLETION_INDEX", "0")]).unwrap_err().to_string();
        assert!(alone.contains("JOB_COMPLETIONS=") && alone.contains("or --shard"), "{alone}");
        let wrong = from(&[("SLURM_ARRAY_TASK_ID", "4"), ("SLURM_ARRAY_TASK_COUNT", "4")]).unwrap_err();
        assert!(wrong.to_string().contains("SLURM_ARRAY_TASK_ID=4"), "{wrong}");
    }
}
