#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
Trains the demo model on train.txt, with tokenizer.json: writes model.pt in the work directory.

Two processes with one thread each share every step (half of the batch each, gradients averaged). On a machine
that others use too this is several times faster than one process with two threads, which wait for each other
inside of every single operation.

The schedule runs over --steps, or over --minutes where those pass sooner, so a busy machine means a shorter
training and never an unfinished one. A cut training goes on from its last checkpoint with --resume.
"""

import argparse
import math
import os
import random
import time

import torch
from torch import multiprocessing as mp

from corpus import read
from llama import Config, Llama
from muon import Muon
from tokenizer import BOS, EOS, Tokenizer

N_PROCESSES = 2
WARMUP_STEPS = 20
PACKED_FROM = 0.5  # share of the schedule after which one step in PACKED_EVERY sees windows of n_ctx
PACKED_EVERY = 5  # tokens with several stories, so that a story may stand behind another one
BETAS = (0.9, 0.97)  # of AdamW: embedding and norms
MOMENTUM = 0.95  # of Muon: the matrices of the blocks
WEIGHT_DECAY = 0.02
MAX_GRADIENT = 1.0
WAIT_S = 600


def batches(stories, n_ctx, n_tokens, rng):
    """For ever: (ids, targets) of whole stories of similar length, about @n_tokens with their padding."""
    while True:
        order = list(stories)
        rng.shuffle(order)
        for at in range(0, len(order), 256):
            pool = sorted(order[at : at + 256], key=len)
            groups, group = [], []
            for story in pool:
                if group and (len(group) + 1) * len(story) > n_tokens:
                    groups.append(group)
                    group = []
                group.append(story[: n_ctx + 1])
            groups.append(group)
            rng.shuffle(groups)
            yield from (pad(group) for group in groups)


def packed(stories, n_ctx, n_tokens, rng):
    """For ever: windows of exactly n_ctx tokens that begin with a story and go on with the next ones."""
    while True:
        rows = []
        for _ in range(max(1, n_tokens // n_ctx)):
            row = []
            while len(row) <= n_ctx:
                row += rng.choice(stories)
            rows.append(row[: n_ctx + 1])
        yield pad(rows)


def pad(rows):
    width = max(map(len, rows)) - 1
    ids = torch.zeros((len(rows), width), dtype=torch.long)
    targets = torch.full((len(rows), width), -1)
    for i, row in enumerate(rows):
        ids[i, : len(row) - 1] = torch.tensor(row[:-1])
        targets[i, : len(row) - 1] = torch.tensor(row[1:])
    return ids, targets


def evaluate(model, stories):
    """Nats per token over whole stories, BOS given, EOS counted."""
    total = count = 0
    with torch.no_grad():
        for at in range(0, len(stories), 8):
            loss, n = model.loss(*pad([s[: model.config.n_ctx + 1] for s in stories[at : at + 8]]))
            total += loss.item()
            count += n
    return total / count


def learning_rate(peak, step, progress):
    """Linear warm-up, then a cosine down to a hundredth."""
    return peak * min(1, (step + 1) / WARMUP_STEPS) * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * progress)))


def run(rank, args, model, data, shared):
    torch.set_num_threads(1)
    control, losses, gradients, barrier = shared
    rng = random.Random(f"{args.seed} {rank} {control[1].item()}")
    sources = (
        batches(data["train"], model.config.n_ctx, args.tokens // N_PROCESSES, rng),
        packed(data["train"], model.config.n_ctx, args.tokens // N_PROCESSES, rng),
    )
    parameters = list(model.parameters())
    if rank == 0:
        trainer = Trainer(args, model, data["heldout"], control)
    while True:
        if rank == 0:
            control[0] = trainer.progress()
        barrier.wait(WAIT_S)
        progress = control[0].item()
        if progress >= 1:
            if rank == 0:
                trainer.save()
            break
        ids, targets = next(sources[progress >= PACKED_FROM and control[1].item() % PACKED_EVERY == 0])
        loss, n = model.loss(ids, targets)
        (loss / n).backward()
        torch.cat([p.grad.reshape(-1) for p in parameters], out=gradients[rank])
        losses[rank] = loss.item() / n
        for p in parameters:
            p.grad.zero_()
        barrier.wait(WAIT_S)
        if rank == 0:
            trainer.step(progress, gradients.mean(0), losses.mean().item(), n * N_PROCESSES)


class Trainer:
    """The first process's part: the optimizer, the schedule, the log and the checkpoints."""

    def __init__(self, args, model, heldout, control):
        self.args, self.model, self.heldout, self.control = args, model, heldout, control
        embedding = model.weight("token_embd.weight")
        inner = [p for p in model.parameters() if p.dim() == 2 and p is not embedding]
        other = [p for p in model.parameters() if p.dim() == 1 or p is embedding]
        self.optimizers = (
            (Muon(inner, args.lr_blocks, MOMENTUM, WEIGHT_DECAY), args.lr_blocks),
            (torch.optim.AdamW(other, args.lr, BETAS, weight_decay=0.0, foreach=True), args.lr),
        )
        self.path = os.path.join(args.work, "model.pt")
        self.steps = self.tokens = 0
        self.before = 0.0
        if args.resume:
            saved = torch.load(self.path)
            for (optimizer, _), state in zip(self.optimizers, saved["optimizers"]):
                optimizer.load_state_dict(state)
            self.steps, self.tokens, self.before = saved["steps"], saved["tokens"], saved["seconds"]
        self.start = time.time()
        self.mean = None

    def seconds(self):
        return self.before + time.time() - self.start

    def progress(self):
        return min(1.0, max(self.steps / self.args.steps, self.seconds() / 60 / self.args.minutes))

    def step(self, progress, gradient, loss, n_tokens):
        gradient *= min(1.0, MAX_GRADIENT / (gradient.norm().item() + 1e-6))
        at = 0
        for p in self.model.parameters():
            p.grad.copy_(gradient[at : at + p.numel()].view_as(p))
            at += p.numel()
        for optimizer, peak in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(peak, self.steps, progress)
            optimizer.step()
        for p in self.model.parameters():
            p.grad.zero_()
        self.steps += 1
        self.control[1] = self.steps
        self.tokens += n_tokens
        self.mean = loss if self.mean is None else 0.95 * self.mean + 0.05 * loss
        if self.steps % 20 == 0:
            print(f"step {self.steps} {progress:5.1%} {self.seconds():.0f} s {self.tokens / 1e6:.2f} M tokens, "
                  f"loss {self.mean:.4f}", flush=True)
        if self.steps % 50 == 0:
            self.save()
        if self.steps % 200 == 0:
            loss = evaluate(self.model, self.heldout[:48])
            print(f"step {self.steps} held-out loss of 48 stories {loss:.4f}", flush=True)

    def save(self):
        torch.save({
            "config": self.model.config.as_dict(),
            "weights": self.model.weights(),
            "steps": self.steps,
            "tokens": self.tokens,
            "seconds": self.seconds(),
            "optimizers": [optimizer.state_dict() for optimizer, _ in self.optimizers],
        }, self.path + ".new")
        os.replace(self.path + ".new", self.path)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", default=".", help="with train.txt, heldout.txt and tokenizer.json")
    parser.add_argument("--steps", type=int, default=2200)
    parser.add_argument("--minutes", type=float, default=240.0)
    parser.add_argument("--tokens", type=int, default=2560, help="per step, padding included")
    parser.add_argument("--lr", type=float, default=4e-3, help="of embedding and norms")
    parser.add_argument("--lr-blocks", type=float, default=0.02, help="of the matrices of the blocks")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--resume", action="store_true")
    args = parser.parse_args()

    torch.set_num_threads(1)
    torch.manual_seed(args.seed)
    tokenizer = Tokenizer.load(f"{args.work}/tokenizer.json")
    data = {name: [[BOS, *tokenizer.encode(text), EOS] for text in read(f"{args.work}/{name}.txt")]
            for name in ("train", "heldout")}
    saved = torch.load(f"{args.work}/model.pt") if args.resume else None
    config = Config(n_vocab=len(tokenizer))
    model = Llama(config, saved["weights"] if saved else None)
    size = sum(p.numel() for p in model.parameters())
    n_tokens = sum(map(len, data["train"]))
    print(f"{size} parameters, {n_tokens / 1e6:.2f} M tokens of training text", flush=True)

    model.share_memory()
    control = torch.tensor([0.0, saved["steps"] if saved else 0.0]).share_memory_()
    losses = torch.zeros(N_PROCESSES).share_memory_()
    gradients = torch.zeros((N_PROCESSES, size)).share_memory_()
    context = mp.get_context("fork")
    shared = (control, losses, gradients, context.Barrier(N_PROCESSES))
    others = [context.Process(target=run, args=(rank, args, model, data, shared), daemon=True)
              for rank in range(1, N_PROCESSES)]
    for process in others:
        process.start()
    run(0, args, model, data, shared)


if __name__ == "__main__":
    main()
