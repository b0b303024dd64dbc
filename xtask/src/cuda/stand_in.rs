//! Stand-ins for CUDA on machines without it: a script for nvcc, an empty checkout for CUTLASS, and the
//! CPU for the GPU and NVIDIA's libraries.

use std::path::{Path, PathBuf};

use crate::command::step;
use crate::workspace::workspace_root;

/// The script in place of nvcc.
const NVCC: &str = include_str!("stand_in/nvcc.sh");
/// The sources of the libraries in place of a GPU.
const SOURCES: [&str; 4] = ["gpu.cpp", "driver.cpp", "tensor_kernels.cpp", "libraries.cpp"];
/// The commit of the CUTLASS checkout that candle-flash-attn's build script looks for.
const CUTLASS_COMMIT: &str = "7d49e6c7e2f8896c47f586706e67e1fb215529dc";

/// The packages whose build scripts ask for nvcc, or for the version of CUDA.
const NVCC_PACKAGES: [&str; 4] = ["candle-kernels", "candle-flash-attn", "cudarc", "prospect-cuda"];

/// A folder in the layout of a CUDA installation.
pub(super) struct StandIn {
    folder: PathBuf,
}

impl StandIn {
    /// Creates everything that a build needs.
    pub(super) fn prepare() -> Result<Self, String> {
        let folder = workspace_root().join("target/cuda-check");
        compiler(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        Ok(Self { folder })
    }

    /// Builds the libraries that a program loads when it opens a GPU.
    pub(super) fn libraries(&self) -> Result<(), String> {
        let library = self.folder.join("lib/libcuda.so");
        let sources = workspace_root().join("xtask/src/cuda/stand_in");
        let sources = SOURCES.map(|source| sources.join(source).display().to_string());
        let kernels = format!("-I{}", workspace_root().join("crates/prospect-cuda/kernels").display());
        let options = ["-std=c++17", "-O2", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared"];
        let rest =
            ["-U_FORTIFY_SOURCE", "-DPROSPECT_EMULATED", &kernels, "-o", &library.display().to_string()];
        let sources: Vec<&str> = sources.iter().map(String::as_str).collect();
        step("stand-in GPU", "g++", &[&options[..], &rest, &sources].concat(), &[])?;
        for other in ["libcublas.so", "libcurand.so"] {
            let copy = library.with_file_name(other);
            // Links instead of copies, so that all names load the same library.
            let _ = std::fs::remove_file(&copy);
            link(&library, &copy).map_err(|error| format!("{}: {error}", copy.display()))?;
        }
        Ok(())
    }

    /// Environment variables for a build in a folder of its own, and for running a program.
    pub(super) fn environment_apart(&self) -> Vec<(&'static str, String)> {
        let mut environment = self.environment();
        environment.push(("CARGO_TARGET_DIR", self.folder.join("build").display().to_string()));
        environment
    }

    /// Environment variables for a build that shares its dependencies with the builds without a GPU
    /// ([`marked`]), and for running a program.
    pub(super) fn environment(&self) -> Vec<(&'static str, String)> {
        let path = |name: &str| self.folder.join(name).display().to_string();
        vec![
            ("NVCC", path("bin/nvcc")),
            ("CUDAFORGE_HOME", path("cudaforge")),
            ("PROSPECT_CUTLASS", path("include")),
            ("PROSPECT_CUDA_CAPABILITIES", "80".to_owned()),
            ("CUDA_COMPUTE_CAP", "80".to_owned()),
            ("CUDARC_CUDA_VERSION", "13000".to_owned()),
            ("LD_LIBRARY_PATH", path("lib")),
        ]
    }
}

/// Options of cargo for a build with the stand-in in the folder of all builds. The packages whose build scripts ask for nvcc get an
/// optimisation of their own, so that no build with the real nvcc takes what the stand-in compiled for its own.
pub(super) fn marked(profile: &str) -> Vec<String> {
    let option =
        |package: &str| ["--config".to_owned(), format!("profile.{profile}.package.{package}.opt-level=1")];
    NVCC_PACKAGES.iter().flat_map(|package| option(package)).collect()
}

fn compiler(folder: &Path) -> std::io::Result<()> {
    for part in ["bin", "include", "lib", "lib64"] {
        std::fs::create_dir_all(folder.join(part))?;
    }
    let nvcc = folder.join("bin/nvcc");
    // Written only if it changed, because its modification time is an input of the build.
    if std::fs::read_to_string(&nvcc).ok().as_deref() != Some(NVCC) {
        std::fs::write(&nvcc, NVCC)?;
        executable(&nvcc)?;
    }
    // An empty archive: our kernels, compiled as C++, need nothing from the CUDA runtime.
    let runtime = folder.join("lib64/libcudart_static.a");
    if !runtime.exists() {
        std::fs::write(&runtime, "!<arch>\n")?;
    }
    let name = format!("cutlass-{}", &CUTLASS_COMMIT[..16]);
    let checkout: PathBuf = folder.join("cudaforge/git/checkouts").join(name);
    for part in ["include", "tools/util/include", ".git/objects", ".git/refs"] {
        std::fs::create_dir_all(checkout.join(part))?;
    }
    std::fs::write(checkout.join(".git/HEAD"), format!("{CUTLASS_COMMIT}\n"))
}

#[cfg(unix)]
fn link(to: &Path, from: &Path) -> std::io::Result<()> {
    std::os::unix::fs::symlink(to, from)
}

#[cfg(not(unix))]
fn link(to: &Path, from: &Path) -> std::io::Result<()> {
    std::fs::copy(to, from).map(drop)
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
