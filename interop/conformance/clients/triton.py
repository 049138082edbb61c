"""tritonclient from PyPI, unmodified, blocking."""

import os
import queue
import threading
import time

import tritonclient.grpc as grpcclient
from tritonclient.utils import InferenceServerException

import report
from triton_cases import TIMEOUT, answered, call, code, infer_arguments

# Seconds from the end of a stream to the conclusion that the client won't notice it.
HANGS_AFTER = 4


def hangs(client):
    """Ends the stream when the server has ended its side. True: the client never comes back. When it can't read an answer, it
    waits for a text of gRPC's that no longer comes, and leaves its thread behind."""
    stream = client._stream
    stopping = threading.Thread(target=client.stop_stream, daemon=True)
    stopping.start()
    over = None
    while stopping.is_alive():
        if over is None and not stream._response_iterator.is_active():
            over = time.monotonic()
        if over is not None and time.monotonic() - over > HANGS_AFTER:
            return True
        stopping.join(0.01)
    return False


def stream(address, case):
    """Every request on one stream; answers are taken until the server has no more."""
    events = queue.Queue()
    answers, failure = [], None
    client = grpcclient.InferenceServerClient(address)
    client.start_stream(lambda result, error: events.put((result, error)), stream_timeout=TIMEOUT)
    for number in range(case.get("requests", 1)):
        try:
            client.async_stream_infer(**infer_arguments(case, number))
        except InferenceServerException as e:
            failure = failure or e  # the stream has ended; why, stands in the queue
    if hangs(client):
        report.tell(case, "CLIENT", "the client hangs: it could not read an answer")
        return
    client.close()
    while not events.empty():
        result, error = events.get()
        if error is None:
            answers.append(answered(result))
        elif error.status():
            failure = error  # the stream's status
        else:
            answers.append({"error": error.message()})  # in band; the stream goes on
    report.tell(case, "OK" if failure is None else code(failure), "" if failure is None else failure.message(), answers)


def main():
    address, cases = report.load()
    client = grpcclient.InferenceServerClient(address)
    for case in cases:
        try:
            if case["call"] == "stream":
                stream(address, case)
            elif case["call"] == "infer":
                compression = case.get("compression") or None
                result = client.infer(**infer_arguments(case), client_timeout=TIMEOUT, compression_algorithm=compression)
                report.tell(case, answers=[answered(result)])
            else:
                ask, keep = call(case, client)
                report.tell(case, facts=keep(ask()))
        except InferenceServerException as e:
            report.tell(case, code(e), e.message())
        except Exception as e:  # the client can't read the answer: a finding like any other
            report.tell(case, "CLIENT", f"{type(e).__name__}: {e}")
    client.close()
    report.finish()
    # A thread of a client that hangs would keep the program.
    os._exit(0)


main()
