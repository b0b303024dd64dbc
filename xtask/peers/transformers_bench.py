"""The stages of `prospect-runner bench`, in `transformers` on the same shapes, and the ratios of the two.

    pip install -r requirements.txt
    cargo build --release -p prospect-runner
    python transformers_bench.py --shape 256m [--dtype bfloat16 --quantize q8] [--repeats 7]

Ours runs first, then theirs, in one go on one machine: only the ratios mean something.
"""

import argparse
import json
import statistics
import subprocess
import time
from pathlib import Path

import torch
from transformers import DynamicCache, SmolVLMConfig, SmolVLMForConditionalGeneration

ROOT = Path(__file__).resolve().parents[2]


def ours(arguments):
    command = [ROOT / "target/release/prospect-runner", "bench", "--json", "--shape", arguments.shape]
    command += ["--quantize", arguments.quantize, "--repeats", str(arguments.repeats), "--cache", ",".join(map(str, arguments.cache))]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def model_of(shape, dtype):
    config = SmolVLMConfig(**json.loads((ROOT / f"configs/shapes/{shape}.json").read_text()))
    torch.manual_seed(0)
    return SmolVLMForConditionalGeneration(config).to(dtype).eval()


def median_ms(run, repeats):
    run()
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        run()
        times.append((time.perf_counter() - started) * 1e3)
    return statistics.median(times)


def filled(model, tokens):
    cache = DynamicCache(config=model.config.text_config)
    while cache.get_seq_length() < tokens:
        ids = torch.arange(3, 3 + min(256, tokens - cache.get_seq_length()))[None]
        model.model.text_model(input_ids=ids, past_key_values=cache, use_cache=True)
    return cache


def theirs(model, stage, repeats, dtype):
    side = model.config.vision_config.image_size
    if stage["stage"] == "vision":
        pixels = torch.zeros(1, 1, 3, side, side, dtype=dtype)
        return median_ms(lambda: model.model.get_image_features(pixels), repeats)
    cache = filled(model, stage["cache_tokens"])
    ids = torch.arange(3, 3 + stage["tokens"])[None]

    def run():
        hidden = model.model.text_model(input_ids=ids, past_key_values=cache, use_cache=True)[0]
        model.lm_head(hidden[:, -1:])
        cache.crop(-stage["tokens"])

    return median_ms(run, repeats)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--shape", default="256m")
    parser.add_argument("--dtype", default="float32", help="of transformers")
    parser.add_argument("--quantize", default="none", choices=["none", "q8"], help="ours")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--cache", type=lambda text: [int(part) for part in text.split(",")], default=[0, 1024, 3968])
    arguments = parser.parse_args()
    report = ours(arguments)
    dtype = getattr(torch, arguments.dtype)
    with torch.inference_mode():
        model = model_of(arguments.shape, dtype)
        print(f"{arguments.shape}, {report['threads']} threads; transformers in {arguments.dtype}, ours in {report['precisions']}")
        print(f"{'stage':<10}{'cache':>7}{'ours ms':>10}{'theirs ms':>11}{'ratio':>8}")
        silent = [0.0, 0.0]
        for stage in report["stages"]:
            reference = theirs(model, stage, arguments.repeats, dtype)
            cache = "-" if stage["cache_tokens"] is None else stage["cache_tokens"]
            ratio = reference / stage["median_ms"]
            print(f"{stage['stage']:<10}{cache:>7}{stage['median_ms']:>10.1f}{reference:>11.1f}{ratio:>8.2f}")
            if stage["stage"] == "vision" or (stage["stage"], cache) == ("prefill", 1024):
                silent = [silent[0] + stage["median_ms"], silent[1] + reference]
        print(f"{'silent frame at 1024':<17}{silent[0]:>10.1f}{silent[1]:>11.1f}{silent[1] / silent[0]:>8.2f}")


if __name__ == "__main__":
    main()
