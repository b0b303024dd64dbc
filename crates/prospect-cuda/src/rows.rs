//! Kernels over the rows of a chunk (kernels/rows.cu): what lies between two matrix products of a layer, in one launch.
//!
//! Sixteen bits are bf16 or f16, whichever the tensors are. All tensors of a call are contiguous and on one device.

use std::ffi::{c_int, c_void};

use candle_core::{DType, Device, Result, Tensor};

use crate::memory::launch;
use crate::step::{Bounds, Step};

/// Whether there are kernels for tensors of this type there.
pub fn has_row_kernels(device: &Device, dtype: DType) -> bool {
    device.is_cuda() && matches!(dtype, DType::BF16 | DType::F16)
}

#[allow(unsafe_code)]
unsafe extern "C" {
    fn prospect_rms_norm(
        x: *const c_void,
        weight: *const c_void,
        out: *mut c_void,
        rows: c_int,
        size: c_int,
        eps: f32,
        is_bf16: c_int,
        stream: *mut c_void,
    ) -> c_int;
    fn prospect_layer_norm(
        x: *mut c_void,
        weight: *const c_void,
        bias: *const c_void,
        pending: *const c_void,
        out: *mut c_void,
        rows: c_int,
        size: c_int,
        eps: f32,
        is_bf16: c_int,
        stream: *mut c_void,
    ) -> c_int;
    fn prospect_add_bias(
        x: *mut c_void,
        bias: *const c_void,
        rows: c_int,
        size: c_int,
        gelu: c_int,
        is_bf16: c_int,
        stream: *mut c_void,
    ) -> c_int;
    fn prospect_gated(
        gate_up: *const c_void,
        out: *mut c_void,
        rows: c_int,
        inner: c_int,
        is_bf16: c_int,
        stream: *mut c_void,
    ) -> c_int;
    fn prospect_turn_into_cache(
        qkv: *const c_void,
        cosines: *const c_void,
        sines: *const c_void,
        step: *const c_void,
        queries: *mut c_void,
        keys: *mut c_void,
        values: *mut c_void,
        tokens: c_int,
        heads: c_int,
        kv_heads: c_int,
        head_dim: c_int,
        capacity: c_int,
        is_bf16: c_int,
        stream: *mut c_void,
    ) -> c_int;
    fn prospect_embed_word(
        table: *const c_void,
        step: *const c_void,
        out: *mut c_void,
        hidden: c_int,
        is_bf16: c_int,
        stream: *mut c_void,
    ) -> c_int;
    fn prospect_choose(
        logits: *const c_void,
        choice: *mut c_void,
        vocab: c_int,
        silence: c_int,
        stream: *mut c_void,
    ) -> c_int;
}

/// RMS norm of rows `[rows, size]` in f32 by `weight` `[size]` in f32, rounded to `dtype`.
///
/// # Errors
/// Shapes and types that are not these; a failure of the driver. So for all of them.
pub fn rms_norm(x: &Tensor, weight: &Tensor, eps: f32, dtype: DType) -> Result<Tensor> {
    let (rows, size) = x.dims2()?;
    check_half(dtype)?;
    expect("rms norm", &[(x, DType::F32, &[rows, size]), (weight, DType::F32, &[size])])?;
    let out = output((rows, size), dtype, x.device())?;
    launch("rms norm", [x, weight], [&out], |[x, weight], [out], stream| {
        // SAFETY: the kernel reads `rows * size` of x and `size` weights, and writes `rows * size`: what the shapes say.
        #[allow(unsafe_code)]
        unsafe {
            prospect_rms_norm(x, weight, out, int(rows), int(size), eps, is_bf16(dtype), stream)
        }
    })?;
    Ok(out)
}

/// Layer norm of rows `[rows, size]` in f32 by `weight` and `bias`, `[size]` in f32, rounded to `dtype`. Then `pending` `[size]`, if
/// there is one, is added to the rows themselves: the bias of the product that is added to them next.
pub fn layer_norm(
    x: &Tensor,
    (weight, bias): (&Tensor, &Tensor),
    eps: f32,
    pending: Option<&Tensor>,
    dtype: DType,
) -> Result<Tensor> {
    let (rows, size) = x.dims2()?;
    check_half(dtype)?;
    let added = pending.unwrap_or(bias);
    let features: &[usize] = &[size];
    let of_features = [weight, bias, added].map(|tensor| (tensor, DType::F32, features));
    expect("layer norm", &[(x, DType::F32, &[rows, size])])?;
    expect("layer norm", &of_features)?;
    let out = output((rows, size), dtype, x.device())?;
    launch("layer norm", [weight, bias, added], [x, &out], |[weight, bias, added], [x, out], stream| {
        let added = if pending.is_some() { added } else { std::ptr::null() };
        // SAFETY: the kernel reads and writes `rows * size` of x, reads `size` of weight, bias and pending, and writes `rows * size`.
        #[allow(unsafe_code)]
        unsafe {
            prospect_layer_norm(
                x,
                weight,
                bias,
                added,
                out,
                int(rows),
                int(size),
                eps,
                is_bf16(dtype),
                stream,
            )
        }
    })?;
    Ok(out)
}

/// Adds `bias` `[size]` in f32 to rows `[rows, size]` of 16 bits where they lie; with `gelu`, that of the sum by its tanh.
pub fn add_bias(x: &Tensor, bias: &Tensor, gelu: bool) -> Result<()> {
    let ((rows, size), dtype) = (x.dims2()?, half(x)?);
    expect("bias", &[(x, dtype, &[rows, size]), (bias, DType::F32, &[size])])?;
    launch("bias", [bias], [x], |[bias], [x], stream| {
        // SAFETY: the kernel reads and writes `rows * size` of x and reads `size` of bias.
        #[allow(unsafe_code)]
        unsafe {
            prospect_add_bias(x, bias, int(rows), int(size), c_int::from(gelu), is_bf16(dtype), stream)
        }
    })
}

/// `silu(gate) * value` of rows of gates and values side by side, `[rows, 2 * inner]` of 16 bits: `[rows, inner]`.
pub fn gated(gate_up: &Tensor) -> Result<Tensor> {
    let ((rows, both), dtype) = (gate_up.dims2()?, half(gate_up)?);
    let inner = both / 2;
    expect("gate", &[(gate_up, dtype, &[rows, 2 * inner])])?;
    let out = output((rows, inner), dtype, gate_up.device())?;
    launch("gate", [gate_up], [&out], |[gate_up], [out], stream| {
        // SAFETY: the kernel reads `rows * 2 * inner`, which is no more than there is, and writes `rows * inner`.
        #[allow(unsafe_code)]
        unsafe {
            prospect_gated(gate_up, out, int(rows), int(inner), is_bf16(dtype), stream)
        }
    })?;
    Ok(out)
}

/// Queries, keys and values of a chunk side by side, `[tokens, (heads + 2 * kv_heads) * head_dim]` of 16 bits: queries and keys are
/// turned by the rows of `tables`, cosines and sines `[positions, head_dim / 2]` in f32, from the step's position on; keys and values
/// go into `cache`, `[1, kv_heads, capacity, head_dim]` each, from the step's slot on. Returns the queries
/// `[tokens, heads, head_dim]`.
pub fn turn_into_cache(
    qkv: &Tensor,
    (cosines, sines): (&Tensor, &Tensor),
    step: &Step,
    (keys, values): (&Tensor, &Tensor),
    heads: usize,
) -> Result<Tensor> {
    let ((tokens, width), dtype) = (qkv.dims2()?, half(qkv)?);
    let (_, kv_heads, capacity, head_dim) = keys.dims4()?;
    let cache = &[1, kv_heads, capacity, head_dim];
    let (positions, half) = cosines.dims2()?;
    if width != (heads + 2 * kv_heads) * head_dim || head_dim != 2 * half {
        candle_core::bail!(
            "turning into the cache: {width} features and {half} angles for heads of {head_dim}"
        )
    }
    expect(
        "turning into the cache",
        &[
            (qkv, dtype, &[tokens, width]),
            (cosines, DType::F32, &[positions, half]),
            (sines, DType::F32, &[positions, half]),
            (keys, dtype, cache),
            (values, dtype, cache),
        ],
    )?;
    step.stay_below(Bounds { position: positions, slot: capacity, ..Bounds::NONE }, tokens)?;
    let queries = output((tokens, heads * head_dim), dtype, qkv.device())?;
    let read = [qkv, cosines, sines, step.numbers()];
    launch(
        "turning into the cache",
        read,
        [&queries, keys, values],
        |[qkv, cosines, sines, step], [queries, keys, values], stream| {
            // SAFETY: the shapes are those that the kernel counts in, and the step is below the rows of the tables and the capacity.
            #[allow(unsafe_code)]
            unsafe {
                prospect_turn_into_cache(
                    qkv,
                    cosines,
                    sines,
                    step,
                    queries,
                    keys,
                    values,
                    int(tokens),
                    int(heads),
                    int(kv_heads),
                    int(head_dim),
                    int(capacity),
                    is_bf16(dtype),
                    stream,
                )
            }
        },
    )?;
    queries.reshape((tokens, heads, head_dim))
}

/// The embedding of the step's word in f32, `[1, hidden]`, from a table `[vocab, hidden]` of 16 bits.
pub fn embed_word(table: &Tensor, step: &Step) -> Result<Tensor> {
    let ((vocab, hidden), dtype) = (table.dims2()?, half(table)?);
    expect("embedding", &[(table, dtype, &[vocab, hidden])])?;
    step.stay_below(Bounds { id: vocab, ..Bounds::NONE }, 1)?;
    let out = output((1, hidden), DType::F32, table.device())?;
    launch("embedding", [table, step.numbers()], [&out], |[table, step], [out], stream| {
        // SAFETY: the kernel reads one row, the step's, which the table has, and writes `hidden`.
        #[allow(unsafe_code)]
        unsafe {
            prospect_embed_word(table, step, out, int(hidden), is_bf16(dtype), stream)
        }
    })?;
    Ok(out)
}

/// What is known of the next word, `[4]` in f32 into `choice`, from its logits, `[vocab]` in f32: the likeliest id, the likeliest one
/// that is not `silence`, the probability of `silence`, and 0 unless a logit is not finite. A vocabulary has less than 2^24 words,
/// so that ids are exact.
pub fn choose(logits: &Tensor, silence: u32, choice: &Tensor) -> Result<()> {
    let vocab = logits.elem_count();
    expect("choice", &[(logits, DType::F32, logits.dims()), (choice, DType::F32, &[4])])?;
    // One that no vocabulary has becomes -1.
    let silence = c_int::try_from(silence).unwrap_or(-1);
    launch("choice", [logits], [choice], |[logits], [choice], stream| {
        // SAFETY: the kernel reads `vocab` logits and writes four numbers.
        #[allow(unsafe_code)]
        unsafe {
            prospect_choose(logits, choice, int(vocab), silence, stream)
        }
    })
}

/// Room for `shape`, which a kernel fills.
fn output(shape: (usize, usize), dtype: DType, device: &Device) -> Result<Tensor> {
    // SAFETY: the kernel writes all of it before anything reads it.
    #[allow(unsafe_code)]
    unsafe {
        Tensor::empty(shape, dtype, device)
    }
}

fn half(tensor: &Tensor) -> Result<DType> {
    check_half(tensor.dtype())?;
    Ok(tensor.dtype())
}

fn check_half(dtype: DType) -> Result<()> {
    match dtype {
        DType::BF16 | DType::F16 => Ok(()),
        other => candle_core::bail!("kernels over rows take bf16 and f16, not {other:?}"),
    }
}

/// Fails unless tensors have these types and shapes, and numbers that the kernels can count.
fn expect(name: &str, tensors: &[(&Tensor, DType, &[usize])]) -> Result<()> {
    for (tensor, dtype, dims) in tensors {
        let fits = tensor.dtype() == *dtype && tensor.dims() == *dims;
        if !fits || dims.iter().any(|&size| c_int::try_from(size).is_err()) {
            candle_core::bail!(
                "{name}: expected {dtype:?} {dims:?}, found {:?} {:?}",
                tensor.dtype(),
                tensor.dims()
            )
        }
    }
    Ok(())
}

/// A size that [`expect`] has seen, or a part of one.
fn int(size: usize) -> c_int {
    size as c_int
}

fn is_bf16(dtype: DType) -> c_int {
    c_int::from(dtype == DType::BF16)
}
