//! Draws what every strategy keeps of one stream, for docs/strategies.md:
//! `cargo run -p prospect-context --example pictures -- docs/strategies`.

use std::fmt::Write;
use std::path::Path;

use prospect_context::catalogue::{ParameterError, ParameterRole, ParameterValues, StrategyDescription};
use prospect_context::strategies::{BUILT_IN, SummarizeAndDrop};
use prospect_context::{
    Budget, CacheView, ContextStrategy, DialogueState, EarlySummary, EvictionPlan, Ledger, Opening, Piece,
    PlanError, Role, Segment, SegmentKind, Signals, TokenCounter,
};

const WIDTH: usize = 720;
const BAR: usize = 30;
const BEFORE: usize = 22;
const AFTER: usize = 92;
const HEIGHT: usize = 128;
const BUDGET: Budget =
    Budget { max_seq_len: 360, reserved_seq_len: 20, max_reply_tokens: 20, max_summary_tokens: 50 };

/// The file of a picture, and the strategy that it shows.
type Shown = (&'static str, Box<dyn ContextStrategy>);

/// Every built-in strategy, and a summary that was begun early.
fn strategies() -> Result<Vec<Shown>, ParameterError> {
    let mut strategies = Vec::new();
    for strategy in BUILT_IN {
        strategies.push((strategy.name, strategy.build(&values(strategy))?));
    }
    let early = SummarizeAndDrop::DESCRIPTION;
    strategies.push(("summarize_early", early.build(&values(&early).with("summarize_at", 0.8))?));
    Ok(strategies)
}

/// Values that fit the small budget. Frames that stay take less of it than other segments do, for what was said stays beside them.
fn values(strategy: &StrategyDescription) -> ParameterValues {
    let summarizes = strategy.parameters_as(ParameterRole::SummaryLength).next().is_some();
    let keeps_frames = strategy.parameter("keep_frame_len").is_some();
    let kept = match (summarizes, keeps_frames) {
        (true, _) => 80,
        (false, true) => 64,
        (false, false) => 100,
    };
    strategy.example(kept, 30)
}

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

fn picture(name: &str, strategy: &dyn ContextStrategy) -> Result<String, PlanError> {
    let (ledger, state) = (stream(), DialogueState::default());
    // Begun at four fifths of the budget, between two segments.
    let early = ledger.segments().iter().find(|segment| segment.range.start * 5 >= ledger.tokens() * 4);
    let covers = early.map_or(0, |segment| segment.range.start);
    let early = EarlySummary { text: "Done: the cup, the milk. Next: the tea. The water is hot.", covers };
    let view = CacheView {
        segments: ledger.segments(),
        budget: BUDGET,
        incoming: 9,
        pending: 1,
        time: 14.0,
        opening: Opening { system_prompt: &"watch and help. ".repeat(5), task_knowledge: None },
        initial_tokens: None,
        dialogue_state: Some(&state),
        token_counter: &FourLettersAToken,
        signals: Signals::default().with_frame_similarity(ledger.frame_similarity()),
        early_summary: (name == "summarize_early").then_some(early),
    };
    Ok(draw(name, &strategy.plan(&view)?, &view))
}

fn draw(name: &str, plan: &EvictionPlan, view: &CacheView<'_>) -> String {
    let scale = (WIDTH - 2) as f64 / BUDGET.max_seq_len as f64;
    let at = |tokens: usize| 1.0 + tokens as f64 * scale;
    let is_kept = |segment: &Segment| plan.kept().any(|range| range.contains(&segment.range.start));
    let mut svg = head(name);
    for segment in view.segments {
        let class = if is_kept(segment) { "" } else { " gone" };
        block(
            &mut svg,
            &format!("{}{class}", segment.kind),
            at(segment.range.start),
            at(segment.range.end),
            BEFORE,
        );
    }
    let mut end = 0;
    for piece in plan.pieces() {
        let start = end;
        end += EvictionPlan::cost(std::slice::from_ref(piece), view);
        match piece {
            Piece::Keep(range) => {
                link(&mut svg, [at(range.start), at(range.end), at(end), at(start)]);
                let inside = |segment: &&Segment| range.contains(&segment.range.start);
                for segment in view.segments.iter().filter(inside) {
                    let offset = |slot: usize| at(start + slot - range.start);
                    let (left, right) = (offset(segment.range.start), offset(segment.range.end));
                    block(&mut svg, segment.kind.as_str(), left, right, AFTER);
                }
            }
            Piece::Text { role, .. } => {
                block(&mut svg, &format!("{} new", SegmentKind::from(*role)), at(start), at(end), AFTER);
            }
            Piece::Summary(_) => block(&mut svg, "summary new", at(start), at(end), AFTER),
            Piece::PendingReply => {}
        }
    }
    let _ = writeln!(
        svg,
        "<text x=\"1\" y=\"14\">before: {} of {} tokens</text>",
        view.cache_tokens(),
        BUDGET.max_seq_len
    );
    let _ = writeln!(svg, "<text x=\"1\" y=\"84\">after: {end}</text>\n</svg>");
    svg
}

fn head(name: &str) -> String {
    let style = "text{font:12px system-ui,sans-serif;fill:#57606a}rect{stroke:#8b949e;stroke-width:.6}\
        .system{fill:#8250df}.user{fill:#bf8700}.frame{fill:#54aeff}.assistant{fill:#2da44e}.summary{fill:#cf222e}\
        .gone{opacity:.22}.new{stroke:#57606a;stroke-width:2;stroke-dasharray:3 2}.link{fill:#8b949e;opacity:.18}\
        @media(prefers-color-scheme:dark){text{fill:#adbac7}.new{stroke:#e6edf3}}";
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"what {name} keeps\">\n<style>{style}</style>\n"
    )
}

fn block(svg: &mut String, class: &str, left: f64, right: f64, top: usize) {
    let width = right - left;
    let _ = writeln!(
        svg,
        "<rect class=\"{class}\" x=\"{left:.1}\" y=\"{top}\" width=\"{width:.1}\" height=\"{BAR}\"/>"
    );
}

/// From where a range stood to where it stands.
fn link(svg: &mut String, [a, b, c, d]: [f64; 4]) {
    let (top, bottom) = (BEFORE + BAR, AFTER);
    let _ = writeln!(svg, "<path class=\"link\" d=\"M{a:.1} {top}H{b:.1}L{c:.1} {bottom}H{d:.1}z\"/>");
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).ok_or("expected a folder")?;
    for (name, strategy) in strategies()? {
        std::fs::write(Path::new(&folder).join(format!("{name}.svg")), picture(name, strategy.as_ref())?)?;
    }
    Ok(())
}

#[test]
fn the_committed_pictures_are_those_of_the_strategies() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/strategies");
    if !folder.exists() {
        // The crate alone, outside its repository.
        return;
    }
    for (name, strategy) in strategies().expect("valid values") {
        let drawn = picture(name, strategy.as_ref()).expect("every strategy has a plan for this stream");
        let committed = std::fs::read_to_string(folder.join(format!("{name}.svg"))).unwrap_or_default();
        assert!(drawn == committed, "docs/strategies/{name}.svg: draw it anew (see the top of this file)");
    }
}
