//! Links the CUDA runtime into the binary, and compiles the kernels of flash attention that SmolVLM2 uses.

#[cfg(feature = "flash-attn")]
#[path = "build/flash.rs"]
mod flash;
#[cfg(feature = "cuda")]
#[path = "build/runtime.rs"]
mod runtime;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=build");
    #[cfg(feature = "cuda")]
    runtime::link();
    #[cfg(feature = "flash-attn")]
    flash::compile();
}
