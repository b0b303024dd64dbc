//! Links the CUDA runtime statically, which is nvcc's default.
//!
//! candle's kernels ask the linker for `-lcudart`. A binary that is linked with libcudart.so cannot
//! start without that file. The linker takes the library from the first search folder that has it in
//! either form. Our folder therefore holds a copy of the static archive under the name libcudart.a. The
//! static runtime looks for the driver only when it is first called.

use std::path::{Path, PathBuf};

use cudaforge::CudaToolkit;

pub(crate) fn link() {
    for variable in ["NVCC", "CUDA_HOME", "CUDA_PATH"] {
        println!("cargo::rerun-if-env-changed={variable}");
    }
    let Ok(toolkit) = CudaToolkit::detect() else {
        panic!("no CUDA compiler found: put nvcc in PATH, set NVCC, or run cargo xtask cuda-build");
    };
    let Some(archive) = find(&toolkit) else {
        println!(
            "cargo::warning=no libcudart_static.a near {}: the binary will want libcudart.so at its start",
            toolkit.nvcc_path.display()
        );
        return;
    };
    let folder = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets it")).join("cudart");
    let copied =
        std::fs::create_dir_all(&folder).and_then(|()| std::fs::copy(&archive, folder.join("libcudart.a")));
    if let Err(error) = copied {
        panic!("cannot copy {} to {}: {error}", archive.display(), folder.display());
    }
    println!("cargo::rustc-link-search=native={}", folder.display());
}

fn find(toolkit: &CudaToolkit) -> Option<PathBuf> {
    let root = toolkit.nvcc_path.parent().and_then(Path::parent)?;
    let folders =
        ["lib64", "lib", "targets/x86_64-linux/lib", "targets/sbsa-linux/lib", "lib/x86_64-linux-gnu"];
    let mut archives = folders.iter().map(|folder| root.join(folder).join("libcudart_static.a"));
    archives.find(|archive| archive.exists())
}
