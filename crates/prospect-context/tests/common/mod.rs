//! Every built-in strategy, with ordinary and with extreme parameters.

use prospect_context::catalogue::StrategyDescription;
use prospect_context::strategies::{
    AnchorFifo, BUILT_IN, DropMiddle, DropOldestFrames, Events, Hybrid, Keyframes, RecentFrames, SinkWindow,
    SummarizeAndDrop, proassist,
};
use prospect_context::{ContextStrategy, PositionPolicy};

pub(crate) fn strategies() -> Vec<Box<dyn ContextStrategy>> {
    let ordinary = |strategy: &StrategyDescription| {
        strategy.build(&strategy.example(64, 30)).expect("values that are valid")
    };
    let mut strategies: Vec<_> = BUILT_IN.iter().map(ordinary).collect();
    strategies.extend(extreme());
    strategies.extend(proassist::VARIANTS.iter().map(|variant| ordinary(&variant.strategy)));
    strategies
}

fn extreme() -> Vec<Box<dyn ContextStrategy>> {
    let positions = PositionPolicy::Rerotate;
    let recompute = PositionPolicy::Recompute;
    let prompt = "Progress? {steps_done}".to_owned();
    let summarize = |summarize_at| SummarizeAndDrop {
        prompt: prompt.clone(),
        max_summary_len: 30,
        summarize_at: Some(summarize_at),
        early_tokens_per_frame: 4,
        positions,
    };
    vec![
        Box::new(DropMiddle { last_keep_len: usize::MAX, positions: recompute }),
        Box::new(DropOldestFrames { keep_frame_len: usize::MAX, positions }),
        Box::new(Keyframes { keep_frame_len: 120, recent_frame_len: 40, positions }),
        Box::new(Keyframes { keep_frame_len: usize::MAX, recent_frame_len: 0, positions: recompute }),
        Box::new(Events { keep_frame_len: 120, recent_frame_len: 40, positions }),
        Box::new(Events { keep_frame_len: usize::MAX, recent_frame_len: 0, positions: recompute }),
        Box::new(RecentFrames { keep_frames: usize::MAX, positions: recompute }),
        Box::new(RecentFrames { keep_frames: 0, positions }),
        Box::new(AnchorFifo { anchor_frames: 0, evict_len: usize::MAX, positions }),
        Box::new(AnchorFifo { anchor_frames: 3, evict_len: 0, positions: PositionPolicy::Preserve }),
        Box::new(Hybrid { prompt: prompt.clone(), max_summary_len: 0, last_keep_len: usize::MAX, positions }),
        Box::new(SinkWindow { n_sink: 4, window: 100, positions }),
        Box::new(SinkWindow { n_sink: 0, window: 0, positions }),
        Box::new(summarize(0.0)),
        Box::new(summarize(0.8)),
    ]
}
