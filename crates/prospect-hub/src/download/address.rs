//! Addresses in messages.

/// An address in a message. The values behind its question mark are not for people: those of the client say
/// nothing to them, and those of a redirection may be a signature.
pub(super) fn named(url: &str) -> String {
    url.split('?').next().unwrap_or(url).to_owned()
}
