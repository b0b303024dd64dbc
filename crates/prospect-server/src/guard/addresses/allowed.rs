//! The one function that says whether an address of a request may be opened.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use super::networks::{Kind, canonical, kind};
use super::pattern::{Hosts, Pattern, PatternError};
use super::refusal::Refusal;
use super::resolver::Resolve;
use super::written::{Host, Place, Written, read};

/// What a request may have fetched where nothing more is allowed: the internet, at its usual ports.
const INTERNET: [&str; 2] = ["http://*", "https://*"];

/// The addresses that the operator of a server allows in requests; none by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowedSources(Vec<Pattern>);

/// An address that may be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Checked {
    /// What to open: the address, or the path without links.
    pub(crate) address: String,
    /// Where a host was found; none of a file.
    pub(crate) sockets: Vec<SocketAddr>,
    /// Whether a user or password stands in it.
    pub(crate) has_person: bool,
}

impl AllowedSources {
    /// What these patterns allow (docs/serve.md).
    ///
    /// # Errors
    /// A text that is no pattern.
    pub fn new(patterns: impl IntoIterator<Item = impl AsRef<str>>) -> Result<Self, PatternError> {
        patterns
            .into_iter()
            .map(|pattern| Pattern::read(pattern.as_ref()))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// These, and the internet by HTTP.
    pub(crate) fn and_internet(mut self) -> Self {
        // The texts are ours: they are patterns.
        self.0.extend(INTERNET.iter().filter_map(|pattern| Pattern::read(pattern).ok()));
        self
    }

    /// Whether an address may be opened. Names are looked up, files are looked at, and nothing is opened.
    ///
    /// # Errors
    /// Any [`Refusal`].
    pub(crate) fn decide(&self, address: &str, resolver: &dyn Resolve) -> Result<Checked, Refusal> {
        match read(address)? {
            Written::Path(path) => self.decide_path(&path),
            Written::Network(place) => {
                let found = self.decide_place(&place, resolver)?;
                let sockets = found.into_iter().map(|ip| SocketAddr::new(ip, place.port)).collect();
                Ok(Checked { address: address.to_owned(), sockets, has_person: place.has_person })
            }
        }
    }

    /// The addresses of a host, all of which are allowed.
    fn decide_place(&self, place: &Place, resolver: &dyn Resolve) -> Result<Vec<IpAddr>, Refusal> {
        let hosts: Vec<&Hosts> = self.0.iter().filter_map(|pattern| pattern.hosts_at(place)).collect();
        let is_in_range = |address: IpAddr| {
            hosts.iter().any(|hosts| matches!(hosts, Hosts::Range(range) if range.contains(address)))
        };
        let reach: Option<Kind> = hosts.iter().filter_map(|hosts| hosts.reach(&place.host)).max();
        let has_range = hosts.iter().any(|hosts| matches!(hosts, Hosts::Range(_)));
        if reach.is_none() && !has_range {
            // Nobody's name server hears of a host that is not allowed by any address.
            return Err(Refusal::NotAllowed);
        }
        let found = match &place.host {
            Host::Address(address) => vec![*address],
            Host::Name(name) => resolver.resolve(name).map_err(|_| Refusal::Unresolved)?,
        };
        if found.is_empty() {
            return Err(Refusal::Unresolved);
        }
        // One address that is not allowed is enough: nobody knows which one of them is opened.
        let is_allowed =
            |address: &IpAddr| reach.is_some_and(|reach| kind(*address) <= reach) || is_in_range(*address);
        match found.iter().all(is_allowed) {
            true => Ok(found.into_iter().map(canonical).collect()),
            false => Err(Refusal::Inner),
        }
    }

    fn decide_path(&self, path: &Path) -> Result<Checked, Refusal> {
        if !self.0.iter().any(|pattern| matches!(pattern, Pattern::Folder(_) | Pattern::Paths(_))) {
            return Err(Refusal::NotAllowed);
        }
        // A path that is not allowed is not told from one that is not there.
        let path = path.canonicalize().map_err(|_| Refusal::NotAllowed)?;
        let about = fs::metadata(&path).map_err(|_| Refusal::NotAllowed)?;
        if !self.0.iter().any(|pattern| pattern.allows_path(&path, about.is_file())) {
            return Err(Refusal::NotAllowed);
        }
        let address = path.to_str().ok_or(Refusal::NotAFile)?.to_owned();
        Ok(Checked { address, sockets: Vec::new(), has_person: false })
    }
}
