#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""
The vocabulary of the demo model: byte-pair merges learned from the corpus, used the way SentencePiece
"llama" vocabularies of GGUF files are used.

Encoding starts from single characters and joins, again and again, the adjacent pair whose joined text is
the token with the highest score, the leftmost of equals; what is no token in the end becomes bytes. The
score of a token is minus the number of its merge, so the earliest merge wins. Training follows the same
rule (a merge is a joined text, wherever its two halves meet), so it leaves the corpus cut exactly as
encode() cuts it.

No merge crosses a space or joins letters with punctuation, so words can be encoded one by one.
"""

import argparse
import collections
import json
import re

SPACE = "\u2581"
UNKNOWN, BOS, EOS, FIRST_BYTE = 0, 1, 2, 3
FIRST_PIECE = FIRST_BYTE + 256

NORMAL_TYPE, UNKNOWN_TYPE, CONTROL_TYPE, BYTE_TYPE = 1, 2, 3, 6

_WORD = re.compile(rf"{SPACE}?[A-Za-z']+|{SPACE}?[^A-Za-z'{SPACE}\n]+|{SPACE}|\n")


def words(text):
    """The units that merges stay inside of. A space goes in front, and every space becomes U+2581."""
    return _WORD.findall((SPACE + text).replace(" ", SPACE))


def join(symbols, rank):
    """Joins @symbols (a list of str) until no adjacent pair is in @rank: text -> number, lowest first."""
    symbols = list(symbols)
    while True:
        best, at = None, -1
        for i in range(len(symbols) - 1):
            number = rank.get(symbols[i] + symbols[i + 1])
            if number is not None and (best is None or number < best):
                best, at = number, i
        if best is None:
            return symbols
        symbols[at : at + 2] = [symbols[at] + symbols[at + 1]]


class Tokenizer:
    def __init__(self, pieces, scores):
        """@pieces: the text of each token from FIRST_PIECE on; @scores: theirs."""
        self.pieces = pieces
        self.scores = scores
        self.ids = {piece: FIRST_PIECE + i for i, piece in enumerate(pieces)}
        self.rank = {piece: -score for piece, score in zip(pieces, scores)}
        self.cache = {}

    def __len__(self):
        return FIRST_PIECE + len(self.pieces)

    @staticmethod
    def load(path):
        with open(path, encoding="utf-8") as file:
            data = json.load(file)
        return Tokenizer(data["pieces"], data["scores"])

    def save(self, path):
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"pieces": self.pieces, "scores": self.scores}, file, ensure_ascii=False, indent=0)

    def table(self):
        """(text, score, type) of every token, in the order of their ids."""
        rows = [("<unk>", 0.0, UNKNOWN_TYPE), ("<s>", 0.0, CONTROL_TYPE), ("</s>", 0.0, CONTROL_TYPE)]
        rows += [(f"<0x{byte:02X}>", 0.0, BYTE_TYPE) for byte in range(256)]
        rows += [(piece, score, NORMAL_TYPE) for piece, score in zip(self.pieces, self.scores)]
        return rows

    def _ids(self, symbols):
        out = []
        for symbol in symbols:
            if symbol in self.ids:
                out.append(self.ids[symbol])
            else:
                out += [FIRST_BYTE + byte for byte in symbol.encode()]
        return out

    def encode(self, text):
        """Text to ids, without BOS."""
        out = []
        for word in words(text):
            if word not in self.cache:
                self.cache[word] = self._ids(join(word, self.rank))
            out += self.cache[word]
        return out

    def encode_whole(self, text):
        """The same without cutting into words first: what an engine does. Slow; for the check."""
        return self._ids(join((SPACE + text).replace(" ", SPACE), self.rank))

    def decode(self, ids):
        data = b""
        for token in ids:
            if token >= FIRST_PIECE:
                data += self.pieces[token - FIRST_PIECE].replace(SPACE, " ").encode()
            elif token >= FIRST_BYTE:
                data += bytes([token - FIRST_BYTE])
        text = data.decode(errors="replace")
        return text[1:] if text.startswith(" ") else text


def train(texts, n_vocab):
    """A tokenizer of @n_vocab tokens, and how training left each word cut."""
    counts = collections.Counter()
    for text in texts:
        counts.update(word for word in words(text) if word != "\n")
    alphabet = sorted({char for word in counts for char in word})
    cut = {word: list(word) for word in counts}
    rank = {}

    pairs = collections.Counter()
    where = collections.defaultdict(set)

    def add(word, sign):
        for left, right in zip(cut[word], cut[word][1:]):
            pairs[left + right] += sign * counts[word]
            where[left + right].add(word)

    for word in cut:
        add(word, 1)
    while FIRST_PIECE + len(rank) + len(alphabet) < n_vocab:
        merge = max(pairs, key=lambda text: (pairs[text], text))
        if pairs[merge] < 2:
            break
        rank[merge] = len(rank)
        for word in sorted(where.pop(merge)):
            add(word, -1)
            cut[word] = join(cut[word], rank)
            add(word, 1)
        del pairs[merge]

    # Single characters rank behind every merge: nothing joins into them.
    pieces = list(rank) + alphabet
    return Tokenizer(pieces, [-float(i) for i in range(len(pieces))]), cut


def main():
    from corpus import read

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vocab", type=int, default=2048)
    parser.add_argument("--work", default=".", help="directory with train.txt; receives tokenizer.json")
    args = parser.parse_args()

    texts = read(f"{args.work}/train.txt")
    tokenizer, cut = train(texts, args.vocab)
    for word, symbols in cut.items():
        if join(word, tokenizer.rank) != symbols:
            raise SystemExit(f"training cut {word!r} into {symbols}, encoding into {join(word, tokenizer.rank)}")
    sample = texts[:: max(1, len(texts) // 300)] + ["naïve 漢字\ttabs  and   spaces 12,345 don't", "", " leading"]
    n_tokens = n_bytes = 0
    for text in sample:
        ids = tokenizer.encode(text)
        if ids != tokenizer.encode_whole(text) or tokenizer.decode(ids) != text:
            raise SystemExit(f"word-wise encoding differs or does not come back: {text!r}")
        n_tokens += len(ids)
        n_bytes += len(text.encode())
    tokenizer.save(f"{args.work}/tokenizer.json")
    print(f"{len(tokenizer)} tokens, {len(cut)} words cut alike, {n_bytes / n_tokens:.2f} bytes per token")


if __name__ == "__main__":
    main()
