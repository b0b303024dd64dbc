//! Parses an address.
//!
//! The program that opens the address parses it again. Only forms that all programs interpret alike are
//! therefore accepted; anything unusual is refused and never corrected.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

use prospect_source::path_of_file_address;

use super::refusal::Refusal;

/// Most bytes of an address.
const MOST_BYTES: usize = 2048;
/// Most bytes of a host name, and of one of its labels.
const MOST_NAME: usize = 253;
const MOST_LABEL: usize = 63;

/// Schemes that can be opened, with their default ports.
const SCHEMES: [(&str, u16); 6] =
    [("rtsp", 554), ("rtsps", 322), ("rtmp", 1935), ("rtmps", 443), ("http", 80), ("https", 443)];
/// The same as a text for people.
const KINDS: &str = "rtsp://, rtsps://, rtmp://, rtmps://, http://, https://, or an absolute path";

/// The target of an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Written {
    /// A host on a network.
    Network(Place),
    /// A file or device of this machine.
    Path(PathBuf),
}

/// A host with scheme and port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) scheme: &'static str,
    pub(super) host: Host,
    pub(super) port: u16,
    /// Whether the address contains a user or a password.
    pub(super) has_person: bool,
}

/// A host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Host {
    Address(IpAddr),
    /// A host name in lower case.
    Name(String),
}

/// The known scheme of an address, its default port, and the rest of the address.
pub(super) fn scheme_of(address: &str) -> Option<(&'static str, u16, &str)> {
    let (scheme, rest) = address.split_once("://")?;
    let (known, port) = SCHEMES.iter().find(|(known, _)| *known == scheme)?;
    Some((known, *port, rest))
}

/// Parses an address.
///
/// # Errors
/// A [`Refusal`] of any unusual form.
pub(super) fn read(address: &str) -> Result<Written, Refusal> {
    if address.len() > MOST_BYTES {
        return Err(Refusal::Long { most: MOST_BYTES });
    }
    if address.starts_with('/') || address.starts_with("file://") {
        let path = path_of_file_address(address).unwrap_or_else(|| address.to_owned());
        let is_plain = path.starts_with('/') && !path.contains(char::is_control);
        return if is_plain { Ok(Written::Path(path.into())) } else { Err(Refusal::Letter) };
    }
    // A # or a backslash ends the host for some programs and not for others.
    if !address.bytes().all(|byte| byte.is_ascii_graphic() && !b"\\#<>\"`|^{}".contains(&byte)) {
        return Err(Refusal::Letter);
    }
    let Some((scheme, usual_port, rest)) = scheme_of(address) else {
        return Err(Refusal::Scheme { expected: KINDS });
    };
    let authority = rest.split('/').next().unwrap_or_default();
    if authority.contains('?') {
        return Err(Refusal::Host);
    }
    let (person, host) = match authority.split_once('@') {
        Some((person, host)) => (Some(person), host),
        None => (None, authority),
    };
    // Programs disagree whether a second @ belongs to the user or to the host.
    if host.contains('@') || person.is_some_and(str::is_empty) {
        return Err(Refusal::Person);
    }
    // Some programs take an @ after the host for the end of the user.
    if rest[authority.len()..].split('?').next().unwrap_or_default().contains('@') {
        return Err(Refusal::Person);
    }
    let (host, port) = host_and_port(host)?;
    let port = match port {
        None => usual_port,
        Some(text) => port_of(text).ok_or(Refusal::Port)?,
    };
    Ok(Written::Network(Place { scheme, host: host_of(host)?, port, has_person: person.is_some() }))
}

/// Splits a host from the text after its colon.
pub(super) fn host_and_port(text: &str) -> Result<(&str, Option<&str>), Refusal> {
    let end = match text.starts_with('[') {
        true => text.find(']').ok_or(Refusal::Host)? + 1,
        false => text.find(':').unwrap_or(text.len()),
    };
    let (host, behind) = text.split_at(end);
    match behind.strip_prefix(':') {
        Some(port) => Ok((host, Some(port))),
        None if behind.is_empty() => Ok((host, None)),
        None => Err(Refusal::Host),
    }
}

/// A port of digits only.
pub(super) fn port_of(text: &str) -> Option<u16> {
    let is_digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|port| is_digits && *port > 0)
}

/// # Errors
/// A host that programs interpret differently: `127.1`, `0x7f000001`, `017700000001`, or a name with a
/// trailing dot.
pub(super) fn host_of(text: &str) -> Result<Host, Refusal> {
    if let Some(inside) = text.strip_prefix('[') {
        let inside = inside.strip_suffix(']').ok_or(Refusal::Host)?;
        return inside
            .parse::<Ipv6Addr>()
            .map(|address| Host::Address(address.into()))
            .map_err(|_| Refusal::Host);
    }
    if let Ok(address) = text.parse::<Ipv4Addr>() {
        return Ok(Host::Address(address.into()));
    }
    let name = text.to_ascii_lowercase();
    match is_name(&name, false) {
        true => Ok(Host::Name(name)),
        false => Err(Refusal::Host),
    }
}

/// Whether a lower-case text is a host name, or a pattern of host names with `*`. A name must not end
/// in a number.
pub(super) fn is_name(text: &str, with_stars: bool) -> bool {
    let is_label = |label: &str| {
        let letter = |byte: u8| {
            byte.is_ascii_lowercase()
                || byte.is_ascii_digit()
                || b"-_".contains(&byte)
                || (with_stars && byte == b'*')
        };
        (1..=MOST_LABEL).contains(&label.len()) && label.bytes().all(letter)
    };
    let last = text.rsplit('.').next().unwrap_or_default();
    let is_number = last.starts_with("0x") || last.bytes().all(|byte| byte.is_ascii_digit() || byte == b'*');
    text.len() <= MOST_NAME && !is_number && text.split('.').all(is_label)
}
