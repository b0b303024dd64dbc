//! Renders the whole page from its template. It is one file that needs no network. Its content security
//! policy allows only its own style, its own script, embedded pictures, and the video beside it.

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

/// Macros must come before the page that uses them.
const TEMPLATE: &str = concat!(
    include_str!("page/drawing.html"),
    include_str!("page/run.html"),
    include_str!("page/comparison.html"),
    include_str!("page/page.html"),
);
const STYLE: &str = include_str!("page/page.css");
const SCRIPT: &str = include_str!("page/page.js");

/// The data for the template.
#[derive(Debug, Serialize)]
pub(super) struct Page {
    /// Title of the window.
    pub(super) title: String,
    /// Heading of the page.
    pub(super) heading: String,
    pub(super) facts: Facts,
    /// The comparison, on the page of a suite.
    pub(super) comparison: Option<Comparison>,
    pub(super) videos: Vec<VideoView>,
    /// Id of the run that is unfolded at first.
    pub(super) open_run: Option<String>,
}

/// The data of a video.
#[derive(Debug, Serialize)]
pub(super) struct VideoView {
    pub(super) name: String,
    pub(super) source: String,
    pub(super) player: Option<Player>,
    /// Pictures by frame, embedded once and used by all strategies.
    pub(super) thumbnails: Thumbnails,
    pub(super) runs: Vec<RunView>,
}

impl Page {
    /// Renders the page as HTML. Text from videos and models is escaped; only our own SVG is inserted
    /// unescaped.
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

/// The content security policy. `file:` allows the video if the page is opened from a folder.
fn policy() -> Value {
    let digest = |text: &str| format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text.as_bytes())));
    let (style, script) = (digest(STYLE), digest(SCRIPT));
    // This text needs no escaping, and an escaped slash would change the digests.
    Value::from_safe_string(format!(
        "default-src 'none'; style-src {style}; script-src {script}; img-src data:; media-src 'self' file:; base-uri 'none'; form-action 'none'"
    ))
}
