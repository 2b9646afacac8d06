# SPDX-License-Identifier: MIT
"""GGUF v3 files, as much of them as the demo model needs: metadata, F32 and Q8_0 tensors."""

import struct

import numpy as np

ALIGNMENT = 32
F32, Q8_0 = 0, 8
BLOCK = 32  # weights per Q8_0 block: one half-precision scale and 32 signed bytes

U32, I32, FLOAT, BOOL, STRING, ARRAY = 4, 5, 6, 7, 8, 9
_PACK = {
    0: "<B", 1: "<b", 2: "<H", 3: "<h", U32: "<I", I32: "<i", FLOAT: "<f", BOOL: "<?",
    10: "<Q", 11: "<q", 12: "<d",
}

_BLOCK_TYPE = np.dtype([("scale", "<f2"), ("weights", "i1", BLOCK)])


def quantize(values):
    """Q8_0 bytes of an array whose rows are multiples of BLOCK long."""
    blocks = np.asarray(values, dtype=np.float32).reshape(-1, BLOCK)
    scale = (np.abs(blocks).max(axis=1) / 127).astype("<f2")
    out = np.zeros(len(blocks), dtype=_BLOCK_TYPE)
    out["scale"] = scale
    divisor = np.where(scale == 0, 1, scale).astype(np.float32)
    out["weights"] = np.clip(np.rint(blocks / divisor[:, None]), -127, 127)
    return out.tobytes()


def dequantize(data, shape):
    blocks = np.frombuffer(data, dtype=_BLOCK_TYPE)
    values = blocks["scale"].astype(np.float32)[:, None] * blocks["weights"].astype(np.float32)
    return values.reshape(shape)


def _string(text):
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def _value(kind, value):
    if kind == STRING:
        return _string(value)
    return struct.pack(_PACK[kind], value)


def _pair(key, kind, value):
    """One metadata entry; @kind is a type, or (ARRAY, type of the elements)."""
    if isinstance(kind, tuple):
        body = struct.pack("<IIQ", ARRAY, kind[1], len(value)) + b"".join(_value(kind[1], v) for v in value)
    else:
        body = struct.pack("<I", kind) + _value(kind, value)
    return _string(key) + body


def _pad(size):
    return -size % ALIGNMENT


def write(path, metadata, tensors):
    """
    @metadata: list of (key, type, value); @tensors: list of (name, numpy array). Matrices become Q8_0,
    vectors stay F32. Shapes are written the GGUF way, the fastest dimension first.
    """
    infos, blobs, offset = [], [], 0
    for name, values in tensors:
        kind = Q8_0 if values.ndim == 2 else F32
        if kind == Q8_0 and values.shape[-1] % BLOCK:
            raise ValueError(f"{name}: rows of {values.shape[-1]} do not divide into blocks of {BLOCK}")
        blob = quantize(values) if kind == Q8_0 else values.astype("<f4").tobytes()
        dims = struct.pack(f"<{values.ndim}Q", *reversed(values.shape))
        infos.append(_string(name) + struct.pack("<I", values.ndim) + dims + struct.pack("<IQ", kind, offset))
        blobs.append(blob + bytes(_pad(len(blob))))
        offset += len(blobs[-1])
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(metadata))
    head += b"".join(_pair(*entry) for entry in metadata) + b"".join(infos)
    with open(path, "wb") as file:
        file.write(head + bytes(_pad(len(head))) + b"".join(blobs))


class _Cursor:
    def __init__(self, data):
        self.data, self.at = data, 0

    def unpack(self, form):
        values = struct.unpack_from(form, self.data, self.at)
        self.at += struct.calcsize(form)
        return values[0] if len(values) == 1 else values

    def string(self):
        size = self.unpack("<Q")
        self.at += size
        return self.data[self.at - size : self.at].decode()

    def value(self, kind):
        if kind == STRING:
            return self.string()
        if kind == ARRAY:
            kind, count = self.unpack("<IQ")
            return [self.value(kind) for _ in range(count)]
        return self.unpack(_PACK[kind])


def read(path):
    """(metadata as a dict, tensors as a dict of float32 arrays)."""
    with open(path, "rb") as file:
        data = file.read()
    cursor = _Cursor(data)
    if cursor.unpack("<4s") != b"GGUF" or cursor.unpack("<I") != 3:
        raise ValueError(f"{path}: not a GGUF file of version 3")
    n_tensors, n_metadata = cursor.unpack("<QQ")
    metadata = {}
    for _ in range(n_metadata):
        key = cursor.string()
        metadata[key] = cursor.value(cursor.unpack("<I"))
    infos = []
    for _ in range(n_tensors):
        name = cursor.string()
        n_dims = cursor.unpack("<I")
        shape = [cursor.unpack("<Q") for _ in range(n_dims)][::-1]
        infos.append((name, shape, *cursor.unpack("<IQ")))
    start = cursor.at + -cursor.at % metadata.get("general.alignment", ALIGNMENT)
    tensors = {}
    for name, shape, kind, offset in infos:
        count = int(np.prod(shape))
        size = {F32: 4 * count, Q8_0: count // BLOCK * _BLOCK_TYPE.itemsize}.get(kind)
        if size is None:
            raise ValueError(f"{path}: tensor {name} has type {kind}, neither F32 nor Q8_0")
        blob = data[start + offset : start + offset + size]
        tensors[name] = dequantize(blob, shape) if kind == Q8_0 else np.frombuffer(blob, "<f4").reshape(shape)
    return metadata, tensors
