//! Names and shapes of the weights of decoder and vision layers, for every form in which weights are
//! held.

use crate::error::Result;
use crate::text_config::TextConfig;
use crate::vision::VisionConfig;
use crate::weights::Weights;

/// One of several matrices that are stacked into one: its name and its number of outputs.
pub(crate) type Part = (String, usize);

/// A decoder layer, with norms of type `N` and linear layers of type `L`. Fields have the names of the
/// checkpoint.
pub(crate) struct DecoderLayer<N, L> {
    pub(crate) input_layernorm: N,
    /// Queries, keys and values, stacked.
    pub(crate) qkv_proj: L,
    pub(crate) o_proj: L,
    pub(crate) post_attention_layernorm: N,
    /// Gates and values, stacked.
    pub(crate) gate_up_proj: L,
    pub(crate) down_proj: L,
}

/// A layer of the vision tower, in the same form.
pub(crate) struct VisionLayer<N, L> {
    pub(crate) layer_norm1: N,
    /// Queries, keys and values, stacked.
    pub(crate) qkv_proj: L,
    pub(crate) out_proj: L,
    pub(crate) layer_norm2: N,
    pub(crate) fc1: L,
    pub(crate) fc2: L,
}

impl<N, L> DecoderLayer<N, L> {
    /// Reads the layer `name`. `norm` reads a norm by name, `linear` reads layers with the same input
    /// as one.
    pub(crate) fn read(
        config: &TextConfig,
        name: &str,
        norm: impl Fn(&str) -> Result<N>,
        linear: impl Fn(&[Part], usize) -> Result<L>,
    ) -> Result<Self> {
        let (hidden, inner, head_dim) = (config.hidden_size, config.intermediate_size, config.head_dim());
        let (queries, kv) = (config.num_attention_heads * head_dim, config.kv_heads() * head_dim);
        let norm = |part: &str| norm(&format!("{name}.{part}"));
        let part = |part: &str, outputs| (format!("{name}.{part}"), outputs);
        let qkv =
            [part("self_attn.q_proj", queries), part("self_attn.k_proj", kv), part("self_attn.v_proj", kv)];
        Ok(Self {
            input_layernorm: norm("input_layernorm")?,
            qkv_proj: linear(&qkv, hidden)?,
            o_proj: linear(&[part("self_attn.o_proj", hidden)], queries)?,
            post_attention_layernorm: norm("post_attention_layernorm")?,
            gate_up_proj: linear(&[part("mlp.gate_proj", inner), part("mlp.up_proj", inner)], hidden)?,
            down_proj: linear(&[part("mlp.down_proj", hidden)], inner)?,
        })
    }

    /// The layer with each of its linear layers replaced.
    pub(crate) fn map<M, E>(
        self,
        mut replace: impl FnMut(L) -> std::result::Result<M, E>,
    ) -> std::result::Result<DecoderLayer<N, M>, E> {
        Ok(DecoderLayer {
            input_layernorm: self.input_layernorm,
            qkv_proj: replace(self.qkv_proj)?,
            o_proj: replace(self.o_proj)?,
            post_attention_layernorm: self.post_attention_layernorm,
            gate_up_proj: replace(self.gate_up_proj)?,
            down_proj: replace(self.down_proj)?,
        })
    }

    pub(crate) fn linears(&self) -> [&L; 4] {
        [&self.qkv_proj, &self.o_proj, &self.gate_up_proj, &self.down_proj]
    }

    pub(crate) fn linears_mut(&mut self) -> [&mut L; 4] {
        [&mut self.qkv_proj, &mut self.o_proj, &mut self.gate_up_proj, &mut self.down_proj]
    }
}

impl<N, L> VisionLayer<N, L> {
    /// As [`DecoderLayer::read`].
    pub(crate) fn read(
        config: &VisionConfig,
        name: &str,
        norm: impl Fn(&str) -> Result<N>,
        linear: impl Fn(&[Part], usize) -> Result<L>,
    ) -> Result<Self> {
        let (hidden, inner) = (config.hidden_size, config.intermediate_size);
        let norm = |part: &str| norm(&format!("{name}.{part}"));
        let part = |part: &str, outputs| (format!("{name}.{part}"), outputs);
        let qkv = ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"].map(|name| part(name, hidden));
        Ok(Self {
            layer_norm1: norm("layer_norm1")?,
            qkv_proj: linear(&qkv, hidden)?,
            out_proj: linear(&[part("self_attn.out_proj", hidden)], hidden)?,
            layer_norm2: norm("layer_norm2")?,
            fc1: linear(&[part("mlp.fc1", inner)], hidden)?,
            fc2: linear(&[part("mlp.fc2", hidden)], inner)?,
        })
    }

    pub(crate) fn linears(&self) -> [&L; 4] {
        [&self.qkv_proj, &self.out_proj, &self.fc1, &self.fc2]
    }

    pub(crate) fn linears_mut(&mut self) -> [&mut L; 4] {
        [&mut self.qkv_proj, &mut self.out_proj, &mut self.fc1, &mut self.fc2]
    }
}

/// Names of embedding table and head, as `transformers` 5 reads them. An untied checkpoint has both. A
/// tied one has one of them; if it has both, both are used.
pub(crate) fn table_and_head(weights: &Weights, tied: bool) -> (&'static str, &'static str) {
    let (table, head) = ("model.text_model.embed_tokens", "lm_head");
    let has = |name: &str| weights.has(&format!("{name}.weight"));
    match tied {
        true if !has(head) => (table, table),
        true if !has(table) => (head, head),
        _ => (table, head),
    }
}
