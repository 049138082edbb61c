"""python pytriton_serve.py GRPC_PORT HTTP_PORT METRICS_PORT: Triton Inference Server, as PyTriton ships it, with four models.

Triton runs the functions below in its Python backend, whose process needs the shared library of the very Python that runs this
file: run.sh says where it is (LD_LIBRARY_PATH).
"""

import signal
import sys

import numpy as np
from pytriton.decorators import batch
from pytriton.model_config import ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig, TritonSecurityConfig

from tensors import DATATYPES, labels, probabilities, steps

# Rows of one request. The batcher waits for nothing: what a request holds is what the model gets.
MAX_ROWS = 1 << 16


@batch
def classifier(x):
    p = probabilities(x)
    return {"probabilities": p, "label": labels(p).reshape(-1, 1)}


@batch
def identity(**tensors):
    return {"out_" + name.removeprefix("in_"): array for name, array in tensors.items()}


def stream(requests):
    """Decoupled: every step is a response to each of the requests."""
    for p in steps(requests[0]["x"]):
        yield [{"probabilities": p} for _ in requests]


def pairs(datatypes):
    inputs = [Tensor(name="in_" + name.lower(), dtype=dtype, shape=(-1,)) for name, dtype in datatypes.items()]
    outputs = [Tensor(name="out_" + name.lower(), dtype=dtype, shape=(-1,)) for name, dtype in datatypes.items()]
    return inputs, outputs


def main(grpc_port, http_port, metrics_port):
    config = TritonConfig(
        grpc_address="127.0.0.1", grpc_port=grpc_port, http_address="127.0.0.1", http_port=http_port, metrics_port=metrics_port, log_verbose=0
    )
    # PyTriton closes statistics and more to those without its token. An ordinary Triton doesn't.
    security = TritonSecurityConfig(restricted_endpoints=[])
    x = Tensor(name="x", dtype=np.float32, shape=(4,))
    p = Tensor(name="probabilities", dtype=np.float32, shape=(3,))
    batching = ModelConfig(batching=True, max_batch_size=MAX_ROWS)
    with Triton(config=config, security_config=security) as triton:
        triton.bind("triton-classifier", classifier, [x], [p, Tensor(name="label", dtype=np.bytes_, shape=(1,))], config=batching)
        inputs, outputs = pairs(DATATYPES)
        triton.bind("triton-identity", identity, inputs, outputs, config=batching)
        inputs, outputs = pairs({"FP16": np.float16})
        triton.bind("triton-halves", identity, inputs, outputs, config=batching)
        # One request a time, so that the requests of two callers don't share their steps.
        triton.bind("triton-stream", stream, [x], [p], config=ModelConfig(batching=True, max_batch_size=1, decoupled=True))
        # Asked to end, it unloads its models, which takes away what Triton has unpacked for them.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        triton.serve()


main(*map(int, sys.argv[1:4]))
