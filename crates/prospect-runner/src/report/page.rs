//! The whole page, from its template. It is one file that needs no network, and its policy lets nothing in but its own style, its own
//! script, the pictures that are in it and the video beside it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, Value};
use minijinja::{Environment, context};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::comparison::Comparison;
use super::facts::Facts;
use super::player::Player;
use super::run_view::RunView;
use super::thumbnails::Thumbnails;
use crate::error::RunError;
use crate::version::VERSION;

/// Macros come ahead of the page that calls them.
const TEMPLATE: &str = concat!(
    include_str!("page/drawing.html"),
    include_str!("page/run.html"),
    include_str!("page/comparison.html"),
    include_str!("page/page.html"),
);
const STYLE: &str = include_str!("page/page.css");
const SCRIPT: &str = include_str!("page/page.js");

/// Everything that the template shows.
#[derive(Debug, Serialize)]
pub(super) struct Page {
    /// Of the window.
    pub(super) title: String,
    /// At the top.
    pub(super) heading: String,
    pub(super) facts: Facts,
    /// Of a suite.
    pub(super) comparison: Option<Comparison>,
    pub(super) videos: Vec<VideoView>,
    /// The run that is unfolded from the start.
    pub(super) open_run: Option<String>,
}

/// Everything that the template shows of a video.
#[derive(Debug, Serialize)]
pub(super) struct VideoView {
    pub(super) name: String,
    pub(super) source: String,
    pub(super) player: Option<Player>,
    /// Pictures by frame, defined once and shown by every strategy.
    pub(super) thumbnails: Thumbnails,
    pub(super) runs: Vec<RunView>,
}

impl Page {
    /// The page as HTML. Whatever comes out of videos and models is escaped; only our own SVG goes in as it is.
    pub(super) fn render(&self) -> Result<String, RunError> {
        self.filled_in().map_err(|error| RunError::Report { problem: error.to_string() })
    }

    fn filled_in(&self) -> Result<String, minijinja::Error> {
        let mut environment = Environment::new();
        environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
        environment.add_template("page.html", TEMPLATE)?;
        environment.get_template("page.html")?.render(context! {
            policy => policy(),
            style => Value::from_safe_string(STYLE.to_owned()),
            script => Value::from_safe_string(SCRIPT.to_owned()),
            page => Value::from(Serde(self)),
            version => VERSION,
        })
    }
}

/// The content security policy. `file:` is where the video lies of a page that is opened from a folder.
fn policy() -> Value {
    let digest = |text: &str| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text.as_bytes())));
    let (style, script) = (digest(STYLE), digest(SCRIPT));
    // Of this text no letter has to be escaped, and a slash that were would make another digest.
    Value::from_safe_string(format!(
        "default-src 'none'; style-src {style}; script-src {script}; img-src data:; media-src 'self' file:; base-uri 'none'; form-action 'none'"
    ))
}
