//! Types and lints of the code for GPUs, without CUDA: a stand-in for nvcc writes empty files, and in the place of CUTLASS is an
//! empty checkout.

use std::path::{Path, PathBuf};

use crate::command::step;
use crate::workspace::workspace_root;

/// In the place of nvcc.
const STAND_IN: &str = include_str!("stand_in/nvcc.sh");
/// The checkout that candle-flash-attn's build script looks for, by its commit.
const CUTLASS_COMMIT: &str = "7d49e6c7e2f8896c47f586706e67e1fb215529dc";

/// Clippy over every build for GPUs.
pub(crate) fn check() -> Result<(), String> {
    let folder = workspace_root().join("target/cuda-check");
    stand_in(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let path = |name: &str| folder.join(name).display().to_string();
    let (nvcc, home, include, target) = (path("nvcc"), path("cudaforge"), path("include"), path("build"));
    let environment = [
        ("NVCC", nvcc.as_str()),
        ("CUDAFORGE_HOME", &home),
        ("PROSPECT_CUTLASS", &include),
        ("CUDA_COMPUTE_CAP", "80"),
        ("CUDARC_CUDA_VERSION", "13000"),
        ("CARGO_TARGET_DIR", &target),
    ];
    for features in ["cuda", "cuda,flash-attn", "cuda,flash-attn-stock,sentence-encoder"] {
        let packages = ["clippy", "-p", "prospect-cuda", "-p", "prospect-model", "-p", "prospect-runner"];
        let listed: Vec<String> =
            features.split(',').map(|feature| format!("prospect-runner/{feature}")).collect();
        let listed = listed.join(",");
        let arguments = [&packages[..], &["--features", &listed, "--", "-D", "warnings"]].concat();
        step(&format!("clippy {features}"), "cargo", &arguments, &environment)?;
    }
    Ok(())
}

fn stand_in(folder: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(folder.join("include"))?;
    let nvcc = folder.join("nvcc");
    // Only when it changed: its time is an input of the build.
    if std::fs::read_to_string(&nvcc).ok().as_deref() != Some(STAND_IN) {
        std::fs::write(&nvcc, STAND_IN)?;
        executable(&nvcc)?;
    }
    let name = format!("cutlass-{}", &CUTLASS_COMMIT[..16]);
    let checkout: PathBuf = folder.join("cudaforge/git/checkouts").join(name);
    for part in ["include", "tools/util/include", ".git/objects", ".git/refs"] {
        std::fs::create_dir_all(checkout.join(part))?;
    }
    std::fs::write(checkout.join(".git/HEAD"), format!("{CUTLASS_COMMIT}\n"))
}

#[cfg(unix)]
fn executable(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))
}

#[cfg(not(unix))]
fn executable(_: &Path) -> std::io::Result<()> {
    Ok(())
}
