//! Why an address may not be opened.

/// The reason, as a part of a sentence. No part of the address is repeated: it may hold a password, and what a name leads to is
/// nobody's business outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// More bytes than an address has.
    #[error("the address is too long: expected at most {most} bytes")]
    Long {
        /// Most bytes.
        most: usize,
    },
    /// Bytes by which two programs may read an address in two ways.
    #[error(
        "the address has a letter that is not allowed: expected visible ASCII without \\ # < > \" ` | ^ {{ }}"
    )]
    Letter,
    /// No path and no scheme that is known.
    #[error("the kind of address is not known: expected {expected}")]
    Scheme {
        /// The kinds that are known.
        expected: &'static str,
    },
    /// A user or password that is written in an unusual way, or not expected at all.
    #[error(
        "the user and password are not allowed here, or are written in an unusual way: expected HOST or USER:PASSWORD@HOST"
    )]
    Person,
    /// A host that two programs may read in two ways.
    #[error(
        "the host is written in an unusual way: expected a name, an IPv4 address of four decimal numbers, or [IPv6]"
    )]
    Host,
    /// A port that is none.
    #[error("the port: expected a number from 1 to 65535")]
    Port,
    /// Nothing that the operator has allowed.
    #[error("the operator of this server has not allowed this address (--allow-source)")]
    NotAllowed,
    /// An address inside a network that the operator has not named.
    #[error(
        "the address leads into a network that the operator of this server has not allowed (--allow-source)"
    )]
    Inner,
    /// A name that leads nowhere.
    #[error("the name of the host is not known")]
    Unresolved,
    /// A path that leads to no file, or to something else.
    #[error("the path leads to no file or camera that can be opened")]
    NotAFile,
}
