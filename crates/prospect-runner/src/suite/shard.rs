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

    /// Whether run number `run` belongs to this shard.
    pub fn has(self, run: usize) -> bool {
        run % self.count == self.index
    }

    /// The shard that a job scheduler assigned to this process, with the variables that say so: Slurm's
    /// `SLURM_ARRAY_TASK_ID` with `_COUNT`, `_MIN`, `_MAX` and `_STEP`, or Kubernetes'
    /// `JOB_COMPLETION_INDEX` with `JOB_COMPLETIONS`, which the job must pass on itself. `None` without
    /// an index.
    ///
    /// # Errors
    /// There is an index without a count, or the two do not match. Such a process must not do the whole
    /// suite, because all other tasks would do so too. An array with gaps is refused as well: Slurm
    /// reports a single step for it, so that two tasks could get the same shard and another shard none.
    pub fn from_scheduler(
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Option<(Self, String)>, RunError> {
        if let Some(task) = variable("SLURM_ARRAY_TASK_ID") {
            let names = ["COUNT", "MIN", "MAX", "STEP"].map(|name| format!("SLURM_ARRAY_TASK_{name}"));
            let said = |name: &String| format!("{name}={}", variable(name).unwrap_or_default());
            let said = format!("SLURM_ARRAY_TASK_ID={task}, {}", names.each_ref().map(said).join(", "));
            let number = |name: &String| variable(name).and_then(|text| text.parse::<usize>().ok());
            let shard = task.parse().ok().zip(all(names.each_ref().map(number)));
            return match shard.and_then(|(task, [count, least, most, step])| {
                Self::of_array(task, count, (least, most, step))
            }) {
                Some(shard) => Ok(Some((shard, said))),
                None => Err(no_shard(
                    said,
                    "an array without gaps (MAX - MIN = (COUNT - 1) * STEP), or --shard INDEX/COUNT",
                )),
            };
        }
        let Some(index) = variable("JOB_COMPLETION_INDEX") else { return Ok(None) };
        let count = variable("JOB_COMPLETIONS").unwrap_or_default();
        let said = format!("JOB_COMPLETION_INDEX={index}, JOB_COMPLETIONS={count}");
        let shard = index.parse().ok().zip(count.parse().ok());
        match shard.and_then(|(index, count)| Self::new(index, count)) {
            Some(shard) => Ok(Some((shard, said))),
            None => Err(no_shard(said, "an index below the count, or --shard INDEX/COUNT")),
        }
    }

    /// The shard of task `task` in an array of `count` tasks from `least` to `most`, `step` apart.
    fn of_array(task: usize, count: usize, (least, most, step): (usize, usize, usize)) -> Option<Self> {
        let (reach, behind) = (most.checked_sub(least)?, task.checked_sub(least)?);
        if step == 0 || task > most || reach != count.checked_sub(1)?.checked_mul(step)? || behind % step != 0
        {
            return None;
        }
        Self::new(behind / step, count)
    }

    fn new(index: usize, count: usize) -> Option<Self> {
        (index < count).then_some(Self { index, count })
    }
}

/// All numbers, if none is missing.
fn all<const N: usize>(numbers: [Option<usize>; N]) -> Option<[usize; N]> {
    let found: Vec<usize> = numbers.into_iter().flatten().collect();
    found.try_into().ok()
}

fn no_shard(said: String, expected: &str) -> RunError {
    RunError::Argument { argument: said, problem: "no shard".to_owned(), expected: expected.to_owned() }
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

    /// The shards of an array, as Slurm describes it to its tasks.
    fn slurm(tasks: &[usize], step: usize) -> Vec<Result<String, String>> {
        let (least, most) = (tasks[0], tasks[tasks.len() - 1]);
        let shard = |task: &usize| {
            let variables =
                [("ID", *task), ("COUNT", tasks.len()), ("MIN", least), ("MAX", most), ("STEP", step)];
            let variables =
                variables.map(|(name, value)| (format!("SLURM_ARRAY_TASK_{name}"), value.to_string()));
            let found = Shard::from_scheduler(|name| {
                variables.iter().find(|variable| variable.0 == name).map(|variable| variable.1.clone())
            });
            found.map(|found| found.unwrap().0.to_string()).map_err(|error| error.to_string())
        };
        tasks.iter().map(shard).collect()
    }

    #[test]
    fn an_array_without_gaps_is_shared_out() {
        let shards = |of: usize| (0..of).map(|index| Ok(format!("{index}/{of}"))).collect::<Vec<_>>();
        assert_eq!(slurm(&[1, 2, 3, 4], 1), shards(4));
        assert_eq!(slurm(&[0, 10, 20, 30], 10), shards(4));
        assert_eq!(slurm(&[1, 2, 3, 4, 5, 6], 1), shards(6));
        assert_eq!(slurm(&[7], 1), shards(1));
    }

    #[test]
    fn every_task_of_an_array_with_gaps_refuses() {
        // `--array=0-2,4-8:2`, `1-3,7` and `3,5,9`; of the last Slurm says that its step is 1.
        for (tasks, step) in [
            (&[0, 1, 2, 4, 6, 8][..], 1),
            (&[0, 1, 2, 4, 6, 8], 2),
            (&[1, 2, 3, 7], 1),
            (&[3, 5, 9], 1),
            (&[3, 5, 9], 2),
        ] {
            for shard in slurm(tasks, step) {
                let refused = shard.unwrap_err();
                assert!(
                    refused.contains("SLURM_ARRAY_TASK_MAX=") && refused.contains("without gaps"),
                    "{refused}"
                );
            }
        }
    }

    #[test]
    fn other_schedulers_and_missing_variables() {
        let from = |variables: &'static [(&str, &str)]| {
            Shard::from_scheduler(move |name| {
                variables.iter().find(|pair| pair.0 == name).map(|pair| pair.1.to_owned())
            })
        };
        let (shard, said) =
            from(&[("JOB_COMPLETION_INDEX", "0"), ("JOB_COMPLETIONS", "2")]).unwrap().unwrap();
        assert_eq!(
            (shard.to_string().as_str(), said.as_str()),
            ("0/2", "JOB_COMPLETION_INDEX=0, JOB_COMPLETIONS=2")
        );
        assert_eq!(from(&[]).unwrap(), None);
        let alone = from(&[("JOB_COMPLETION_INDEX", "0")]).unwrap_err().to_string();
        assert!(alone.contains("JOB_COMPLETIONS=") && alone.contains("or --shard"), "{alone}");
        let wrong = from(&[("SLURM_ARRAY_TASK_ID", "3"), ("SLURM_ARRAY_TASK_COUNT", "4")]).unwrap_err();
        assert!(wrong.to_string().contains("SLURM_ARRAY_TASK_ID=3"), "{wrong}");
    }

    proptest::proptest! {
        /// No two tasks do one shard; and where not every shard is done, a task fails, so that somebody knows.
        #[test]
        fn no_shard_is_done_twice(tasks in proptest::collection::btree_set(0_usize..30, 1..8), step in 0_usize..5) {
            let tasks: Vec<usize> = tasks.into_iter().collect();
            let shards = slurm(&tasks, step);
            let mut done: Vec<&String> = shards.iter().flatten().collect();
            done.sort();
            done.dedup();
            proptest::prop_assert_eq!(done.len(), shards.iter().flatten().count());
            proptest::prop_assert!(done.len() == tasks.len() || shards.iter().any(Result::is_err));
        }
    }
}
