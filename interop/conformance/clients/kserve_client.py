"""InferenceGRPCClient of the KServe Python SDK, unmodified. It offers inference and readiness, and no streams."""

import asyncio
import logging

import grpc
from kserve import InferenceGRPCClient, InferInput, InferRequest
from kserve.protocol.infer_type import RequestedOutput

import report
from contents import array, from_array


def request(case):
    inputs = []
    for t in case["inputs"] or []:
        shape = t.get("data_shape", t["shape"])
        given = InferInput(name=t["name"], shape=list(shape), datatype=t["datatype"])
        given.set_data_from_numpy(array(t["datatype"], shape, report.raw(t)), binary_data=case["form"] == "raw")
        given.shape = t["shape"]
        inputs.append(given)
    outputs = [RequestedOutput(name) for name in case.get("outputs", [])]
    return InferRequest(
        model_name=case["model"],
        model_version=case.get("version", ""),
        infer_inputs=inputs,
        request_id=case.get("id", ""),
        parameters=case.get("parameters"),
        request_outputs=outputs or None,
    )


def answered(response):
    """The SDK keeps the elements apart from the message; as_numpy is how its users read them."""
    outputs = []
    for o in response.outputs:
        form = "typed" if o._raw_data is None else "raw"
        outputs.append(report.output(o.name, o.datatype, o.shape, form, from_array(o.as_numpy()), report.parameters(o.parameters)))
    return {
        "model": response.model_name,
        "version": response.model_version,
        "id": response.id,
        "parameters": report.parameters(response.parameters),
        "outputs": outputs,
    }


async def main():
    # The client logs every error with its trace; the report has them.
    logging.disable(logging.CRITICAL)
    address, cases = report.load()
    async with InferenceGRPCClient(address) as client:
        for case in cases:
            try:
                if case["call"] == "infer":
                    report.tell(case, answers=[answered(await client.infer(request(case)))])
                else:
                    ask = {
                        "ServerLive": lambda: client.is_server_live(),
                        "ServerReady": lambda: client.is_server_ready(),
                        "ModelReady": lambda: client.is_model_ready(case.get("model", "")),
                    }[case["call"]]
                    report.tell(case, facts=await ask())
            except grpc.RpcError as e:
                report.tell(case, e.code().name, e.details())
            except Exception as e:  # the client can't read the answer: a finding like any other
                report.tell(case, "CLIENT", f"{type(e).__name__}: {e}")
    report.finish()


asyncio.run(main())
