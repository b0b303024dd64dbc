//! Downloads into the hub's cache: what a checkpoint needs, in the order in which a mistake shows soonest.

mod address;
mod client;
mod listing;
mod partial;
mod patience;
mod progress;
mod steady;
mod transfer;
#[cfg(feature = "xet")]
mod xet;
/// What stands for Xet in a build without it.
#[cfg(not(feature = "xet"))]
#[path = "no_xet.rs"]
mod xet;

use std::path::{Path, PathBuf};

use crate::cache::{self, CONFIG, Repository, Snapshot, WEIGHTS, WEIGHTS_INDEX};
use crate::environment::Environment;
use crate::error::HubError;
use crate::id::{HubId, is_commit};
use crate::interrupt::Interrupt;
use crate::weight_files::WeightFiles;
use client::Client;
use listing::{Listing, RemoteFile};
pub use patience::Patience;
use transfer::Transfer;

const TOKENIZER: &str = "tokenizer.json";
const PREPROCESSOR: &str = "preprocessor_config.json";
/// What a run reads beside these, of those that a repository has: not all have all.
const SMALL_FILES: [&str; 6] = [
    "processor_config.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "chat_template.json",
    "chat_template.jinja",
    "generation_config.json",
];

/// Says of a configuration, and of what it is called for a person, whether it is one of a model that can be run.
pub type CheckConfig = fn(&str, &Path) -> Result<(), Box<dyn std::error::Error + Send + Sync>>;

/// How the hub is asked, and for what.
#[derive(Clone)]
pub(super) struct Download {
    pub(super) patience: Patience,
    pub(super) interrupt: Interrupt,
    pub(super) check_config: CheckConfig,
    pub(super) shows_progress: bool,
}

impl Default for Download {
    /// For everything.
    fn default() -> Self {
        Self {
            patience: Patience::default(),
            interrupt: Interrupt::default(),
            check_config: |_, _| Ok(()),
            shows_progress: true,
        }
    }
}

/// Downloads what is missing of a model.
pub(super) fn download(environment: &Environment, how: &Download, id: &HubId) -> Result<Snapshot, HubError> {
    let client = Client::new(environment, how.patience, how.interrupt.clone());
    let listing = list(&client, id)?;
    let repository = Repository::new(&environment.cache, id);
    let mut transfer = Transfer::new(&client, &repository, id, &listing.commit, how.shows_progress);
    fetch_config(&mut transfer, &repository, &listing, id, how.check_config)?;
    let mut small = vec![listing.file(TOKENIZER).ok_or_else(|| missing(id, TOKENIZER))?];
    small.extend(listing.file(PREPROCESSOR));
    small.extend(SMALL_FILES.iter().filter_map(|name| listing.file(name)));
    let weights = weights(&mut transfer, &repository, &listing, id)?;
    transfer.fetch(&small)?;
    transfer.fetch(&weights)?;
    note_revision(&repository, &listing, id)
}

/// Downloads the configuration of a model, and finds out about its weights.
pub(super) fn describe(
    environment: &Environment,
    how: &Download,
    id: &HubId,
) -> Result<(PathBuf, Option<WeightFiles>), HubError> {
    let client = Client::new(environment, how.patience, how.interrupt.clone());
    let listing = list(&client, id)?;
    let repository = Repository::new(&environment.cache, id);
    let mut transfer = Transfer::new(&client, &repository, id, &listing.commit, how.shows_progress);
    fetch_config(&mut transfer, &repository, &listing, id, how.check_config)?;
    let weights = weights(&mut transfer, &repository, &listing, id)?;
    let snapshot = note_revision(&repository, &listing, id)?;
    let bytes = weights.iter().map(|file| file.bytes).sum();
    Ok((snapshot.folder, Some(WeightFiles { files: weights.len(), bytes, downloaded: false })))
}

/// Asks what a revision holds.
fn list(client: &Client, id: &HubId) -> Result<Listing, HubError> {
    let url = client.listing_url(id);
    client.persistently(|| Listing::parse(&client.text(&url, id)?, &url))
}

fn missing(id: &HubId, file: &'static str) -> HubError {
    HubError::MissingFile { id: id.to_string(), file }
}

fn fetch_config(
    transfer: &mut Transfer<'_>,
    repository: &Repository,
    listing: &Listing,
    id: &HubId,
    check: CheckConfig,
) -> Result<(), HubError> {
    transfer.fetch(&[listing.file(CONFIG).ok_or_else(|| missing(id, CONFIG))?])?;
    check_config(&repository.snapshot_folder(&listing.commit).join(CONFIG), id, check)
}

/// The files of the weights; where they are several, their list is fetched.
fn weights<'a>(
    transfer: &mut Transfer<'_>,
    repository: &Repository,
    listing: &'a Listing,
    id: &HubId,
) -> Result<Vec<&'a RemoteFile>, HubError> {
    if let Some(single) = listing.file(WEIGHTS) {
        return Ok(vec![single]);
    }
    transfer.fetch(&[listing.file(WEIGHTS_INDEX).ok_or_else(|| missing(id, WEIGHTS))?])?;
    shards(&repository.snapshot_folder(&listing.commit).join(WEIGHTS_INDEX), listing, id)
}

/// Notes what a branch or a tag stood for.
fn note_revision(repository: &Repository, listing: &Listing, id: &HubId) -> Result<Snapshot, HubError> {
    let folder = repository.snapshot_folder(&listing.commit);
    if !is_commit(&id.revision) {
        let written = repository.write_ref(&id.revision, &listing.commit);
        written.map_err(|source| HubError::Write { path: folder.clone(), source })?;
    }
    Ok(Snapshot { folder, commit: listing.commit.clone() })
}

/// Whether this is a model that can be run, before gigabytes are fetched.
fn check_config(path: &Path, id: &HubId, check: CheckConfig) -> Result<(), HubError> {
    let text =
        std::fs::read_to_string(path).map_err(|source| HubError::Write { path: path.to_owned(), source })?;
    let named = format!("{id}/{CONFIG}");
    check(&text, Path::new(&named)).map_err(HubError::NotACheckpoint)
}

fn shards<'a>(index: &Path, listing: &'a Listing, id: &HubId) -> Result<Vec<&'a RemoteFile>, HubError> {
    let wrong = |problem: String| HubError::Answer {
        url: format!("{id}/{WEIGHTS_INDEX}"),
        problem,
        expected: "a weight_map of tensor names to files beside it",
    };
    let names = cache::shards(index).map_err(wrong)?;
    let listed = |name: &String| listing.file(name).ok_or_else(|| wrong(format!("there is no {name}")));
    names.iter().map(listed).collect()
}
