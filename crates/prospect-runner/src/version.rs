//! Version and commit of the program, for people and for files that outlive the program.

use std::sync::LazyLock;

use prospect_model::cpu_instructions;

/// The version, with the commit if it was built from a repository: `0.1.0 (4a71fc4d5e6f)`.
pub const VERSION: &str = match env!("PROSPECT_COMMIT").as_bytes() {
    [] => env!("CARGO_PKG_VERSION"),
    _ => concat!(env!("CARGO_PKG_VERSION"), " (", env!("PROSPECT_COMMIT"), ")"),
};

/// Features of the build that a person chooses.
const FEATURES: [(&str, bool); 8] = [
    ("serve", cfg!(feature = "serve")),
    ("download", cfg!(feature = "download")),
    ("cuda", cfg!(feature = "cuda")),
    ("flash-attn", cfg!(feature = "flash-attn")),
    ("flash-attn-stock", cfg!(feature = "flash-attn-stock")),
    ("arrow", cfg!(feature = "arrow")),
    ("xet", cfg!(feature = "xet")),
    ("sentence-encoder", cfg!(feature = "sentence-encoder")),
];

/// The features that this build has.
pub(crate) fn features() -> String {
    let features: Vec<&str> = FEATURES.iter().filter(|(_, is_on)| *is_on).map(|(name, _)| *name).collect();
    list(&features)
}

/// What the kernels for this processor use beside what every processor of its kind has.
pub(crate) fn kernels() -> String {
    list(&cpu_instructions())
}

fn list(names: &[&str]) -> String {
    match names {
        [] => "none".to_owned(),
        names => names.join(", "),
    }
}

/// For `--version`: what a report of a fault needs of the build and of the machine.
pub(crate) fn long_version() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        let (architecture, system) = (std::env::consts::ARCH, std::env::consts::OS);
        let (features, kernels) = (features(), kernels());
        format!("{VERSION}\nsystem:   {architecture} {system}\nfeatures: {features}\nkernels:  {kernels}")
    });
    &TEXT
}

/// Whether [`VERSION`] alone identifies the sources of the program.
pub(crate) fn is_exact() -> bool {
    let commit = env!("PROSPECT_COMMIT");
    !commit.is_empty() && !commit.ends_with("-dirty")
}

/// The versions in a trace.
pub(crate) fn versions() -> prospect_session::Versions {
    prospect_session::Versions { prospect: VERSION.to_owned() }
}
