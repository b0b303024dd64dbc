//! Kernels over the rows of a chunk (kernels/rows.cu). Each does the work between two matrix products
//! of a layer in one launch.
//!
//! "16 bits" means bf16 or f16, whichever type the tensors have. All tensors of a call must be
//! contiguous and on one device.

use std::ffi::{c_int, c_void};

use candle_core::{DType, Device, Result, Tensor};

use crate::memory::launch;
use crate::step::{Bounds, Step};

/// Whether there are kernels for tensors of this type on this device.
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

/// RMS norm over rows `[rows, size]` in f32 with `weight` `[size]` in f32. The result is rounded to
/// `dtype`.
///
/// # Errors
/// Shapes or types other than the documented ones, or a failure of the driver. The same holds for all
/// functions of this module.
pub fn rms_norm(x: &Tensor, weight: &Tensor, eps: f32, dtype: DType) -> Result<Tensor> {
    let (rows, size) = x.dims2()?;
    check_half(dtype)?;
    expect("rms norm", &[(x, DType::F32, &[rows, size]), (weight, DType::F32, &[size])])?;
    let out = output((rows, size), dtype, x.device())?;
    launch("rms norm", [x, weight], [&out], |[x, weight], [out], stream| {
        // SAFETY: the kernel reads `rows * size` values of x and `size` weights, and writes
        // `rows * size` values, as `expect` has checked.
        #[allow(unsafe_code)]
        unsafe {
            prospect_rms_norm(x, weight, out, int(rows), int(size), eps, is_bf16(dtype), stream)
        }
    })?;
    Ok(out)
}

/// Layer norm over rows `[rows, size]` in f32 with `weight` and `bias`, `[size]` in f32. The result is
/// rounded to `dtype`. If `pending` `[size]` is given, it is then added to `x` in place: it is the bias
/// of the product that is added to `x` next.
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

/// Adds `bias` `[size]` in f32 in place to rows `[rows, size]` of 16 bits. With `gelu`, GELU in its
/// tanh approximation is applied to the sum.
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

/// `silu(gate) * value`. Gates and values lie side by side in rows `[rows, 2 * inner]` of 16 bits; the
/// result is `[rows, inner]`.
pub fn gated(gate_up: &Tensor) -> Result<Tensor> {
    let ((rows, both), dtype) = (gate_up.dims2()?, half(gate_up)?);
    let inner = both / 2;
    expect("gate", &[(gate_up, dtype, &[rows, 2 * inner])])?;
    let out = output((rows, inner), dtype, gate_up.device())?;
    launch("gate", [gate_up], [&out], |[gate_up], [out], stream| {
        // SAFETY: the kernel reads `rows * 2 * inner` values, which is no more than the tensor has, and
        // writes `rows * inner`.
        #[allow(unsafe_code)]
        unsafe {
            prospect_gated(gate_up, out, int(rows), int(inner), is_bf16(dtype), stream)
        }
    })?;
    Ok(out)
}

/// Rotates queries and keys of a chunk, and writes keys and values into the cache.
///
/// Queries, keys and values lie side by side in `qkv`, `[tokens, (heads + 2 * kv_heads) * head_dim]` of
/// 16 bits. Queries and keys are rotated by the tables of cosines and sines, each
/// `[positions, head_dim / 2]` in f32, from the step's position on. Keys and values go into the cache
/// tensors, each `[1, kv_heads, capacity, head_dim]`, from the step's slot on. Returns the rotated
/// queries, `[tokens, heads, head_dim]`.
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
            // SAFETY: the shapes are the ones that the kernel assumes, and the step lies below the rows
            // of the tables and below the capacity.
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

/// The embedding of the step's token in f32, `[1, hidden]`, from a table `[vocab, hidden]` of 16 bits.
pub fn embed_word(table: &Tensor, step: &Step) -> Result<Tensor> {
    let ((vocab, hidden), dtype) = (table.dims2()?, half(table)?);
    expect("embedding", &[(table, dtype, &[vocab, hidden])])?;
    step.stay_below(Bounds { id: vocab, ..Bounds::NONE }, 1)?;
    let out = output((1, hidden), DType::F32, table.device())?;
    launch("embedding", [table, step.numbers()], [&out], |[table, step], [out], stream| {
        // SAFETY: the kernel reads the row of the step's token, which the table has, and writes
        // `hidden` values.
        #[allow(unsafe_code)]
        unsafe {
            prospect_embed_word(table, step, out, int(hidden), is_bf16(dtype), stream)
        }
    })?;
    Ok(out)
}

/// Reduces the logits of the next token, `[vocab]` in f32, to four f32 numbers in `choice`: the id with
/// the highest logit, the id with the highest logit other than `silence`, the probability of `silence`,
/// and 0 if all logits are finite. Vocabularies have fewer than 2^24 tokens, so ids are exact in f32.
pub fn choose(logits: &Tensor, silence: u32, choice: &Tensor) -> Result<()> {
    let vocab = logits.elem_count();
    expect("choice", &[(logits, DType::F32, logits.dims()), (choice, DType::F32, &[4])])?;
    // An id beyond the range of c_int is in no vocabulary, and becomes -1.
    let silence = c_int::try_from(silence).unwrap_or(-1);
    launch("choice", [logits], [choice], |[logits], [choice], stream| {
        // SAFETY: the kernel reads `vocab` logits and writes four numbers.
        #[allow(unsafe_code)]
        unsafe {
            prospect_choose(logits, choice, int(vocab), silence, stream)
        }
    })
}

/// Allocates a tensor of this shape, which a kernel fills.
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

/// Fails unless the tensors have these types and shapes, and sizes that fit the kernels' integers.
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

/// A size that [`expect`] has checked, or a part of one.
fn int(size: usize) -> c_int {
    size as c_int
}

fn is_bf16(dtype: DType) -> c_int {
    c_int::from(dtype == DType::BF16)
}
