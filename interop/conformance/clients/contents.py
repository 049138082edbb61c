"""Elements of a tensor, between the three ways to hold them: raw bytes as the protocol has them, Python lists, numpy arrays."""

import struct

# struct's letter for an element in raw contents, and the field of typed contents. FP16 and BF16 have no typed form.
FORMATS = {
    "BOOL": ("?", "bool_contents"),
    "UINT8": ("B", "uint_contents"),
    "UINT16": ("H", "uint_contents"),
    "UINT32": ("I", "uint_contents"),
    "UINT64": ("Q", "uint64_contents"),
    "INT8": ("b", "int_contents"),
    "INT16": ("h", "int_contents"),
    "INT32": ("i", "int_contents"),
    "INT64": ("q", "int64_contents"),
    "FP32": ("f", "fp32_contents"),
    "FP64": ("d", "fp64_contents"),
}


def unpack(datatype, raw):
    """The field of typed contents, and the elements in it."""
    if datatype == "BYTES":
        return "bytes_contents", split(raw)
    letter, field = FORMATS[datatype]
    return field, [v for (v,) in struct.iter_unpack("<" + letter, raw)]


def split(raw):
    """BYTES: each element stands behind its length, 4 bytes, the least significant first."""
    out, at = [], 0
    while at < len(raw):
        (n,) = struct.unpack_from("<I", raw, at)
        out.append(raw[at + 4 : at + 4 + n])
        at += 4 + n
    return out


def join(elements):
    return b"".join(struct.pack("<I", len(e)) + e for e in elements)


def pack(datatype, contents):
    """Raw bytes of an InferTensorContents message."""
    if datatype == "BYTES":
        return join(contents.bytes_contents)
    if datatype not in FORMATS:
        return b""
    letter, field = FORMATS[datatype]
    values = getattr(contents, field)
    return struct.pack(f"<{len(values)}{letter}", *values)


def array(datatype, shape, raw):
    """A numpy array, as somebody who uses a client with numpy has it. (Clients that build messages have no numpy.)"""
    import numpy as np

    if datatype == "BYTES":
        return np.array(split(raw), dtype=np.object_).reshape(shape)
    letter = "e" if datatype == "FP16" else FORMATS[datatype][0]
    return np.frombuffer(raw, dtype=np.dtype("<" + letter)).reshape(shape)


def from_array(a):
    return join(a.flatten().tolist()) if a.dtype.kind == "O" else a.tobytes()
