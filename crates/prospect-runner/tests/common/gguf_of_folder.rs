//! Converts a checkpoint folder with bf16 weights to a pair of GGUF files, as llama.cpp's converter
//! does.

use std::path::{Path, PathBuf};

use serde_json::Value;

#[path = "../../../prospect-model/tests/common/gguf.rs"]
mod writer;

use writer::{BF16, GgufWriter};

/// Published names with llama.cpp's names.
const NAMES: [(&str, &str); 23] = [
    ("model.text_model.embed_tokens", "token_embd"),
    ("model.text_model.norm", "output_norm"),
    ("lm_head", "output"),
    ("model.text_model.layers.", "blk."),
    ("model.vision_model.encoder.layers.", "v.blk."),
    ("model.vision_model.embeddings.patch_embedding", "v.patch_embd"),
    ("model.vision_model.embeddings.position_embedding", "v.position_embd"),
    ("model.vision_model.post_layernorm", "v.post_ln"),
    ("model.connector.modality_projection.proj", "mm.model.fc"),
    ("input_layernorm", "attn_norm"),
    ("post_attention_layernorm", "ffn_norm"),
    ("self_attn.q_proj", "attn_q"),
    ("self_attn.k_proj", "attn_k"),
    ("self_attn.v_proj", "attn_v"),
    ("self_attn.o_proj", "attn_output"),
    ("self_attn.out_proj", "attn_out"),
    ("mlp.gate_proj", "ffn_gate"),
    ("mlp.up_proj", "ffn_up"),
    ("mlp.down_proj", "ffn_down"),
    ("layer_norm1", "ln1"),
    ("layer_norm2", "ln2"),
    ("mlp.fc1", "ffn_up"),
    ("mlp.fc2", "ffn_down"),
];

fn json(path: PathBuf) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn number(value: &Value) -> u32 {
    value.as_u64().unwrap() as u32
}

/// Writes `text.gguf` and `mmproj-text.gguf` into a folder. Returns the path of the first.
pub(crate) fn write_pair(folder: &Path, into: &Path) -> PathBuf {
    let config = json(folder.join("config.json"));
    let (mut text, mut projector) = (GgufWriter::default(), GgufWriter::default());
    text_metadata(&mut text, &config);
    vocabulary(&mut text, folder, &config);
    projector_metadata(&mut projector, &config, &json(folder.join("preprocessor_config.json")));
    let weights = std::fs::read(folder.join("model.safetensors")).unwrap();
    let (header, data) = weights[8..].split_at(u64::from_le_bytes(weights[..8].try_into().unwrap()) as usize);
    let header: Value = serde_json::from_slice(header).unwrap();
    let heads = |key: &str| config["text_config"][key].as_u64().unwrap() as usize;
    for (published, info) in header.as_object().unwrap().iter().filter(|(name, _)| *name != "__metadata__") {
        assert_eq!(info["dtype"], "BF16", "{published}");
        let list = |value: &Value| -> Vec<usize> {
            value.as_array().unwrap().iter().map(|size| size.as_u64().unwrap() as usize).collect()
        };
        let (shape, place) = (list(&info["shape"]), list(&info["data_offsets"]));
        let bytes = &data[place[0]..place[1]];
        let bytes = match published {
            name if name.contains("text_model") && name.contains("q_proj") => {
                permuted(bytes, heads("num_attention_heads"), shape[0])
            }
            name if name.contains("text_model") && name.contains("k_proj") => {
                permuted(bytes, heads("num_key_value_heads"), shape[0])
            }
            _ => bytes.to_vec(),
        };
        let name = NAMES.iter().fold(published.clone(), |name, (from, to)| name.replace(from, to));
        let file = if name.starts_with("v.") || name.starts_with("mm.") { &mut projector } else { &mut text };
        file.tensor(&name, &shape, BF16, &bytes);
    }
    let path = into.join("text.gguf");
    std::fs::write(&path, text.bytes()).unwrap();
    std::fs::write(into.join("mmproj-text.gguf"), projector.bytes()).unwrap();
    path
}

/// `LlamaModel.permute` of llama.cpp's converter: interleaves the two halves of a head's rows.
fn permuted(bytes: &[u8], heads: usize, rows: usize) -> Vec<u8> {
    let (row, half) = (bytes.len() / rows, rows / heads / 2);
    let order = (0..rows).map(|to| {
        let (head, within) = (to / (2 * half), to % (2 * half));
        head * 2 * half + within % 2 * half + within / 2
    });
    order.flat_map(|from| bytes[from * row..][..row].to_vec()).collect()
}

fn text_metadata(text: &mut GgufWriter, config: &Value) {
    let own = &config["text_config"];
    text.text("general.architecture", "llama");
    for (key, name) in [
        ("llama.embedding_length", "hidden_size"),
        ("llama.feed_forward_length", "intermediate_size"),
        ("llama.block_count", "num_hidden_layers"),
        ("llama.attention.head_count", "num_attention_heads"),
        ("llama.attention.head_count_kv", "num_key_value_heads"),
        ("llama.attention.key_length", "head_dim"),
        ("llama.context_length", "max_position_embeddings"),
        ("llama.vocab_size", "vocab_size"),
        ("tokenizer.ggml.bos_token_id", "bos_token_id"),
        ("tokenizer.ggml.eos_token_id", "eos_token_id"),
        ("tokenizer.ggml.padding_token_id", "pad_token_id"),
    ] {
        text.number(key, number(&own[name]));
    }
    text.real("llama.attention.layer_norm_rms_epsilon", own["rms_norm_eps"].as_f64().unwrap() as f32);
    let theta = &own["rope_parameters"]["rope_theta"];
    text.real("llama.rope.freq_base", theta.as_f64().unwrap() as f32);
}

fn vocabulary(text: &mut GgufWriter, folder: &Path, config: &Value) {
    let tokenizer = json(folder.join("tokenizer.json"));
    let size = config["text_config"]["vocab_size"].as_u64().unwrap() as usize;
    let mut tokens: Vec<String> = (0..size).map(|id| format!("[PAD{id}]")).collect();
    let mut kinds = vec![5; size];
    for (token, id) in tokenizer["model"]["vocab"].as_object().unwrap() {
        let id = number(id) as usize;
        (tokens[id], kinds[id]) = (token.clone(), 1);
    }
    for token in tokenizer["added_tokens"].as_array().unwrap() {
        let id = number(&token["id"]) as usize;
        (tokens[id], kinds[id]) = (token["content"].as_str().unwrap().to_owned(), 3);
    }
    let merges = tokenizer["model"]["merges"].as_array().unwrap().iter().map(|merge| {
        let pair: Vec<&str> = merge.as_array().unwrap().iter().map(|token| token.as_str().unwrap()).collect();
        pair.join(" ")
    });
    text.text("tokenizer.ggml.model", "gpt2");
    text.text("tokenizer.ggml.pre", "smollm");
    text.texts("tokenizer.ggml.tokens", &tokens);
    text.numbers("tokenizer.ggml.token_type", &kinds);
    text.texts("tokenizer.ggml.merges", &merges.collect::<Vec<_>>());
    let template = std::fs::read_to_string(folder.join("chat_template.jinja")).unwrap();
    text.text("tokenizer.chat_template", &template);
}

fn projector_metadata(projector: &mut GgufWriter, config: &Value, pictures: &Value) {
    let own = &config["vision_config"];
    projector.text("general.architecture", "clip");
    projector.text("clip.projector_type", "idefics3");
    projector.flag("clip.has_vision_encoder", true);
    projector.flag("clip.use_gelu", true);
    for (key, name) in [
        ("clip.vision.embedding_length", "hidden_size"),
        ("clip.vision.feed_forward_length", "intermediate_size"),
        ("clip.vision.block_count", "num_hidden_layers"),
        ("clip.vision.attention.head_count", "num_attention_heads"),
        ("clip.vision.image_size", "image_size"),
        ("clip.vision.patch_size", "patch_size"),
    ] {
        projector.number(key, number(&own[name]));
    }
    projector.number("clip.vision.projector.scale_factor", number(&config["scale_factor"]));
    projector.number("clip.vision.projection_dim", number(&config["text_config"]["hidden_size"]));
    projector.number("clip.vision.preproc_image_size", number(&pictures["size"]["longest_edge"]));
    projector.real("clip.vision.attention.layer_norm_epsilon", 1e-6);
    for (key, name) in [("clip.vision.image_mean", "image_mean"), ("clip.vision.image_std", "image_std")] {
        let values = pictures[name].as_array().unwrap().iter().map(|value| value.as_f64().unwrap() as f32);
        projector.reals(key, &values.collect::<Vec<_>>());
    }
}
