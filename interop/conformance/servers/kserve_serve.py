"""python kserve_serve.py GRPC_PORT HTTP_PORT METRICS_PORT: the ModelServer of KServe's Python SDK with two small models.

It has no streams. HTTP_PORT is for its REST server, which also has its metrics.
"""

import sys

import numpy as np
from kserve import InferOutput, InferResponse, Model, ModelServer
from kserve.errors import InvalidInput

from tensors import DATATYPES, ECHOED, labels, probabilities


def tensor(name, datatype, shape):
    return {"name": name, "datatype": datatype, "shape": shape}


def answer(model, request, outputs):
    """The outputs that were asked for, or all, in the form in which the request came."""
    wanted = [o.name for o in request.request_outputs or []] or list(outputs)
    unknown = [n for n in wanted if n not in outputs]
    if unknown:
        raise InvalidInput(f"there is no output {unknown[0]!r}")
    made = []
    for name in wanted:
        datatype, array = outputs[name]
        out = InferOutput(name=name, shape=list(array.shape), datatype=datatype)
        if request.use_binary_outputs or datatype == "FP16":
            out.set_data_from_numpy(array)
            # It leaves its own size among the parameters, which is REST's.
            out.parameters = None
        else:
            out.data = array.flatten().tolist()
        made.append(out)
    given = {k: request.parameters[k] for k in ECHOED if k in (request.parameters or {})}
    return InferResponse(
        response_id=request.id,
        model_name=model.name,
        infer_outputs=made,
        parameters=given or None,
        from_grpc=True,
        use_binary_outputs=request.use_binary_outputs,
    )


def by_name(request, name):
    t = request.get_input_by_name(name)
    if t is None:
        raise InvalidInput(f"there is no input {name!r}")
    return t


class Classifier(Model):
    def __init__(self, name):
        super().__init__(name)
        self.ready = True

    async def get_input_types(self):
        return [tensor("x", "FP32", [-1, 4])]

    async def get_output_types(self):
        return [tensor("probabilities", "FP32", [-1, 3]), tensor("label", "BYTES", [-1])]

    def predict(self, payload, headers=None, response_headers=None):
        x = by_name(payload, "x")
        if x.datatype != "FP32" or x.shape[1:] != [4]:
            raise InvalidInput(f"x is {x.datatype} {x.shape}, want FP32 [-1, 4]")
        p = probabilities(x.as_numpy())
        return answer(self, payload, {"probabilities": ("FP32", p), "label": ("BYTES", labels(p))})


class Identity(Model):
    def __init__(self, name, datatypes):
        super().__init__(name)
        self.datatypes = list(datatypes)
        self.ready = True

    async def get_input_types(self):
        return [tensor("in_" + t.lower(), t, [-1, -1]) for t in self.datatypes]

    async def get_output_types(self):
        return [tensor("out_" + t.lower(), t, [-1, -1]) for t in self.datatypes]

    def predict(self, payload, headers=None, response_headers=None):
        outputs = {}
        for t in self.datatypes:
            given = by_name(payload, "in_" + t.lower())
            if given.datatype != t:
                raise InvalidInput(f"{given.name} is {given.datatype}, want {t}")
            outputs["out_" + t.lower()] = (t, given.as_numpy())
        return answer(self, payload, outputs)


def main(grpc_port, http_port, _metrics_port):
    server = ModelServer(http_port=http_port, grpc_port=grpc_port, workers=1, enable_latency_logging=False)
    server.start([Classifier("kserve-classifier"), Identity("kserve-identity", DATATYPES), Identity("kserve-halves", ["FP16"])])


main(*map(int, sys.argv[1:4]))
