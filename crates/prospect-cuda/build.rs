//! Links the CUDA runtime into the binary, and compiles our kernels.

#[cfg(feature = "flash-attn")]
#[path = "build/flash.rs"]
mod flash;
#[cfg(feature = "cuda")]
#[path = "build/nvcc.rs"]
mod nvcc;
#[cfg(feature = "cuda")]
#[path = "build/runtime.rs"]
mod runtime;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=build");
    #[cfg(feature = "cuda")]
    {
        runtime::link();
        nvcc::compile("prospectrows", &["rows.cu"], |builder| builder);
    }
    #[cfg(feature = "flash-attn")]
    flash::compile();
}
