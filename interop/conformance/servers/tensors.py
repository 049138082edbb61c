"""The models that every server here serves, in words that all of them share.

    SERVER-classifier  x FP32 [-1,4]        ->  class probabilities and a label for each row
    SERVER-identity    in_T for each type T ->  out_T, the same elements; request parameters that it knows come back
    SERVER-halves      in_fp16 FP16 [-1,-1] ->  out_fp16: the type that exists in raw contents only
    SERVER-stream      x FP32 [-1,4]        ->  RESPONSES answers for one request, each with class probabilities

The classifier of MLServer is scikit-learn's, trained as the server starts; the others are the one below.
"""

import numpy as np

# Datatypes of the protocol, and what numpy calls them. BF16 is missing: numpy has no such type, and none of the servers takes it.
DATATYPES = {
    "BOOL": np.bool_,
    "UINT8": np.uint8,
    "UINT16": np.uint16,
    "UINT32": np.uint32,
    "UINT64": np.uint64,
    "INT8": np.int8,
    "INT16": np.int16,
    "INT32": np.int32,
    "INT64": np.int64,
    "FP32": np.float32,
    "FP64": np.float64,
    "BYTES": np.bytes_,
}

LABELS = [b"low", b"middle", b"high"]

# Answers to one request of a stream.
RESPONSES = 3
# A row that begins with one of these makes the stream end early: with an error after one answer, or with no answer at all.
FAIL_AFTER_ONE, ANSWER_NOTHING = -1.0, -2.0

# Parameters of a request that an identity model repeats in its response.
ECHOED = ["text", "whole", "flag", "ratio"]

_WEIGHTS = np.array([[0.7, -0.2, 0.1], [-0.4, 0.3, 0.5], [0.2, 0.6, -0.7], [-0.3, -0.1, 0.8]], dtype=np.float32)


def probabilities(x):
    """Softmax regression with fixed weights: FP32 [n,4] -> FP32 [n,3]."""
    logits = np.asarray(x, dtype=np.float32).reshape(-1, 4) @ _WEIGHTS
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    return (e / e.sum(axis=1, keepdims=True)).astype(np.float32)


def labels(p):
    return np.array([LABELS[i] for i in p.argmax(axis=1)], dtype=object)


def steps(x):
    """What a stream answers for x, one after another."""
    first = float(np.asarray(x).reshape(-1)[0])
    if first == ANSWER_NOTHING:
        return
    for i in range(RESPONSES):
        if i == 1 and first == FAIL_AFTER_ONE:
            raise ValueError("the stream fails after its first answer")
        yield probabilities(np.asarray(x, dtype=np.float32) * (i + 1))
