//! A strategy of your own in your own binary:
//! `cargo run --example custom_strategy -- run --strategy every_other_frame`.

use prospect_context::strategies::DropOldestFrames;
use prospect_context::{
    CacheView, ContextStrategy, EvictionPlan, Piece, PlanError, PositionPolicy, SegmentKind,
};
use prospect_runner::cli::Cli;

/// Keeps only some of the frames, so that the cache reaches further back. All texts are kept.
struct EveryOtherFrame {
    /// One of this many frames is kept.
    keep_one_of: usize,
}

impl ContextStrategy for EveryOtherFrame {
    fn name(&self) -> &str {
        "every_other_frame"
    }

    fn plan(&self, view: &CacheView<'_>) -> Result<EvictionPlan, PlanError> {
        let mut frames = 0;
        let mut pieces = Vec::new();
        for segment in view.segments {
            frames += usize::from(segment.kind == SegmentKind::Frame);
            if segment.pinned || segment.kind != SegmentKind::Frame || frames % self.keep_one_of == 0 {
                pieces.push(Piece::Keep(segment.range.clone()));
            }
        }
        pieces.push(Piece::PendingReply);
        // If thinning frees too little, the oldest frames are dropped instead.
        let positions = PositionPolicy::Rerotate;
        let fallback = DropOldestFrames { keep_frame_len: view.cache_tokens() / 2, positions };
        EvictionPlan::new(pieces, positions, view).or_else(|_| fallback.plan(view))
    }
}

fn main() -> std::process::ExitCode {
    let build = |parameters: &prospect_runner::strategies::Parameters<'_>| {
        let keep_one_of = parameters.count("keep_one_of", 2)?.max(1);
        Ok(Box::new(EveryOtherFrame { keep_one_of }) as Box<dyn ContextStrategy>)
    };
    Cli::new().with_strategy("every_other_frame", build).main()
}

#[test]
fn it_keeps_the_laws() {
    let lawful = prospect_context::laws::check_strategy(&EveryOtherFrame { keep_one_of: 2 }, 10_000);
    assert!(lawful.is_ok_and(|plans| plans > 1_000));
}
