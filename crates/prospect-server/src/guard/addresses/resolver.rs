//! Resolves host names to IP addresses.

use std::io;
use std::net::{IpAddr, ToSocketAddrs};

/// Resolves host names. Tests implement it without a network.
pub(crate) trait Resolve: Send + Sync {
    /// All IP addresses of a host name.
    ///
    /// # Errors
    /// The name is unknown, or no name server answers.
    fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>>;
}

/// The operating system's resolver. It blocks.
pub(crate) struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        Ok((name, 0).to_socket_addrs()?.map(|found| found.ip()).collect())
    }
}
