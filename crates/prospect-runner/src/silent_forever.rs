//! Refuses runs in which the assistant could never say anything, before any weights are loaded.

use prospect_config::{Settings, SubstepSource, TalkPolicy};
use prospect_evaluation::annotations::Annotations;

use crate::error::RunError;

/// Whether anybody can speak to the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Listener {
    /// A person at a terminal, or a file with lines.
    Somebody,
    /// Nobody.
    Nobody,
}

/// Checks that something can make the assistant speak. `frames` finds the number of frames that the source
/// will deliver, if that can be known. It is called only if the answer depends on the number.
///
/// # Errors
/// [`RunError::SilentForever`], with the setting that would help.
pub(crate) fn check(
    settings: &Settings,
    annotations: Option<&Annotations>,
    listener: Listener,
    frames: impl FnOnce() -> Option<usize>,
) -> Result<(), RunError> {
    let refuse = |because: String, expected: &str| {
        Err(RunError::SilentForever { because, expected: expected.to_owned() })
    };
    let guidance = annotations.map(Annotations::guidance).unwrap_or_default();
    let stream = &settings.stream;
    match &stream.talk {
        TalkPolicy::OnRequest
            if listener == Listener::Nobody && stream.requests.is_empty() && guidance.requests.is_empty() =>
        {
            refuse(
                "stream.talk = \"on_request\", and nobody asks".to_owned(),
                "--ask-file, stream.requests, a person at the terminal, or --ask with --every or --when-changed",
            )
        }
        TalkPolicy::OnRequest if listener == Listener::Nobody => {
            let times = stream.requests.iter().map(|request| request.time);
            let times = times.chain(guidance.requests.iter().map(|request| request.time));
            let first = times.fold(f64::INFINITY, f64::min);
            let last = longest(settings, frames()).map(|length| stream.start.unwrap_or(0.0) + length);
            match last {
                Some(last) if last < first => refuse(
                    format!("the first request comes at {first} s, and the stream's last frame at {last} s"),
                    "a request (stream.requests) before the last frame",
                ),
                _ => Ok(()),
            }
        }
        TalkPolicy::OnTransition { substep_source: SubstepSource::Annotations, .. }
            if guidance.steps.is_empty() =>
        {
            refuse(
                "stream.talk = \"on_transition\" takes the steps of the task from annotations, and there are none"
                    .to_owned(),
                "annotations with substeps, or stream.on_transition.substep_source = \"model\"",
            )
        }
        TalkPolicy::Every { seconds, .. } => match longest(settings, frames()) {
            Some(length) if length < *seconds => refuse(
                format!("stream.talk = \"every\" speaks after {seconds} s, and the stream ends after {length} s"),
                "a shorter stream.every.seconds (--every) or a longer stream",
            ),
            _ => Ok(()),
        },
        _ => Ok(()),
    }
}

/// Most seconds from the first frame to the last one, if the settings or the source limit them.
fn longest(settings: &Settings, frames: Option<usize>) -> Option<f64> {
    let stream = &settings.stream;
    let seconds = |frames: usize| frames.saturating_sub(1) as f64 / stream.fps;
    let by_time = stream.end.map(|end| end - stream.start.unwrap_or(0.0));
    let limits = [stream.max_frames.map(seconds), frames.map(seconds), by_time];
    limits.into_iter().flatten().reduce(f64::min)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use prospect_config::Layers;

    use super::*;

    fn refusal(sets: &[&str], listener: Listener) -> Option<String> {
        let layers = sets.iter().try_fold(Layers::new(), |layers, set| layers.set(set)).unwrap();
        check(&layers.resolve().unwrap(), None, listener, || None).err().map(|error| error.to_string())
    }

    #[test]
    fn what_comes_after_the_end_of_the_source_is_refused() {
        let refusal = |sets: &[&str], frames| {
            let layers = sets.iter().try_fold(Layers::new(), |layers, set| layers.set(set)).unwrap();
            let checked = check(&layers.resolve().unwrap(), None, Listener::Nobody, || Some(frames));
            checked.err().map(|error| error.to_string())
        };
        let every = ["stream.talk=every", "stream.every.seconds=30"];
        assert!(refusal(&every, 24).unwrap().contains("ends after 11.5 s"));
        assert_eq!(refusal(&every, 61), None);
        let asks =
            r#"stream.requests=[{ time = 20.0, text = "What now?" }, { time = 13.0, text = "And now?" }]"#;
        let message = refusal(&["stream.talk=on_request", asks], 24).unwrap();
        assert!(message.contains("13 s") && message.contains("11.5 s"), "{message}");
        assert_eq!(refusal(&["stream.talk=on_request", asks, "stream.start=2"], 24), None);
    }

    #[test]
    fn what_could_never_speak_is_refused_with_what_would_help() {
        use Listener::{Nobody, Somebody};
        let refused = |sets: &[&str], help: &str| {
            let message = refusal(sets, Nobody).unwrap();
            assert!(message.contains(help) && !message.contains('\n'), "{message}");
        };
        refused(&["stream.talk=on_request"], "--ask-file");
        refused(&["stream.talk=on_transition"], "substep_source");
        let short = ["stream.talk=every", "stream.every.seconds=10", "stream.max_frames=20"];
        refused(&short, "9.5 s");
        refused(&["stream.talk=every", "stream.every.seconds=10", "stream.end=9"], "--every");
        assert_eq!(refusal(&["stream.talk=on_request"], Somebody), None);
        let asks = r#"stream.requests=[{ time = 3.0, text = "What now?" }]"#;
        assert_eq!(refusal(&["stream.talk=on_request", asks], Nobody), None);
        let names = ["stream.talk=on_transition", "stream.on_transition.substep_source=model"];
        assert_eq!(refusal(&names, Nobody), None);
        for talk in ["proactive", "on_change"] {
            assert_eq!(refusal(&[&format!("stream.talk={talk}")], Nobody), None);
        }
        let long = ["stream.talk=every", "stream.every.seconds=10", "stream.max_frames=21"];
        assert_eq!(refusal(&long, Nobody), None);
    }
}
