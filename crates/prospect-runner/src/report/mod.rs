//! The report: one HTML file with everything in it, for a browser without network, and the tables of a comparison as CSV and LaTeX.
//!
//! The page of a run ([`trace_page`]) is made from its trace alone; the page of a suite ([`suite_page`]) has the comparison at the top
//! and, per video and strategy, the same as a run's. A run is shown as an overview of its whole stream, plots of how the cache filled
//! and how long the frames took, everything that was said, should have been said and was asked, what every eviction kept, and every
//! summary in full.

mod clock;
mod command;
mod comparison;
pub(crate) mod cost;
mod csv;
mod facts;
pub(crate) mod figure;
mod latex;
#[cfg(test)]
mod made_up;
mod memory;
mod page;
mod player;
mod plots;
mod rows;
mod run_view;
mod single;
mod stream;
mod suite;
mod thumbnails;
mod timeline;

pub use csv::csv;
pub use latex::latex;
pub use single::{RunToShow, trace_page};
pub use suite::suite_page;
pub use thumbnails::TakenPictures;

/// What the page is called.
pub const FILE_NAME: &str = "report.html";
/// What the table of a comparison is called as CSV.
pub const CSV_NAME: &str = "comparison.csv";
/// What the table of a comparison is called as LaTeX.
pub const LATEX_NAME: &str = "comparison.tex";
