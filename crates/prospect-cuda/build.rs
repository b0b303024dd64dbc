//! Links the CUDA runtime into the binary, and compiles our kernels: for GPUs, or emulated on the CPU.

#[cfg(all(feature = "emulated", not(feature = "cuda")))]
#[path = "build/emulated.rs"]
mod emulated;
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
    #[cfg(all(feature = "emulated", not(feature = "cuda")))]
    emulated::compile();
    #[cfg(feature = "cuda")]
    {
        runtime::link();
        nvcc::compile("prospectrows", &["rows.cu"], |builder| builder);
    }
    #[cfg(feature = "flash-attn")]
    flash::compile();
}
