//! Which program this is: the version and the commit, for people and for files that outlive it.

/// The version, and the commit where it was built from a repository: `0.1.0 (4a71fc4d5e6f)`.
pub const VERSION: &str = match env!("PROSPECT_COMMIT").as_bytes() {
    [] => env!("CARGO_PKG_VERSION"),
    _ => concat!(env!("CARGO_PKG_VERSION"), " (", env!("PROSPECT_COMMIT"), ")"),
};

/// Whether [`VERSION`] alone says which sources the program was built from.
pub(crate) fn is_exact() -> bool {
    let commit = env!("PROSPECT_COMMIT");
    !commit.is_empty() && !commit.ends_with("-dirty")
}

/// The versions that a trace names.
pub(crate) fn versions() -> prospect_session::Versions {
    prospect_session::Versions { prospect: VERSION.to_owned() }
}
