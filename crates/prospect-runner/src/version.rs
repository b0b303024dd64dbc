//! Version and commit of the program, for people and for files that outlive the program.

/// The version, with the commit if it was built from a repository: `0.1.0 (4a71fc4d5e6f)`.
pub const VERSION: &str = match env!("PROSPECT_COMMIT").as_bytes() {
    [] => env!("CARGO_PKG_VERSION"),
    _ => concat!(env!("CARGO_PKG_VERSION"), " (", env!("PROSPECT_COMMIT"), ")"),
};

/// Whether [`VERSION`] alone identifies the sources of the program.
pub(crate) fn is_exact() -> bool {
    let commit = env!("PROSPECT_COMMIT");
    !commit.is_empty() && !commit.ends_with("-dirty")
}

/// The versions in a trace.
pub(crate) fn versions() -> prospect_session::Versions {
    prospect_session::Versions { prospect: VERSION.to_owned() }
}
