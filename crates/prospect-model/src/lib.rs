//! SmolVLM2 on candle: vision tower, connector, decoder and an accumulating KV cache
