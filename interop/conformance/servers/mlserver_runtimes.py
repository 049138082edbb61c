"""Runtimes of MLServer: an identity, and a model that answers one request with several responses."""

from mlserver import MLModel
from mlserver.errors import InferenceError
from mlserver.types import InferenceResponse, Parameters, ResponseOutput

import numpy as np

from tensors import ECHOED, steps


def echoed(payload):
    given = payload.parameters.model_dump() if payload.parameters else {}
    known = {k: given[k] for k in ECHOED if given.get(k) is not None}
    return Parameters(**known) if known else None


class Identity(MLModel):
    async def predict(self, payload):
        wanted = {o.name for o in payload.outputs or []}
        outputs = []
        for t in payload.inputs:
            name = "out_" + t.name.removeprefix("in_")
            if not wanted or name in wanted:
                # construct: as it came, without pydantic's guess at whether bytes are text.
                outputs.append(ResponseOutput.model_construct(name=name, shape=t.shape, datatype=t.datatype, data=t.data, parameters=None))
        return InferenceResponse.model_construct(
            id=payload.id, model_name=self.name, model_version=self.version, outputs=outputs, parameters=echoed(payload)
        )


class Stream(MLModel):
    async def predict_stream(self, payloads):
        async for payload in payloads:
            x = np.array(list(payload.inputs[0].data), dtype=np.float32)
            try:
                for p in steps(x):
                    out = ResponseOutput(name="probabilities", shape=list(p.shape), datatype="FP32", data=p.flatten().tolist())
                    yield InferenceResponse(id=payload.id, model_name=self.name, model_version=self.version, outputs=[out])
            except ValueError as e:
                raise InferenceError(str(e))
