//! `cargo xtask cuda-build`: builds the binary for machines with NVIDIA GPUs.

use std::path::Path;
use std::time::Instant;

use super::compiler::Compiler;
use super::needed::needed;
use crate::command::{announce, step};
use crate::workspace::workspace_root;

/// What is built.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Compute capabilities to build for, as in 80,90: A100 80, RTX 30 86, RTX 40 and L4 89, H100 90.
    #[arg(long, value_delimiter = ',', default_values_t = [80, 86, 89, 90], value_parser = clap::value_parser!(u32).range(80..))]
    compute_capabilities: Vec<u32>,
    /// With the stock flash attention for all other head sizes: hours on two cores.
    #[arg(long)]
    stock: bool,
}

/// Builds the binary, and prints which libraries it needs.
pub(crate) fn run(arguments: &Arguments) -> Result<(), String> {
    let folder = workspace_root().join("target/cuda");
    std::fs::create_dir_all(&folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
    let compiler = Compiler::find_or_get(&folder)?;
    let mut capabilities = arguments.compute_capabilities.clone();
    capabilities.sort_unstable();
    capabilities.dedup();
    let list: Vec<String> = capabilities.iter().map(u32::to_string).collect();
    let (oldest, list) = (list.first().cloned().unwrap_or_default(), list.join(","));
    let mut environment = compiler.environment()?;
    // candle's kernels are PTX, which the driver compiles for newer GPUs.
    environment.push(("CUDA_COMPUTE_CAP".to_owned(), oldest));
    environment.push(("PROSPECT_CUDA_CAPABILITIES".to_owned(), list));
    environment.push(("CARGO_TARGET_DIR".to_owned(), folder.display().to_string()));
    let environment: Vec<(&str, &str)> =
        environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let features = if arguments.stock { "cuda,flash-attn-stock" } else { "cuda,flash-attn" };
    let cargo =
        ["build", "--release", "-p", "prospect-runner", "--bin", "prospect-runner", "--features", features];
    let started = Instant::now();
    step("cuda-build", "cargo", &cargo, &environment)?;
    let binary = folder.join("release/prospect-runner");
    // Not done through the profile, since a changed profile would compile all kernels again.
    step("strip", "strip", &[&binary.display().to_string()], &[])?;
    report(&binary, started)
}

fn report(binary: &Path, started: Instant) -> Result<(), String> {
    let bytes =
        std::fs::read(binary).map_err(|error| format!("cannot read {}: {error}", binary.display()))?;
    let needed = needed(&bytes).map_err(|problem| format!("{}: {problem}", binary.display()))?;
    announce(&format!(
        "{}: {:.1} MiB, built in {:.0} s",
        binary.display(),
        bytes.len() as f64 / f64::from(1 << 20),
        started.elapsed().as_secs_f64()
    ));
    announce(&format!("needs at its start: {}", needed.join(", ")));
    announce(
        "needs on a GPU: the driver (libcuda.so.1), libcublas, libcublasLt and libcurand of CUDA's major version",
    );
    match needed.iter().find(|library| library.starts_with("libcu")) {
        Some(library) => Err(format!("{} does not start without {library}", binary.display())),
        None => Ok(()),
    }
}
