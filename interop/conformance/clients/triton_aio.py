"""tritonclient from PyPI, unmodified, on asyncio."""

import asyncio

import grpc
import tritonclient.grpc.aio as grpcclient
from tritonclient.utils import InferenceServerException

import report
from triton_cases import TIMEOUT, answered, call, code, infer_arguments


async def stream(client, case):
    async def requests():
        for number in range(case.get("requests", 1)):
            yield infer_arguments(case, number)

    answers, ended, message = [], "OK", ""
    try:
        async for result, error in client.stream_infer(requests(), stream_timeout=TIMEOUT):
            answers.append(answered(result) if error is None else {"error": error.message()})
    except InferenceServerException as e:
        ended, message = code(e), e.message()
    except grpc.RpcError as e:  # one that the client doesn't translate
        ended, message = e.code().name, e.details()
    report.tell(case, ended, message, answers)


async def main():
    address, cases = report.load()
    async with grpcclient.InferenceServerClient(address) as client:
        for case in cases:
            try:
                if case["call"] == "stream":
                    await stream(client, case)
                elif case["call"] == "infer":
                    compression = case.get("compression") or None
                    result = await client.infer(**infer_arguments(case), client_timeout=TIMEOUT, compression_algorithm=compression)
                    report.tell(case, answers=[answered(result)])
                else:
                    ask, keep = call(case, client)
                    report.tell(case, facts=keep(await ask()))
            except InferenceServerException as e:
                report.tell(case, code(e), e.message())
            except Exception as e:  # the client can't read the answer: a finding like any other
                report.tell(case, "CLIENT", f"{type(e).__name__}: {e}")
    report.finish()


asyncio.run(main())
