//! What stands in for CUDA where there is none: for nvcc a script, for CUTLASS an empty checkout, for a GPU and NVIDIA's libraries the CPU.

use std::path::{Path, PathBuf};

use crate::command::step;
use crate::workspace::workspace_root;

/// In the place of nvcc.
const NVCC: &str = include_str!("stand_in/nvcc.sh");
/// In the place of a GPU.
const SOURCES: [&str; 4] = ["gpu.cpp", "driver.cpp", "tensor_kernels.cpp", "libraries.cpp"];
/// The checkout that candle-flash-attn's build script looks for, by its commit.
const CUTLASS_COMMIT: &str = "7d49e6c7e2f8896c47f586706e67e1fb215529dc";

/// The packages whose build scripts ask for nvcc, or for the version of CUDA.
const NVCC_PACKAGES: [&str; 4] = ["candle-kernels", "candle-flash-attn", "cudarc", "prospect-cuda"];

/// A folder that looks like CUDA's.
pub(super) struct StandIn {
    folder: PathBuf,
}

impl StandIn {
    /// Everything that a build looks for.
    pub(super) fn prepare() -> Result<Self, String> {
        let folder = workspace_root().join("target/cuda-check");
        compiler(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        Ok(Self { folder })
    }

    /// The libraries that a program looks for when it opens a GPU.
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
            // A link: one library, whichever of its names it is opened by.
            let _ = std::fs::remove_file(&copy);
            link(&library, &copy).map_err(|error| format!("{}: {error}", copy.display()))?;
        }
        Ok(())
    }

    /// What a build of its own has to see, in a folder of its own, and a program that is run.
    pub(super) fn environment_apart(&self) -> Vec<(&'static str, String)> {
        let mut environment = self.environment();
        environment.push(("CARGO_TARGET_DIR", self.folder.join("build").display().to_string()));
        environment
    }

    /// What a build has to see that shares its dependencies with the build without a GPU ([`marked`]).
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
    // Only when it changed: its time is an input of the build.
    if std::fs::read_to_string(&nvcc).ok().as_deref() != Some(NVCC) {
        std::fs::write(&nvcc, NVCC)?;
        executable(&nvcc)?;
    }
    // An archive of nothing: our kernels as C++ need nothing of CUDA.
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
