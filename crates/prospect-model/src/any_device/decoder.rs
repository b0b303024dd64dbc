//! The Llama decoder over tensors.

use candle_core::{DType, Tensor};
use candle_nn::{Activation, Module};

use super::attention::Causal;
use super::layers::{Linear, RmsNorm, wide};
use super::weights::OnDevice;
use crate::cache::KvCache;
use crate::cpu::{Chunk, table_and_head};
use crate::error::Result;
use crate::layer_weights::{DecoderLayer, Part};
use crate::placement::Compute;
use crate::rotary::Rotary;
use crate::text_config::TextConfig;

type Layer = DecoderLayer<RmsNorm, Linear>;

/// The decoder with its embedding table and head.
pub(crate) struct Decoder {
    config: TextConfig,
    compute: Compute,
    embed_tokens: Tensor,
    layers: Vec<Layer>,
    norm: RmsNorm,
    lm_head: Linear,
    rotary: Rotary,
}

impl Decoder {
    pub(crate) fn load(weights: &OnDevice<'_>, config: &TextConfig, tied: bool) -> Result<Self> {
        let prefix = "model.text_model";
        let (table, head) = table_and_head(weights.weights, tied);
        let read =
            |name: &str| weights.get(&format!("{name}.weight"), &[config.vocab_size, config.hidden_size]);
        let embed_tokens = read(table)?;
        let head = if head == table { embed_tokens.clone() } else { read(head)? };
        let norm = |name: &str| RmsNorm::load(weights, name, config.hidden_size, config.rms_norm_eps);
        let linear = |parts: &[Part], input| Linear::stacked(weights, parts, input, false);
        let layer = |name: &str| Layer::read(config, name, norm, linear);
        Ok(Self {
            config: config.clone(),
            compute: weights.compute.clone(),
            embed_tokens,
            layers: (0..config.num_hidden_layers)
                .map(|index| layer(&format!("{prefix}.layers.{index}")))
                .collect::<Result<_>>()?,
            norm: norm(&format!("{prefix}.norm"))?,
            lm_head: Linear::of(weights, head, None)?,
            rotary: Rotary::new(
                config.head_dim(),
                config.rope_theta(),
                config.max_position_embeddings,
                weights.compute,
            )?,
        })
    }

    pub(crate) fn rotary(&self) -> &Rotary {
        &self.rotary
    }

    /// Bytes of weights that every token reads.
    pub(crate) fn weight_bytes(&self) -> usize {
        let layers = self.layers.iter().flat_map(Layer::linears);
        layers.chain([&self.lm_head]).map(Linear::weight_bytes).sum()
    }

    /// Embeddings of token ids, `[tokens, hidden]`.
    pub(crate) fn embed(&self, ids: &[u32]) -> Result<Tensor> {
        Ok(self.embed_tokens.index_select(&Tensor::new(ids, &self.compute.device)?, 0)?)
    }

    /// Runs a chunk behind what `cache` holds and leaves its tokens in it. The logits of its last `rows` tokens, `[rows, vocab]`,
    /// replace what is in `logits`.
    pub(crate) fn forward(
        &self,
        chunk: Chunk<'_>,
        cache: &mut KvCache,
        rows: usize,
        logits: &mut Vec<f32>,
    ) -> Result<()> {
        let hidden = self.hidden_states(chunk, cache)?;
        logits.clear();
        if rows > 0 {
            *logits = self.logits(&hidden, rows)?.flatten_all()?.to_vec1()?;
        }
        Ok(())
    }

    /// Puts one word into the cache and returns the likeliest that follows, or `None` if a logit is not finite. Two numbers come
    /// back from the device.
    pub(crate) fn likeliest(&self, id: u32, cache: &mut KvCache) -> Result<Option<u32>> {
        let hidden = self.hidden_states(Chunk::Words(&[id]), cache)?;
        let logits = self.logits(&hidden, 1)?.flatten_all()?;
        // Ids are whole numbers in f32: a vocabulary has less than 2^24 tokens. Nothing but a finite number times 0 is 0.
        let likeliest = logits.argmax(0)?.to_dtype(DType::F32)?;
        let nothing = (logits * 0.0)?.sum_all()?;
        let both: Vec<f32> = Tensor::stack(&[likeliest, nothing], 0)?.to_vec1()?;
        Ok((both[1] == 0.0).then_some(both[0] as u32))
    }

    /// Logits of the last `rows` tokens in f32, `[rows, vocab]`.
    fn logits(&self, hidden: &Tensor, rows: usize) -> Result<Tensor> {
        let last = hidden.narrow(0, hidden.dim(0)? - rows, rows)?;
        self.lm_head.forward_wide(&self.norm.forward(&last.contiguous()?)?)
    }

    /// The residual stream behind the last layer, `[tokens, hidden]`, in f32.
    fn hidden_states(&self, chunk: Chunk<'_>, cache: &mut KvCache) -> Result<Tensor> {
        let embeddings = match chunk {
            Chunk::Words(ids) => self.embed(ids)?,
            Chunk::Embeddings(embeddings) => embeddings.clone(),
        };
        let tokens = embeddings.dim(0)?;
        cache.check_room(tokens)?;
        self.rotary.check(cache.next_position(), tokens)?;
        cache.keep_embedding_rows(&embeddings)?;
        let causal = Causal::new(&self.compute, self.config.head_dim(), tokens, cache.len())?;
        let mut x = wide(&embeddings)?;
        for (index, layer) in self.layers.iter().enumerate() {
            let normed = layer.input_layernorm.forward(&x)?;
            x = (x + self.attention(layer, index, &normed, cache, &causal)?)?;
            x = (&x + layer.mlp(&layer.post_attention_layernorm.forward(&x)?, self.config.hidden_act)?)?;
        }
        cache.commit(tokens);
        Ok(x)
    }

    fn attention(
        &self,
        layer: &Layer,
        index: usize,
        x: &Tensor,
        cache: &KvCache,
        causal: &Causal,
    ) -> Result<Tensor> {
        let (heads, kv_heads) = (self.config.num_attention_heads, self.config.kv_heads());
        let tokens = x.dim(0)?;
        let qkv = layer.qkv_proj.forward(x)?;
        let qkv = qkv.reshape((1, tokens, heads + 2 * kv_heads, self.config.head_dim()))?;
        let by_head = |start, count| qkv.narrow(2, start, count)?.transpose(1, 2)?.contiguous();
        let turned = self.rotary.apply(&by_head(0, heads + kv_heads)?, cache.next_position())?;
        let (queries, keys) = (turned.narrow(1, 0, heads)?, turned.narrow(1, heads, kv_heads)?);
        let (keys, values) = cache.write(index, &keys, &by_head(heads + kv_heads, kv_heads)?)?;
        layer.o_proj.forward_wide(&causal.forward(&queries, &keys, &values)?)
    }
}

impl Layer {
    /// To f32, as what attention returns.
    fn mlp(&self, x: &Tensor, activation: Activation) -> Result<Tensor> {
        let gate_up = self.gate_up_proj.forward(x)?;
        let inner = gate_up.dim(1)? / 2;
        let gate = activation.forward(&gate_up.narrow(1, 0, inner)?)?;
        self.down_proj.forward_wide(&(gate * gate_up.narrow(1, inner, inner)?)?)
    }
}
