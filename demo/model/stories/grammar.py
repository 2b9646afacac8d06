# SPDX-License-Identifier: MIT
"""Templates: "[a|b]" chooses, "{x}" and "{x.his}" look up a slot, and tidy() makes sentences."""

import re
from functools import lru_cache


@lru_cache(maxsize=None)
def parse(template):
    """A template as a tuple of str, ("alt", branches) and ("slot", name, attribute)."""
    nodes, end = _sequence(template, 0)
    if end != len(template):
        raise ValueError(f"unbalanced bracket at {end} in: {template}")
    return nodes


def _sequence(text, at):
    nodes, start = [], at
    while at < len(text) and text[at] not in "|]":
        if text[at] == "[":
            nodes.append(text[start:at])
            branches = []
            while True:
                branch, at = _sequence(text, at + 1)
                branches.append(branch)
                if at >= len(text):
                    raise ValueError(f"missing ] in: {text}")
                if text[at] == "]":
                    break
            nodes.append(("alt", tuple(branches)))
            at += 1
            start = at
        elif text[at] == "{":
            nodes.append(text[start:at])
            close = text.index("}", at)
            name, _, attribute = text[at + 1 : close].partition(".")
            nodes.append(("slot", name, attribute))
            at = close + 1
            start = at
        else:
            at += 1
    nodes.append(text[start:at])
    return tuple(node for node in nodes if node != ""), at


def pick(rng, items):
    """Uniform choice by one random() call, so that a seed means the same in every Python."""
    return items[int(rng.random() * len(items))]


def expand(template, slots, rng):
    out = []
    _expand(parse(template), slots, rng, out)
    return "".join(out)


def _expand(nodes, slots, rng, out):
    for node in nodes:
        if isinstance(node, str):
            out.append(node)
        elif node[0] == "alt":
            _expand(pick(rng, node[1]), slots, rng, out)
        else:
            value = slots[node[1]]
            if node[2]:
                value = getattr(value, node[2])
            # A slot may hold a template of its own.
            out.append(expand(value, slots, rng) if isinstance(value, str) else str(value))


_SPACES = re.compile(r"\s+")
_BEFORE_MARK = re.compile(r"\s+([.,!?;:])")
_SENTENCE = re.compile(r"(^|[.!?] )([a-z])")
_AFTER_QUOTE = re.compile(r'(\." )([a-z])')
_QUOTED = re.compile(r'(^|[ ])"([a-z])')
_ARTICLE = re.compile(r"\b([Aa]) (?=[aeiou](?!ne\b|nce\b|niform|seful|sual))")


def tidy(text):
    """One paragraph: single spaces, capital letters where sentences begin, "an" before vowels."""
    text = _SPACES.sub(" ", text).strip()
    text = _BEFORE_MARK.sub(r"\1", text)
    text = _SENTENCE.sub(lambda m: m.group(1) + m.group(2).upper(), text)
    text = _AFTER_QUOTE.sub(lambda m: m.group(1) + m.group(2).upper(), text)
    text = _QUOTED.sub(lambda m: m.group(1) + '"' + m.group(2).upper(), text)
    return _ARTICLE.sub(r"\1n ", text)
