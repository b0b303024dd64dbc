//! Context strategies for streaming models: what survives when the KV cache overflows
