//! Pixels, chat template, token ids and segments for SmolVLM2 checkpoints
