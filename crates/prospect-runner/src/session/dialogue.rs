//! Where the task stands: the dialogue state that a strategy may ask for.

use prospect_context::DialogueState;

use crate::annotations::Annotations;

/// Steps done, under way and next at a stream time in seconds; `None` without annotated substeps.
pub(super) fn annotated_state(annotations: &Annotations, time: f64) -> Option<DialogueState> {
    let substeps = &annotations.substeps;
    if substeps.is_empty() {
        return None;
    }
    let done = substeps.iter().filter(|substep| substep.end <= time);
    let next = substeps.iter().find(|substep| substep.start > time);
    Some(DialogueState {
        steps_done: done.map(|substep| substep.name.clone()).collect(),
        current_step: annotations.substep(time).map(|substep| substep.name.clone()),
        next_step: next.map(|substep| substep.name.clone()),
    })
}

/// The state as far as the model itself named its steps; `None` before the first one.
pub(super) fn detected_state(steps: &[String]) -> Option<DialogueState> {
    let (current, done) = steps.split_last()?;
    Some(DialogueState { steps_done: done.to_vec(), current_step: Some(current.clone()), next_step: None })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::annotations::Substep;

    fn annotations() -> Annotations {
        let substep = |name: &str, start, end| Substep { name: name.into(), start, end };
        Annotations {
            substeps: vec![substep("wash", 0.0, 2.0), substep("cut", 2.0, 5.0), substep("fry", 6.0, 9.0)],
            ..Annotations::default()
        }
    }

    #[test]
    fn a_state_follows_the_time() {
        let at = |time| annotated_state(&annotations(), time).unwrap();
        assert_eq!(at(0.0).steps_done.len(), 0);
        assert_eq!(at(0.0).next_step.as_deref(), Some("cut"));
        assert_eq!(at(5.5).steps_done, ["wash", "cut"]);
        assert_eq!((at(5.5).current_step, at(5.5).next_step.as_deref()), (None, Some("fry")));
        assert_eq!(at(99.0).steps_done.len(), 3);
        assert_eq!(annotated_state(&Annotations::default(), 1.0), None);
    }

    #[test]
    fn the_last_detected_step_is_under_way() {
        assert_eq!(detected_state(&[]), None);
        let state = detected_state(&["wash".into(), "cut".into()]).unwrap();
        assert_eq!(state.steps_done, ["wash"]);
        assert_eq!(state.current_step.as_deref(), Some("cut"));
    }
}
