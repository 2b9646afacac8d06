#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
Measures a GGUF file of the demo model, computing in float32 on the weights as the file holds them.

  loss      nats per token and bits per byte over the held-out stories
  sample    stories at a temperature
  expected  a greedy continuation with its margins, for the tests of an engine
"""

import argparse
import math

import torch

import gguf
from corpus import read
from llama import Config, Llama
from tokenizer import BOS, EOS, FIRST_PIECE, Tokenizer
from train import evaluate


def load(path):
    """(model, tokenizer) of a GGUF file."""
    meta, tensors = gguf.read(path)
    config = Config(
        n_vocab=len(meta["tokenizer.ggml.tokens"]),
        n_ctx=meta["llama.context_length"],
        n_embd=meta["llama.embedding_length"],
        n_layer=meta["llama.block_count"],
        n_head=meta["llama.attention.head_count"],
        n_head_kv=meta["llama.attention.head_count_kv"],
        n_ff=meta["llama.feed_forward_length"],
        rope_base=meta["llama.rope.freq_base"],
        rms_eps=meta["llama.attention.layer_norm_rms_epsilon"],
    )
    model = Llama(config, {name: torch.from_numpy(values.copy()) for name, values in tensors.items()})
    pieces = meta["tokenizer.ggml.tokens"][FIRST_PIECE:]
    return model, Tokenizer(pieces, meta["tokenizer.ggml.scores"][FIRST_PIECE:])


def generate(model, ids, n, choose):
    """Appends at most @n tokens to @ids, each by choose(logits), until EOS or the end of the context."""
    ids = list(ids)
    with torch.no_grad():
        while n > 0 and len(ids) < model.config.n_ctx:
            ids.append(choose(model.logits(model(torch.tensor([ids]))[0, -1])))
            n -= 1
            if ids[-1] == EOS:
                break
    return ids


def print_loss(model, tokenizer, args):
    texts = read(args.heldout)[: args.stories]
    stories = [[BOS, *tokenizer.encode(text), EOS] for text in texts]
    n_tokens = sum(len(story) - 1 for story in stories)
    n_bytes = sum(len(text.encode()) for text in texts)
    nats = evaluate(model, sorted(stories, key=len))
    bits_per_byte = nats * n_tokens / math.log(2) / n_bytes
    print(f"{args.model}: {len(texts)} stories, {n_tokens} tokens, {n_bytes} bytes: {nats:.4f} nats per token, "
          f"{bits_per_byte:.4f} bits per byte, perplexity {math.exp(nats):.3f}")


def print_samples(model, tokenizer, args):
    torch.manual_seed(args.seed)

    def choose(logits):
        return torch.multinomial((logits / args.temperature).softmax(-1), 1).item()

    for _ in range(args.stories):
        start = tokenizer.encode(args.prompt) if args.prompt else []
        ids = generate(model, [BOS, *start], 10**6, choose)
        print(tokenizer.decode(ids))
        print("---" if ids[-1] == EOS else "--- (cut)", flush=True)


def openings(path):
    """Beginnings of held-out stories, to be gone on with."""
    for text in read(path):
        for length in (60, 110, 160):
            yield text.replace("\n", " ")[:length].rsplit(" ", 1)[0]


def go_on(model, tokenizer, prompt, args):
    """(prompt's ids, greedy ids, their logits, their margins), or None where a margin is too small."""
    ids = [BOS, *tokenizer.encode(prompt)]
    margins, logits = [], []

    def choose(row):
        top = row.topk(2)
        margins.append((top.values[0] - top.values[1]).item())
        logits.append(top.values[0].item())
        return top.indices[0].item() if margins[-1] >= args.margin else EOS

    out = generate(model, ids, args.tokens, choose)[len(ids) :]
    return (ids, out, logits, margins) if len(out) == args.tokens and out[-1] != EOS else None


def print_expected(model, tokenizer, args):
    for prompt in [args.prompt] if args.prompt else openings(args.heldout):
        found = go_on(model, tokenizer, prompt, args)
        if found:
            break
    else:
        raise SystemExit(f"no prompt whose {args.tokens} tokens all have a margin of {args.margin}")
    ids, out, logits, margins = found
    print("# Greedy continuation of ferry-stories.gguf by PyTorch, float32, on the dequantized weights.")
    print("# Made by: evaluate.py expected. One line per item: its name, a space, its value.")
    print("# logits: of the chosen token at each step. margins: how far the second-best token is below it;")
    print(f"# the prompt was chosen so that none is below {args.margin}: rounding cannot change the tokens.")
    print(f"prompt {prompt}")
    print("prompt_ids", *ids)
    print("greedy_ids", *out)
    print("logits", *(f"{value:.4f}" for value in logits))
    print("margins", *(f"{value:.4f}" for value in margins))
    print(f"text {tokenizer.decode(ids + out)!r}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="ferry-stories.gguf")
    commands = parser.add_subparsers(dest="command", required=True)
    loss = commands.add_parser("loss")
    loss.add_argument("--heldout", default="heldout.txt")
    loss.add_argument("--stories", type=int, default=10**6)
    loss.set_defaults(run=print_loss)
    sample = commands.add_parser("sample")
    sample.add_argument("--prompt", default="")
    sample.add_argument("--stories", type=int, default=3)
    sample.add_argument("--temperature", type=float, default=0.7)
    sample.add_argument("--seed", type=int, default=1)
    sample.set_defaults(run=print_samples)
    expected = commands.add_parser("expected")
    expected.add_argument("--prompt", default="", help="instead of the first held-out opening that will do")
    expected.add_argument("--heldout", default="heldout.txt")
    expected.add_argument("--tokens", type=int, default=48)
    expected.add_argument("--margin", type=float, default=0.3)
    expected.set_defaults(run=print_expected)
    args = parser.parse_args()

    torch.set_num_threads(1)
    args.run(*load(args.model), args)


if __name__ == "__main__":
    main()
