//! The report: one HTML file with everything in it, for a browser without network.
//!
//! A suite's page has the comparison at the top and, per video and strategy, what was said and should have been said, how the
//! cache filled, what every eviction kept, every summary in full, and how long the frames took.

mod comparison;
mod page;
mod plots;
mod run_view;
mod stream;
mod thumbnails;
mod timeline;

pub use page::suite_page;

/// What the file is called.
pub const FILE_NAME: &str = "report.html";

/// `m:ss.s`, or `h:mm:ss` from an hour on.
fn clock(seconds: f64) -> String {
    let tenths = (seconds.max(0.0) * 10.0).round() as u64;
    let (hours, minutes, rest) = (tenths / 36_000, tenths / 600 % 60, tenths % 600);
    match hours {
        0 => format!("{minutes}:{:02}.{}", rest / 10, rest % 10),
        _ => format!("{hours}:{minutes:02}:{:02}", rest / 10),
    }
}
