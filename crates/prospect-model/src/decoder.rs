//! The Llama decoder: grouped-query attention over the cache, without expanding its keys.

use candle_core::{Device, Tensor};
use candle_nn::{Activation, Module};

use crate::cache::KvCache;
use crate::error::Result;
use crate::fused;
use crate::layers::{Linear, RmsNorm};
use crate::linear::PackedLinear;
use crate::rotary::Rotary;
use crate::text_config::TextConfig;
use crate::weights::Weights;

struct Layer {
    input_layernorm: RmsNorm,
    q_proj: Linear,
    k_proj: Linear,
    v_proj: Linear,
    o_proj: Linear,
    post_attention_layernorm: RmsNorm,
    gate_proj: Linear,
    up_proj: Linear,
    down_proj: Linear,
}

/// The decoder with its embedding table and head.
pub(crate) struct Decoder {
    config: TextConfig,
    embed_tokens: Tensor,
    layers: Vec<Layer>,
    norm: RmsNorm,
    lm_head: Linear,
    rotary: Rotary,
}

impl Decoder {
    pub(crate) fn load(weights: &Weights, config: &TextConfig, tied: bool, device: &Device) -> Result<Self> {
        let prefix = "model.text_model";
        let (embed_tokens, head) = table_and_head(weights, config, tied)?;
        let mut decoder = Self {
            config: config.clone(),
            embed_tokens,
            layers: (0..config.num_hidden_layers)
                .map(|index| Layer::load(weights, config, &format!("{prefix}.layers.{index}")))
                .collect::<Result<_>>()?,
            norm: RmsNorm::load(weights, &format!("{prefix}.norm"), config.hidden_size, config.rms_norm_eps)?,
            lm_head: Linear::from_weight(&head)?,
            rotary: Rotary::new(
                config.head_dim(),
                config.rope_theta(),
                config.max_position_embeddings,
                device,
            )?,
        };
        // Read from end to end for every token.
        let layers = decoder.layers.iter_mut().flat_map(Layer::linears);
        PackedLinear::gather(layers.chain([&mut decoder.lm_head]).map(Linear::packed));
        Ok(decoder)
    }

    pub(crate) fn rotary(&self) -> &Rotary {
        &self.rotary
    }

    /// Embeddings of token ids, `[tokens, hidden]`.
    pub(crate) fn embed(&self, ids: &Tensor) -> Result<Tensor> {
        Ok(self.embed_tokens.index_select(ids, 0)?)
    }

    /// Runs `[tokens, hidden]` behind what `cache` holds and leaves the tokens in it. Returns the hidden states of the last
    /// layer, normalised.
    pub(crate) fn forward(&self, embeddings: &Tensor, cache: &mut KvCache) -> Result<Tensor> {
        let tokens = embeddings.dim(0)?;
        cache.check_room(tokens)?;
        let mut x = embeddings.clone();
        for (index, layer) in self.layers.iter().enumerate() {
            let normed = layer.input_layernorm.forward(&x)?;
            x = (x + self.attention(layer, index, &normed, cache)?)?;
            x = (&x + layer.mlp(&layer.post_attention_layernorm.forward(&x)?, self.config.hidden_act)?)?;
        }
        cache.commit(embeddings)?;
        self.norm.forward(&x)
    }

    /// Logits `[rows, vocab]` of hidden states `[rows, hidden]`.
    pub(crate) fn logits(&self, hidden: &Tensor) -> Result<Tensor> {
        self.lm_head.forward(hidden)
    }

    fn attention(&self, layer: &Layer, index: usize, x: &Tensor, cache: &KvCache) -> Result<Tensor> {
        let (heads, kv_heads, head_dim) =
            (self.config.num_attention_heads, self.config.kv_heads(), self.config.head_dim());
        let tokens = x.dim(0)?;
        let split = |x: Tensor, heads: usize| -> Result<Tensor> {
            Ok(x.reshape((1, tokens, heads, head_dim))?.transpose(1, 2)?)
        };
        let start = cache.next_position();
        let query = self.rotary.apply(&split(layer.q_proj.forward(x)?, heads)?, start)?;
        let keys = self.rotary.apply(&split(layer.k_proj.forward(x)?, kv_heads)?, start)?;
        let values = split(layer.v_proj.forward(x)?, kv_heads)?;
        let (keys, values) = cache.write(index, &keys, &values)?;
        layer.o_proj.forward(&fused::causal(&query, &keys, &values)?)
    }
}

impl Layer {
    fn load(weights: &Weights, config: &TextConfig, name: &str) -> Result<Self> {
        let (hidden, inner, head_dim) = (config.hidden_size, config.intermediate_size, config.head_dim());
        let (query, kv) = (config.num_attention_heads * head_dim, config.kv_heads() * head_dim);
        let norm =
            |part: &str| RmsNorm::load(weights, &format!("{name}.{part}"), hidden, config.rms_norm_eps);
        let linear = |part: &str, output, input| {
            Linear::load(weights, &format!("{name}.{part}"), output, input, false)
        };
        Ok(Self {
            input_layernorm: norm("input_layernorm")?,
            q_proj: linear("self_attn.q_proj", query, hidden)?,
            k_proj: linear("self_attn.k_proj", kv, hidden)?,
            v_proj: linear("self_attn.v_proj", kv, hidden)?,
            o_proj: linear("self_attn.o_proj", hidden, query)?,
            post_attention_layernorm: norm("post_attention_layernorm")?,
            gate_proj: linear("mlp.gate_proj", inner, hidden)?,
            up_proj: linear("mlp.up_proj", inner, hidden)?,
            down_proj: linear("mlp.down_proj", hidden, inner)?,
        })
    }

    fn linears(&mut self) -> [&mut Linear; 7] {
        [
            &mut self.q_proj,
            &mut self.k_proj,
            &mut self.v_proj,
            &mut self.o_proj,
            &mut self.gate_proj,
            &mut self.up_proj,
            &mut self.down_proj,
        ]
    }

    fn mlp(&self, x: &Tensor, activation: Activation) -> Result<Tensor> {
        let gate = activation.forward(&self.gate_proj.forward(x)?)?;
        self.down_proj.forward(&(gate * self.up_proj.forward(x)?)?)
    }
}

/// Embedding table and head, `[vocab, hidden]` each, as `transformers` 5 reads them: an untied checkpoint has both; a tied one
/// has either, and where it has both, they are taken as they are.
fn table_and_head(weights: &Weights, config: &TextConfig, tied: bool) -> Result<(Tensor, Tensor)> {
    let (table, head) = ("model.text_model.embed_tokens.weight", "lm_head.weight");
    let get = |name| weights.get(name, &[config.vocab_size, config.hidden_size]);
    if tied && !weights.has(head) {
        let shared = get(table)?;
        return Ok((shared.clone(), shared));
    }
    if tied && !weights.has(table) {
        let shared = get(head)?;
        return Ok((shared.clone(), shared));
    }
    Ok((get(table)?, get(head)?))
}
