//! From names of hosts to their addresses.

use std::io;
use std::net::{IpAddr, ToSocketAddrs};

/// Finds the addresses of a host. Tests have one that needs no network.
pub(crate) trait Resolve: Send + Sync {
    /// All addresses of a name.
    ///
    /// # Errors
    /// A name that is not known, and no name service.
    fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>>;
}

/// Asks the system, which blocks.
pub(crate) struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        Ok((name, 0).to_socket_addrs()?.map(|found| found.ip()).collect())
    }
}
