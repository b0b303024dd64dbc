//! What a client asks for, as OpenAI's clients write it.

use serde::Deserialize;

/// What is read of a request; clients send more, which means nothing here.
#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    pub(super) model: Option<String>,
    pub(super) messages: Vec<AskedMessage>,
    #[serde(default)]
    pub(super) stream: bool,
    pub(super) stream_options: Option<StreamOptions>,
    #[serde(alias = "max_completion_tokens")]
    pub(super) max_tokens: Option<usize>,
    pub(super) temperature: Option<f64>,
    pub(super) top_p: Option<f64>,
    pub(super) seed: Option<u64>,
    pub(super) stop: Option<Stops>,
    pub(super) n: Option<usize>,
    /// A session that answers: its id, or a name that the client chooses.
    pub(super) session: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct StreamOptions {
    #[serde(default)]
    pub(super) include_usage: bool,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Stops {
    One(String),
    Several(Vec<String>),
}

#[derive(Debug, Deserialize)]
pub(super) struct AskedMessage {
    pub(super) role: String,
    pub(super) content: Option<Contents>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Contents {
    Text(String),
    Parts(Vec<AskedPart>),
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum AskedPart {
    Text { text: String },
    ImageUrl { image_url: MediaUrl },
    VideoUrl { video_url: MediaUrl },
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum MediaUrl {
    Address(String),
    Object { url: String },
}

impl MediaUrl {
    /// The address.
    pub(super) fn into_address(self) -> String {
        match self {
            Self::Address(url) | Self::Object { url } => url,
        }
    }
}

impl AskedMessage {
    /// Its texts alone.
    pub(super) fn texts(&self) -> Vec<&str> {
        let Some(content) = &self.content else { return Vec::new() };
        let parts = match content {
            Contents::Text(text) => return vec![text],
            Contents::Parts(parts) => parts,
        };
        let mut texts = Vec::new();
        for part in parts {
            if let AskedPart::Text { text } = part {
                texts.push(text.as_str());
            }
        }
        texts
    }

    /// Its texts, pictures and videos, in order.
    pub(super) fn into_parts(self) -> Vec<AskedPart> {
        match self.content {
            None => Vec::new(),
            Some(Contents::Text(text)) => vec![AskedPart::Text { text }],
            Some(Contents::Parts(parts)) => parts,
        }
    }
}

impl Asked {
    /// The texts at which an answer stops.
    pub(super) fn stops(&mut self) -> Vec<String> {
        match self.stop.take() {
            None => Vec::new(),
            Some(Stops::One(stop)) => vec![stop],
            Some(Stops::Several(stops)) => stops,
        }
    }

    /// Whether the client wants to know at the end of a stream how many tokens there were.
    pub(super) fn wants_usage(&self) -> bool {
        self.stream_options.as_ref().is_some_and(|options| options.include_usage)
    }
}
