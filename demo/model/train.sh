#!/bin/sh
# SPDX-License-Identifier: MIT
# Makes demo/model/ferry-stories.gguf from nothing. Needs python3-torch and python3-numpy (Debian 12).
# usage: train.sh [directory for the corpus and the checkpoints]
set -eu

here=$(cd "$(dirname "$0")" && pwd)
work=${1:-${TMPDIR:-/tmp}/ferry-stories}
python=${PYTHON:-/usr/bin/python3}

# The arrays of a training step are big and short-lived: without this, malloc hands them back to the
# kernel after every use, and a third of the time goes into page faults.
GLIBC_TUNABLES=glibc.malloc.mmap_threshold=4294967296:glibc.malloc.trim_threshold=8589934592
export GLIBC_TUNABLES

cd "$here"
"$python" corpus.py --out "$work"
"$python" tokenizer.py --work "$work"
nice -n 10 "$python" train.py --work "$work"
"$python" export.py --work "$work" --out ferry-stories.gguf
"$python" evaluate.py loss --heldout "$work/heldout.txt"
"$python" evaluate.py expected --heldout "$work/heldout.txt" >"$work/expected.txt"
mv "$work/expected.txt" expected.txt
