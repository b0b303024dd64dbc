//! Pictures of what strategies keep, as docs/strategies.md shows them.
//!
//! ```
//! use prospect_context::PositionPolicy;
//! use prospect_context::picture;
//! use prospect_context::strategies::DropMiddle;
//!
//! let strategy = DropMiddle { last_keep_len: 100, positions: PositionPolicy::Rerotate };
//! let svg = picture::example("my_strategy", &strategy)?;
//! assert!(svg.starts_with("<svg") && svg.contains("what my_strategy keeps"));
//! # Ok::<(), prospect_context::PlanError>(())
//! ```

mod example;

use std::fmt::Write;

use crate::plan::{EvictionPlan, Piece};
use crate::segment::{Segment, SegmentKind};
use crate::view::CacheView;

pub use example::{EXAMPLE_BUDGET, example};

const WIDTH: usize = 720;
const BAR: usize = 30;
const BEFORE: usize = 22;
const AFTER: usize = 92;
const HEIGHT: usize = 128;

/// The plan as an SVG of 720 by 128 units, which follows the reader's choice of a light or a dark page: the segments of `view` above, pale
/// where they go; what the plan leaves below, each kept range linked to where it stood; what is put back with a dashed border.
pub fn svg(name: &str, plan: &EvictionPlan, view: &CacheView<'_>) -> String {
    let slots = view.budget.max_seq_len.max(view.cache_tokens()).max(1);
    let scale = (WIDTH - 2) as f64 / slots as f64;
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
        view.budget.max_seq_len
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
