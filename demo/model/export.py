#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Writes model.pt and tokenizer.json of the work directory as one GGUF file: matrices Q8_0, vectors F32."""

import argparse
import os

import torch

import gguf
from gguf import ARRAY, BOOL, FLOAT, I32, STRING, U32
from llama import Config
from tokenizer import BOS, EOS, UNKNOWN, Tokenizer

FILE_TYPE_Q8_0 = 7
QUANTIZATION_VERSION = 2


def metadata(config, tokenizer, n_parameters):
    texts, scores, types = zip(*tokenizer.table())
    return [
        ("general.architecture", STRING, "llama"),
        ("general.name", STRING, "Ferry Stories 2M"),
        ("general.author", STRING, "The Ferry authors"),
        ("general.license", STRING, "MIT"),
        ("general.description", STRING, "Writes short stories about harbours, islands and small machines"),
        ("general.size_label", STRING, f"{n_parameters / 1e6:.1f}M"),
        ("general.file_type", U32, FILE_TYPE_Q8_0),
        ("general.quantization_version", U32, QUANTIZATION_VERSION),
        ("general.alignment", U32, gguf.ALIGNMENT),
        ("llama.vocab_size", U32, config.n_vocab),
        ("llama.context_length", U32, config.n_ctx),
        ("llama.embedding_length", U32, config.n_embd),
        ("llama.block_count", U32, config.n_layer),
        ("llama.feed_forward_length", U32, config.n_ff),
        ("llama.rope.dimension_count", U32, config.n_rot),
        ("llama.rope.freq_base", FLOAT, config.rope_base),
        ("llama.attention.head_count", U32, config.n_head),
        ("llama.attention.head_count_kv", U32, config.n_head_kv),
        ("llama.attention.layer_norm_rms_epsilon", FLOAT, config.rms_eps),
        ("tokenizer.ggml.model", STRING, "llama"),
        ("tokenizer.ggml.tokens", (ARRAY, STRING), texts),
        ("tokenizer.ggml.scores", (ARRAY, FLOAT), scores),
        ("tokenizer.ggml.token_type", (ARRAY, I32), types),
        ("tokenizer.ggml.bos_token_id", U32, BOS),
        ("tokenizer.ggml.eos_token_id", U32, EOS),
        ("tokenizer.ggml.unknown_token_id", U32, UNKNOWN),
        ("tokenizer.ggml.add_bos_token", BOOL, True),
        ("tokenizer.ggml.add_eos_token", BOOL, False),
        ("tokenizer.ggml.add_space_prefix", BOOL, True),
    ]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", default=".", help="directory with model.pt and tokenizer.json")
    parser.add_argument("--out", default="ferry-stories.gguf")
    args = parser.parse_args()

    saved = torch.load(os.path.join(args.work, "model.pt"))
    tokenizer = Tokenizer.load(os.path.join(args.work, "tokenizer.json"))
    tensors = [(name, tensor.numpy()) for name, tensor in saved["weights"].items()]
    n_parameters = sum(values.size for _, values in tensors)
    gguf.write(args.out, metadata(Config(**saved["config"]), tokenizer, n_parameters), tensors)
    print(f"{args.out}: {n_parameters} parameters, {os.path.getsize(args.out)} bytes, "
          f"after {saved['steps']} steps and {saved['tokens']} tokens")


if __name__ == "__main__":
    main()
