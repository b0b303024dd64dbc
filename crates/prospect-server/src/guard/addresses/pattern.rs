//! What the operator allows: one pattern of addresses.

use std::path::{Component, Path, PathBuf};

use super::networks::{Kind, Range};
use super::wildcard::matches;
use super::written::{Host, Place, host_and_port, host_of, is_name, port_of, scheme_of};

/// Where cameras of this machine are.
const CAMERAS: &str = "/dev/video";

/// A pattern that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "--allow-source {pattern}: {problem}: expected SCHEME://HOST, SCHEME://ADDRESS/BITS (each with :PORT or :*), /FOLDER/, or \
     the path of a file or camera in which * may stand"
)]
pub struct PatternError {
    /// As it was given.
    pub pattern: String,
    /// What is wrong with it.
    pub problem: &'static str,
}

/// One pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Pattern {
    /// Hosts.
    Network { scheme: &'static str, hosts: Hosts, ports: Ports },
    /// Everything in a folder.
    Folder(PathBuf),
    /// Files or cameras by their paths.
    Paths(String),
}

/// Which hosts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Hosts {
    /// Every host of the internet.
    Any,
    /// Names; `*` stands for any letters of a part.
    Names(String),
    /// Addresses.
    Range(Range),
}

/// Which ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ports {
    /// This one.
    One(u16),
    /// Every one.
    Any,
}

impl Pattern {
    /// # Errors
    /// A text that is no pattern.
    pub(super) fn read(text: &str) -> Result<Self, PatternError> {
        let problem = |problem| PatternError { pattern: text.to_owned(), problem };
        if text.starts_with('/') {
            let is_plain = Path::new(text).components().all(|part| !matches!(part, Component::ParentDir));
            return match (is_plain, text.strip_suffix('/')) {
                (false, _) => Err(problem("a path with ..")),
                (true, Some(folder)) if folder.contains('*') => Err(problem("a folder with *")),
                (true, Some(_)) => Ok(Self::Folder(text.into())),
                (true, None) => Ok(Self::Paths(text.to_owned())),
            };
        }
        let (scheme, usual_port, rest) =
            scheme_of(text).ok_or_else(|| problem("a kind that is not known"))?;
        let (hosts, port) = hosts(rest).ok_or_else(|| problem("a host that is none"))?;
        let ports = match port {
            None => Ports::One(usual_port),
            Some("*") => Ports::Any,
            Some(port) => Ports::One(port_of(port).ok_or_else(|| problem("a port that is none"))?),
        };
        Ok(Self::Network { scheme, hosts, ports })
    }

    /// The hosts of a pattern that has this scheme and port.
    pub(super) fn hosts_at(&self, place: &Place) -> Option<&Hosts> {
        match self {
            Self::Network { scheme, hosts, ports } if *scheme == place.scheme => match ports {
                Ports::Any => Some(hosts),
                Ports::One(port) => (*port == place.port).then_some(hosts),
            },
            _ => None,
        }
    }

    /// Whether a file may be opened. `path` is the one without links that leads to it.
    pub(super) fn allows_path(&self, path: &Path, is_file: bool) -> bool {
        let Some(text) = path.to_str() else { return false };
        match self {
            Self::Network { .. } => false,
            // A folder may hold pipes and devices, which nobody has meant.
            Self::Folder(folder) => {
                is_file && folder.canonicalize().is_ok_and(|folder| path.starts_with(folder))
            }
            Self::Paths(paths) => {
                let is_it = Path::new(paths).canonicalize().is_ok_and(|named| named == path);
                (is_file || text.starts_with(CAMERAS)) && (is_it || matches(paths, text, '/'))
            }
        }
    }
}

impl Hosts {
    /// How far a name of the pattern may lead: a name with `*` into private networks, an exact one to this machine too.
    pub(super) fn reach(&self, host: &Host) -> Option<Kind> {
        match (self, host) {
            (Self::Any, _) => Some(Kind::Public),
            (Self::Names(pattern), Host::Name(name)) => {
                let reach = if pattern.contains('*') { Kind::Inner } else { Kind::Loopback };
                matches(pattern, name, '.').then_some(reach)
            }
            _ => None,
        }
    }
}

/// The hosts of a pattern, and what stands behind their colon.
fn hosts(rest: &str) -> Option<(Hosts, Option<&str>)> {
    // A slash at the end is that of an address.
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    if let Some((first, behind)) = rest.split_once('/') {
        let (bits, port) = behind.split_once(':').map_or((behind, None), |(bits, port)| (bits, Some(port)));
        let Ok(Host::Address(first)) = host_of(first) else { return None };
        return Some((Hosts::Range(Range::new(first, bits.parse().ok()?)?), port));
    }
    let (host, port) = host_and_port(rest).ok()?;
    if host == "*" {
        return Some((Hosts::Any, port));
    }
    let name = host.to_ascii_lowercase();
    let hosts = match host_of(host) {
        Ok(Host::Address(address)) => Hosts::Range(Range::one(address)),
        _ if is_name(&name, true) => Hosts::Names(name),
        _ => return None,
    };
    Some((hosts, port))
}
