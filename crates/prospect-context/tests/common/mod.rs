//! Every built-in strategy, with ordinary and with extreme parameters.

use prospect_context::strategies::{
    DropAll, DropMiddle, DropOldestFrames, Hybrid, Keyframes, SinkWindow, SummarizeAndDrop, SummarizeWithDst,
    proassist,
};
use prospect_context::{ContextStrategy, PositionPolicy};

pub(crate) fn strategies() -> Vec<Box<dyn ContextStrategy>> {
    let positions = PositionPolicy::Rerotate;
    let recompute = PositionPolicy::Recompute;
    let prompt = "Progress? {steps_done}".to_owned();
    let summarize = |summarize_at| SummarizeAndDrop {
        prompt: prompt.clone(),
        max_summary_len: 30,
        summarize_at,
        early_tokens_per_frame: 4,
        positions,
    };
    vec![
        Box::new(DropAll),
        Box::new(DropMiddle { last_keep_len: 64, positions }),
        Box::new(DropMiddle { last_keep_len: usize::MAX, positions: recompute }),
        Box::new(DropOldestFrames { keep_frame_len: 60, positions }),
        Box::new(DropOldestFrames { keep_frame_len: usize::MAX, positions }),
        Box::new(Keyframes { keep_frame_len: 120, recent_frame_len: 40, positions }),
        Box::new(Keyframes { keep_frame_len: usize::MAX, recent_frame_len: 0, positions: recompute }),
        Box::new(Hybrid { prompt: prompt.clone(), max_summary_len: 30, last_keep_len: 64, positions }),
        Box::new(Hybrid { prompt: prompt.clone(), max_summary_len: 0, last_keep_len: usize::MAX, positions }),
        Box::new(SinkWindow { n_sink: 4, window: 100, positions }),
        Box::new(SinkWindow { n_sink: 0, window: 0, positions }),
        Box::new(summarize(None)),
        Box::new(summarize(Some(0.0))),
        Box::new(summarize(Some(0.8))),
        Box::new(SummarizeWithDst { prompt: prompt.clone(), max_summary_len: 30, max_state_len: 20 }),
        Box::new(proassist::DropAll),
        Box::new(proassist::DropMiddle { last_keep_len: 64 }),
        Box::new(proassist::SummarizeAndDrop { prompt, max_summary_len: 30 }),
    ]
}
