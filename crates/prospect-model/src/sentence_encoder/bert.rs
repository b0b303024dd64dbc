//! BERT from a checkpoint folder. The configuration is checked, and tensors are found by name and
//! shape.

use std::collections::HashMap;
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::bert::{BertModel, Config, HiddenAct};
use serde::Deserialize;

use super::text::Tokens;
use crate::config::Checker;
use crate::error::{ModelError, Result};
use crate::weights::{Weights, read_json};

/// The supported model type. RoBERTa, MPNet and DistilBERT compute something else.
const MODEL_TYPE: &str = "bert";

/// Prefix of all tensor names in a checkpoint that was saved with a head.
const PREFIX: &str = "bert.";

/// BERT without its pooler.
pub(super) struct Bert {
    model: BertModel,
    config: BertConfig,
}

/// The model type in `config.json`. It is read before the other keys, which differ between types.
#[derive(Deserialize)]
struct Kind {
    model_type: String,
}

/// `config.json`. Sizes are required; other keys have the defaults of `BertConfig` in `transformers`.
#[derive(Deserialize)]
struct BertConfig {
    vocab_size: usize,
    hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    intermediate_size: usize,
    max_position_embeddings: usize,
    #[serde(default = "default_type_vocab_size")]
    type_vocab_size: usize,
    #[serde(default)]
    hidden_act: Activation,
    #[serde(default = "default_layer_norm_eps")]
    layer_norm_eps: f64,
    #[serde(default = "default_position_embedding_type")]
    position_embedding_type: String,
    #[serde(default)]
    is_decoder: bool,
}

/// Activations by their names in `transformers`, which differ from candle's.
#[derive(Default, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Activation {
    #[default]
    Gelu,
    #[serde(alias = "gelu_pytorch_tanh")]
    GeluNew,
    Relu,
}

fn default_type_vocab_size() -> usize {
    2
}

fn default_layer_norm_eps() -> f64 {
    1e-12
}

fn default_position_embedding_type() -> String {
    "absolute".to_owned()
}

impl Bert {
    /// Loads `config.json` and the weights in `folder`.
    pub(super) fn load(folder: &Path) -> Result<Self> {
        let config = BertConfig::from_dir(folder)?;
        let tensors = config.tensors(&Weights::open(folder)?)?;
        let builder = VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu);
        Ok(Self { model: BertModel::load(builder, &config.for_candle())?, config })
    }

    pub(super) fn hidden_size(&self) -> usize {
        self.config.hidden_size
    }

    pub(super) fn max_positions(&self) -> usize {
        self.config.max_position_embeddings
    }

    /// Last hidden states `[tokens, hidden]` of one text.
    pub(super) fn forward(&self, tokens: &Tokens) -> Result<Tensor> {
        let vocab_size = self.config.vocab_size;
        if let Some(&id) = tokens.ids.iter().find(|&&id| id as usize >= vocab_size) {
            return Err(ModelError::TokenId { id, vocab_size });
        }
        let row = |ids: &[u32]| Tensor::new(ids, &self.model.device)?.unsqueeze(0);
        // No mask is needed: without padding, every token counts.
        let hidden = self.model.forward(&row(&tokens.ids)?, &row(&tokens.type_ids)?, None)?;
        Ok(hidden.squeeze(0)?)
    }
}

impl BertConfig {
    fn from_dir(folder: &Path) -> Result<Self> {
        let path = folder.join("config.json");
        let checker = Checker { path: &path };
        let expected = "the configuration of a BERT checkpoint";
        let kind: Kind = read_json(&path, expected)?;
        if kind.model_type != MODEL_TYPE {
            checker.fail("model_type", kind.model_type, MODEL_TYPE)?;
        }
        let config: Self = read_json(&path, expected)?;
        config.check(&checker)?;
        Ok(config)
    }

    fn check(&self, checker: &Checker<'_>) -> Result<()> {
        checker.sizes(&[
            ("vocab_size", self.vocab_size),
            ("hidden_size", self.hidden_size),
            ("num_hidden_layers", self.num_hidden_layers),
            ("num_attention_heads", self.num_attention_heads),
            ("intermediate_size", self.intermediate_size),
            ("max_position_embeddings", self.max_position_embeddings),
            ("type_vocab_size", self.type_vocab_size),
        ])?;
        checker.multiple("hidden_size", self.hidden_size, self.num_attention_heads, "num_attention_heads")?;
        if self.position_embedding_type != "absolute" {
            checker.fail("position_embedding_type", &self.position_embedding_type, "absolute")?;
        }
        if self.is_decoder {
            checker.fail("is_decoder", true, "false: a sentence is read in both directions")?;
        }
        Ok(())
    }

    /// Every tensor of the model in f32, by its name without prefix. They are looked up here instead of
    /// by candle, so that missing or misshapen tensors give the same errors as in the other models.
    fn tensors(&self, weights: &Weights) -> Result<HashMap<String, Tensor>> {
        let words = "embeddings.word_embeddings.weight";
        let prefix = if weights.has(&format!("{PREFIX}{words}")) { PREFIX } else { "" };
        let mut shapes = vec![
            (words.to_owned(), vec![self.vocab_size, self.hidden_size]),
            (
                "embeddings.position_embeddings.weight".to_owned(),
                vec![self.max_position_embeddings, self.hidden_size],
            ),
            (
                "embeddings.token_type_embeddings.weight".to_owned(),
                vec![self.type_vocab_size, self.hidden_size],
            ),
        ];
        shapes.extend(norm("embeddings.LayerNorm", self.hidden_size));
        let mut tensors = HashMap::new();
        let layers = (0..self.num_hidden_layers).flat_map(|layer| self.layer(layer));
        for (name, shape) in shapes.into_iter().chain(layers) {
            let values = weights.values(&format!("{prefix}{name}"), &shape)?;
            tensors.insert(name, Tensor::from_vec(values, shape, &Device::Cpu)?);
        }
        Ok(tensors)
    }

    fn layer(&self, index: usize) -> impl Iterator<Item = Shaped> {
        let (hidden, inner) = (self.hidden_size, self.intermediate_size);
        let name = |part: &str| format!("encoder.layer.{index}.{part}");
        let linears = [
            ("attention.self.query", hidden, hidden),
            ("attention.self.key", hidden, hidden),
            ("attention.self.value", hidden, hidden),
            ("attention.output.dense", hidden, hidden),
            ("intermediate.dense", inner, hidden),
            ("output.dense", hidden, inner),
        ]
        .map(|(part, output, input)| linear(&name(part), output, input));
        let norms = ["attention.output.LayerNorm", "output.LayerNorm"].map(|part| norm(&name(part), hidden));
        linears.into_iter().chain(norms).flatten()
    }

    fn for_candle(&self) -> Config {
        Config {
            vocab_size: self.vocab_size,
            hidden_size: self.hidden_size,
            num_hidden_layers: self.num_hidden_layers,
            num_attention_heads: self.num_attention_heads,
            intermediate_size: self.intermediate_size,
            max_position_embeddings: self.max_position_embeddings,
            type_vocab_size: self.type_vocab_size,
            layer_norm_eps: self.layer_norm_eps,
            hidden_act: match self.hidden_act {
                Activation::Gelu => HiddenAct::Gelu,
                Activation::GeluNew => HiddenAct::GeluApproximate,
                Activation::Relu => HiddenAct::Relu,
            },
            // All other settings matter only for training.
            ..Config::default()
        }
    }
}

/// Name and shape of a tensor.
type Shaped = (String, Vec<usize>);

fn linear(name: &str, output: usize, input: usize) -> [Shaped; 2] {
    [(format!("{name}.weight"), vec![output, input]), (format!("{name}.bias"), vec![output])]
}

fn norm(name: &str, size: usize) -> [Shaped; 2] {
    [(format!("{name}.weight"), vec![size]), (format!("{name}.bias"), vec![size])]
}
