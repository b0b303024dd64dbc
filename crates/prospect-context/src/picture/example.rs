//! The stream that the pictures of docs/strategies.md show.

use super::svg;
use crate::budget::Budget;
use crate::ledger::Ledger;
use crate::plan::PlanError;
use crate::segment::{Role, SegmentKind};
use crate::strategy::ContextStrategy;
use crate::view::{CacheView, DialogueState, EarlySummary, Opening, Signals, TokenCounter};

/// The budget of the example, in tokens. A strategy that keeps about 100 tokens, or a summary of 30, shows best.
pub const EXAMPLE_BUDGET: Budget =
    Budget { max_seq_len: 360, reserved_seq_len: 20, max_reply_tokens: 20, max_summary_tokens: 50 };

/// System prompt, a request, and frames in scenes of five with a reply now and then.
fn stream() -> Ledger {
    let mut ledger = Ledger::new();
    ledger.append(SegmentKind::System, 24, 0.0, true);
    ledger.append(SegmentKind::User, 12, 0.0, false);
    for frame in 0..28 {
        let time = f64::from(frame) / 2.0;
        let similarity = if frame % 5 == 0 { 0.3 } else { 0.98 };
        ledger.append_frame(8, time, false, (frame > 0).then_some(similarity));
        match frame % 7 {
            3 => ledger.append(SegmentKind::Assistant, 14, time, false),
            _ => ledger.extend_last(1),
        }
    }
    ledger
}

struct FourLettersAToken;

impl TokenCounter for FourLettersAToken {
    fn message_tokens(&self, _: Role, text: &str) -> usize {
        text.len().div_ceil(4) + 2
    }
}

/// What the strategy keeps of a short stream that has just overflowed: a system prompt, a request, 28 frames in scenes of five, four replies.
/// A strategy that asks for an early summary finds one, begun at four fifths of the budget. `name` is the picture's title.
///
/// # Errors
/// [`PlanError`] where the strategy has no lawful plan for this stream.
pub fn example(name: &str, strategy: &dyn ContextStrategy) -> Result<String, PlanError> {
    let (ledger, state) = (stream(), DialogueState::default());
    let mut view = CacheView {
        segments: ledger.segments(),
        budget: EXAMPLE_BUDGET,
        incoming: 9,
        pending: 1,
        time: 14.0,
        opening: Opening { system_prompt: &"watch and help. ".repeat(5), task_knowledge: None },
        initial_tokens: None,
        dialogue_state: Some(&state),
        token_counter: &FourLettersAToken,
        signals: Signals::default().with_frame_similarity(ledger.frame_similarity()),
        early_summary: None,
    };
    if strategy.early_summary(&view).is_some() {
        // Begun between two segments.
        let begun = ledger.segments().iter().find(|segment| segment.range.start * 5 >= ledger.tokens() * 4);
        let covers = begun.map_or(0, |segment| segment.range.start);
        let text = "Done: the cup, the milk. Next: the tea. The water is hot.";
        view.early_summary = Some(EarlySummary { text, covers });
    }
    Ok(svg(name, &strategy.plan(&view)?, &view))
}
