//! Reasons for refusing an address.

/// Why an address is refused, as part of a sentence. The message never quotes the address, which may
/// contain a password, and never says to which IP address a name leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// The address is too long.
    #[error("the address is too long: expected at most {most} bytes")]
    Long {
        /// Most bytes of an address.
        most: usize,
    },
    /// The address has characters that programs interpret differently.
    #[error(
        "the address has a letter that is not allowed: expected visible ASCII without \\ # < > \" ` | ^ {{ }}"
    )]
    Letter,
    /// The address is neither a path nor has a known scheme.
    #[error("the kind of address is not known: expected {expected}")]
    Scheme {
        /// The known kinds of addresses.
        expected: &'static str,
    },
    /// The user or password is written in an unusual form, or is not allowed here.
    #[error(
        "the user and password are not allowed here, or are written in an unusual way: expected HOST or USER:PASSWORD@HOST"
    )]
    Person,
    /// The host is written in a form that programs interpret differently.
    #[error(
        "the host is written in an unusual way: expected a name, an IPv4 address of four decimal numbers, or [IPv6]"
    )]
    Host,
    /// The port is invalid.
    #[error("the port: expected a number from 1 to 65535")]
    Port,
    /// No pattern of the operator allows the address.
    #[error("the operator of this server has not allowed this address (--allow-source)")]
    NotAllowed,
    /// The address leads into a network that the operator has not allowed.
    #[error(
        "the address leads into a network that the operator of this server has not allowed (--allow-source)"
    )]
    Inner,
    /// The name cannot be resolved.
    #[error("the name of the host is not known")]
    Unresolved,
    /// The path leads to something other than a file or camera.
    #[error("the path leads to no file or camera that can be opened")]
    NotAFile,
}
