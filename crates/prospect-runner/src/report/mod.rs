//! The report: one self-contained HTML file that needs no network, and the tables of a comparison as
//! CSV and LaTeX.
//!
//! The page of a run ([`trace_page`]) is made from its trace alone. The page of a suite
//! ([`suite_page`]) begins with the comparison, followed by the same view for every video and strategy.
//! A run is shown as an overview of the whole stream, plots of the cache and of frame times, a list of
//! all replies, missed references and questions, what every eviction kept, and every summary in full.

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

/// File name of the page.
pub const FILE_NAME: &str = "report.html";
/// File name of a comparison as CSV.
pub const CSV_NAME: &str = "comparison.csv";
/// File name of a comparison as LaTeX.
pub const LATEX_NAME: &str = "comparison.tex";
