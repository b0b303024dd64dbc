//! Patterns of allowed addresses.

use std::path::{Component, Path, PathBuf};

use super::networks::{Kind, Range};
use super::wildcard::matches;
use super::written::{Host, Place, host_and_port, host_of, is_name, port_of, scheme_of};

/// Prefix of the paths of this machine's cameras.
const CAMERAS: &str = "/dev/video";

/// A text is not a valid pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "--allow-source {pattern}: {problem}: expected SCHEME://HOST, SCHEME://ADDRESS/BITS (each with :PORT or :*), /FOLDER/, or \
     the path of a file or camera in which * may stand"
)]
pub struct PatternError {
    /// The text.
    pub pattern: String,
    /// Why it is not valid.
    pub problem: &'static str,
}

/// A pattern of addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Pattern {
    /// Hosts on a network.
    Network { scheme: &'static str, hosts: Hosts, ports: Ports },
    /// All files in a folder.
    Folder(PathBuf),
    /// Paths of files or cameras; `*` matches any characters.
    Paths(String),
}

/// The hosts of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Hosts {
    /// Every host on the internet.
    Any,
    /// Host names; `*` matches any characters within a label.
    Names(String),
    /// IP addresses.
    Range(Range),
}

/// The ports of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ports {
    /// Only this port.
    One(u16),
    /// Every port.
    Any,
}

impl Pattern {
    /// # Errors
    /// The text is not a pattern.
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

    /// The hosts of the pattern, if it has the scheme and the port of `place`.
    pub(super) fn hosts_at(&self, place: &Place) -> Option<&Hosts> {
        match self {
            Self::Network { scheme, hosts, ports } if *scheme == place.scheme => match ports {
                Ports::Any => Some(hosts),
                Ports::One(port) => (*port == place.port).then_some(hosts),
            },
            _ => None,
        }
    }

    /// Whether a file may be opened. `path` must have all links resolved.
    pub(super) fn allows_path(&self, path: &Path, is_file: bool) -> bool {
        let Some(text) = path.to_str() else { return false };
        match self {
            Self::Network { .. } => false,
            // A folder can also contain pipes and devices, which the operator did not mean to allow.
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
    /// The most internal kind of network that a name of the pattern may lead to: with `*` private
    /// networks, without `*` this machine as well.
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

/// Splits a pattern into its hosts and the text after the colon.
fn hosts(rest: &str) -> Option<(Hosts, Option<&str>)> {
    // A trailing slash belongs to the usual form of an address.
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
