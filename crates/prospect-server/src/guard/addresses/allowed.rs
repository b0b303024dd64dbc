//! Decides whether an address in a request may be opened.

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use super::networks::{Kind, canonical, kind};
use super::pattern::{Hosts, Pattern, PatternError};
use super::refusal::Refusal;
use super::resolver::Resolve;
use super::written::{Host, Place, Written, read};

/// What conversations may fetch without further permission: the internet, at the usual ports.
const INTERNET: [&str; 2] = ["http://*", "https://*"];

/// The addresses that the operator allows in requests; none by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowedSources(Vec<Pattern>);

/// An address that may be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Checked {
    /// What to open: the address, or the path with all links resolved.
    pub(crate) address: String,
    /// The IP addresses of the host; empty for a file.
    pub(crate) sockets: Vec<SocketAddr>,
    /// Whether the address contains a user or a password.
    pub(crate) has_person: bool,
}

impl AllowedSources {
    /// Allows the addresses that match one of the patterns (docs/serve.md).
    ///
    /// # Errors
    /// [`PatternError`]: a text is not a pattern.
    pub fn new(patterns: impl IntoIterator<Item = impl AsRef<str>>) -> Result<Self, PatternError> {
        patterns
            .into_iter()
            .map(|pattern| Pattern::read(pattern.as_ref()))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Adds the internet by HTTP and HTTPS.
    pub(crate) fn and_internet(mut self) -> Self {
        // These constants are valid patterns.
        self.0.extend(INTERNET.iter().filter_map(|pattern| Pattern::read(pattern).ok()));
        self
    }

    /// Decides whether an address may be opened. This resolves names and inspects files, but opens
    /// nothing.
    ///
    /// # Errors
    /// A [`Refusal`].
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

    /// The IP addresses of a host, after checking that all of them are allowed.
    fn decide_place(&self, place: &Place, resolver: &dyn Resolve) -> Result<Vec<IpAddr>, Refusal> {
        let hosts: Vec<&Hosts> = self.0.iter().filter_map(|pattern| pattern.hosts_at(place)).collect();
        let is_in_range = |address: IpAddr| {
            hosts.iter().any(|hosts| matches!(hosts, Hosts::Range(range) if range.contains(address)))
        };
        let reach: Option<Kind> = hosts.iter().filter_map(|hosts| hosts.reach(&place.host)).max();
        let has_range = hosts.iter().any(|hosts| matches!(hosts, Hosts::Range(_)));
        if reach.is_none() && !has_range {
            // A host that no pattern could allow is not looked up, so that no name server learns of it.
            return Err(Refusal::NotAllowed);
        }
        let found = match &place.host {
            Host::Address(address) => vec![*address],
            Host::Name(name) => resolver.resolve(name).map_err(|_| Refusal::Unresolved)?,
        };
        if found.is_empty() {
            return Err(Refusal::Unresolved);
        }
        // Every IP address must be allowed, because any of them may be opened.
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
        // The error does not reveal whether a path exists.
        let path = path.canonicalize().map_err(|_| Refusal::NotAllowed)?;
        let about = fs::metadata(&path).map_err(|_| Refusal::NotAllowed)?;
        if !self.0.iter().any(|pattern| pattern.allows_path(&path, about.is_file())) {
            return Err(Refusal::NotAllowed);
        }
        let address = path.to_str().ok_or(Refusal::NotAFile)?.to_owned();
        Ok(Checked { address, sockets: Vec::new(), has_person: false })
    }
}
