//! How much of the stream the cache of a run held, by its trace.

use prospect_config::{Layers, Settings};
use prospect_context::{Budget, SegmentKind};
use prospect_session::Event;

use super::facts::config_of;
use crate::memory_span::MemorySpan;
use crate::strategies::Registry;
use crate::stream_costs::{SilentStream, silence_tokens};

/// What the run said when it began; `None` where the trace does not tell, as of a strategy that this program does not have.
pub(super) fn memory(events: &[Event]) -> Option<String> {
    let config = toml::Table::try_from(config_of(events.first()?)?).ok()?;
    let settings = Layers::new().file_text("trace".as_ref(), &config.to_string()).ok()?.resolve().ok()?;
    let rule = Registry::default().overflow_rule(&settings.context).ok()?;
    Some(MemorySpan::of(&stream(events, &settings)?, &rule).ok()?.to_string())
}

/// The stream without its words.
fn stream(events: &[Event], settings: &Settings) -> Option<SilentStream> {
    let (budget, user_turn) = events.iter().find_map(|event| match *event {
        Event::Budget { max_seq_len, reserved_seq_len, max_reply_tokens, max_summary_tokens, user_turn } => {
            Some((Budget { max_seq_len, reserved_seq_len, max_reply_tokens, max_summary_tokens }, user_turn))
        }
        _ => None,
    })?;
    let first = events.iter().find_map(|event| match event {
        Event::Frame { segments, .. } => Some(segments),
        _ => None,
    })?;
    let of_kind = |kind| first.iter().filter(move |segment| segment.kind == kind && !segment.continues);
    let frame = of_kind(SegmentKind::Frame).next_back()?.tokens;
    Some(SilentStream {
        budget,
        user_turn,
        opening_tokens: of_kind(SegmentKind::System).map(|segment| segment.tokens).sum(),
        frame_tokens: frame + silence_tokens(settings),
        fps: settings.stream.fps,
    })
}
