//! Finds a CUDA compiler, or installs one from NVIDIA's packages on PyPI. Also gets CUTLASS's headers.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command::step;

/// Package versions that work together, with gcc 12 as host compiler.
const COMPILER_PACKAGES: [&str; 5] = [
    "nvidia-cuda-nvcc==13.0.88",
    "nvidia-cuda-crt==13.0.88",
    "nvidia-nvvm==13.0.88",
    "nvidia-cuda-runtime==13.0.96",
    "nvidia-cuda-cccl==13.0.85",
];
/// The version that candle-flash-attn needs.
const CUTLASS_PACKAGE: &str = "nvidia-cutlass==3.5.0.0";

/// The compiler and the headers.
pub(super) struct Compiler {
    /// Root of a toolkit that is not in `PATH`.
    root: Option<PathBuf>,
    cutlass: Option<PathBuf>,
}

impl Compiler {
    /// Uses the machine's compiler, or installs one into `folder`.
    pub(super) fn find_or_get(folder: &Path) -> Result<Self, String> {
        let cutlass = match std::env::var_os("PROSPECT_CUTLASS") {
            Some(_) => None,
            None => Some(get_cutlass(&folder.join("cutlass"))?),
        };
        let installed = ["nvcc", "/usr/local/cuda/bin/nvcc"].into_iter().any(runs);
        let root = match installed || std::env::var_os("NVCC").is_some() {
            true => None,
            false => Some(get_compiler(&folder.join("toolkit"))?),
        };
        Ok(Self { root, cutlass })
    }

    /// Environment variables for a build.
    pub(super) fn environment(&self) -> Result<Vec<(String, String)>, String> {
        let mut variables = Vec::new();
        if let Some(root) = &self.root {
            let path = std::env::var_os("PATH").unwrap_or_default();
            let folders = std::iter::once(root.join("bin")).chain(std::env::split_paths(&path));
            let path = std::env::join_paths(folders).map_err(|error| format!("PATH: {error}"))?;
            variables.push(("PATH".to_owned(), path.to_string_lossy().into_owned()));
            variables.push(("CUDA_HOME".to_owned(), root.display().to_string()));
        }
        if let Some(cutlass) = &self.cutlass {
            variables.push(("PROSPECT_CUTLASS".to_owned(), cutlass.display().to_string()));
        }
        Ok(variables)
    }
}

fn runs(compiler: &str) -> bool {
    Command::new(compiler).arg("--version").output().is_ok_and(|output| output.status.success())
}

fn get_compiler(folder: &Path) -> Result<PathBuf, String> {
    let root = folder.join("nvidia/cu13");
    if !root.join("bin/nvcc").exists() {
        install("CUDA compiler from PyPI", folder, &COMPILER_PACKAGES)?;
    }
    // The packages have only the folder `lib`, but tools look for `lib64`.
    let (lib, lib64) = (root.join("lib"), root.join("lib64"));
    if !lib64.exists() {
        #[cfg(unix)]
        std::os::unix::fs::symlink(&lib, &lib64)
            .map_err(|error| format!("cannot link {}: {error}", lib64.display()))?;
    }
    make_executable(&[root.join("bin"), root.join("nvvm/bin")])?;
    Ok(root)
}

fn get_cutlass(folder: &Path) -> Result<PathBuf, String> {
    let headers = folder.join("cutlass_library/source/include");
    if !headers.join("cutlass/cutlass.h").exists() {
        install("CUTLASS from PyPI", folder, &[CUTLASS_PACKAGE])?;
    }
    Ok(headers)
}

fn install(name: &str, folder: &Path, packages: &[&str]) -> Result<(), String> {
    let target = folder.display().to_string();
    // pip's warning about running as root concerns system packages, not this folder.
    let quiet = ["--quiet", "--root-user-action", "ignore", "--disable-pip-version-check"];
    let pip =
        [&["-m", "pip", "install"], &quiet[..], &["--no-deps", "--upgrade", "--target", &target]].concat();
    step(name, "python3", &[&pip[..], packages].concat(), &[]).map_err(|error| {
        format!(
            "{error}: expected Python with pip, or nvcc in PATH and CUTLASS's headers in PROSPECT_CUTLASS"
        )
    })
}

#[cfg(unix)]
fn make_executable(folders: &[PathBuf]) -> Result<(), String> {
    use std::os::unix::fs::PermissionsExt;
    let failed = |path: &Path, error: std::io::Error| format!("{}: {error}", path.display());
    for folder in folders {
        for entry in std::fs::read_dir(folder).map_err(|error| failed(folder, error))? {
            let path = entry.map_err(|error| failed(folder, error))?.path();
            if path.is_file() {
                let mode = std::fs::Permissions::from_mode(0o755);
                std::fs::set_permissions(&path, mode).map_err(|error| failed(&path, error))?;
            }
        }
    }
    Ok(())
}

#[cfg(not(unix))]
fn make_executable(_: &[PathBuf]) -> Result<(), String> {
    Ok(())
}
