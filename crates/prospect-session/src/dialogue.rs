//! The dialogue state, which says how far a task has come. A strategy may ask for it.

use prospect_context::DialogueState;

use crate::options::TaskStep;

/// The step at a time in seconds. If several steps overlap, the one that started last.
pub(crate) fn step_at(steps: &[TaskStep], time: f64) -> Option<&TaskStep> {
    steps.iter().rev().find(|step| step.start <= time && time < step.end)
}

/// The steps that are done, the current step and the next step at a stream time in seconds; `None` if there
/// are no steps.
pub(crate) fn known_state(steps: &[TaskStep], time: f64) -> Option<DialogueState> {
    if steps.is_empty() {
        return None;
    }
    let done = steps.iter().filter(|step| step.end <= time);
    let next = steps.iter().find(|step| step.start > time);
    Some(DialogueState {
        steps_done: done.map(|step| step.name.clone()).collect(),
        current_step: step_at(steps, time).map(|step| step.name.clone()),
        next_step: next.map(|step| step.name.clone()),
    })
}

/// The state according to the steps that the model has named; `None` before the first one.
pub(crate) fn detected_state(steps: &[String]) -> Option<DialogueState> {
    let (current, done) = steps.split_last()?;
    Some(DialogueState { steps_done: done.to_vec(), current_step: Some(current.clone()), next_step: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps() -> [TaskStep; 3] {
        let step = |name: &str, start, end| TaskStep { name: name.into(), start, end };
        [step("wash", 0.0, 2.0), step("cut", 2.0, 5.0), step("fry", 6.0, 9.0)]
    }

    #[test]
    fn a_state_follows_the_time() {
        let at = |time| known_state(&steps(), time).unwrap();
        assert_eq!(at(0.0).steps_done.len(), 0);
        assert_eq!(at(0.0).next_step.as_deref(), Some("cut"));
        assert_eq!(at(5.5).steps_done, ["wash", "cut"]);
        assert_eq!((at(5.5).current_step, at(5.5).next_step.as_deref()), (None, Some("fry")));
        assert_eq!(at(99.0).steps_done.len(), 3);
        assert_eq!(known_state(&[], 1.0), None);
    }

    #[test]
    fn the_last_detected_step_is_under_way() {
        assert_eq!(detected_state(&[]), None);
        let state = detected_state(&["wash".into(), "cut".into()]).unwrap();
        assert_eq!(state.steps_done, ["wash"]);
        assert_eq!(state.current_step.as_deref(), Some("cut"));
    }
}
