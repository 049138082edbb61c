"""open-inference-grpc from PyPI, generated from the public proto and unmodified: typed and raw tensors, and messages that are wrong."""

import grpc
from open_inference.grpc import protocol as oip
from open_inference.grpc.service import GRPCInferenceServiceStub
from google.protobuf import json_format

import report
from contents import unpack

# Longest wait for an answer, in seconds.
TIMEOUT = 30
COMPRESSION = {"": None, "gzip": grpc.Compression.Gzip, "deflate": grpc.Compression.Deflate}
# gRPC's own limit on what it receives is 4 MiB.
ANY_SIZE = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
# What a Python value of a parameter is on the wire.
KINDS = {bool: "bool_param", int: "int64_param", str: "string_param", float: "double_param"}


def request(case):
    r = oip.ModelInferRequest(model_name=case["model"], model_version=case.get("version", ""), id=case.get("id", ""))
    for t in case["inputs"] or []:
        given = r.inputs.add(name=t["name"], datatype=t["datatype"], shape=t["shape"])
        form = t.get("form") or case["form"]
        if form in ("raw", "both"):
            r.raw_input_contents.append(report.raw(t))
        if form in ("typed", "both"):
            field, elements = unpack(t["datatype"], report.raw(t))
            getattr(given.contents, field).extend(elements)
    r.raw_input_contents.extend(bytes.fromhex(h) for h in case.get("extra_raw", []))
    for name in case.get("outputs", []):
        r.outputs.add(name=name)
    for key, value in case.get("parameters", {}).items():
        setattr(r.parameters[key], KINDS[type(value)], value)
    return r


# Candor sends the trailers of a successful answer to those who ask; the other servers take no notice.
TRAILERS = [("candor-trailers", "prediction")]


def infer(stub, channel, case):
    if case["call"] == "bytes":
        # The method with bytes in place of a message.
        method = channel.unary_unary("/inference.GRPCInferenceService/ModelInfer", response_deserializer=oip.ModelInferResponse.FromString)
        message, ended = method.with_call(bytes.fromhex(case["payload"]), timeout=TIMEOUT, metadata=TRAILERS)
    else:
        message, ended = stub.ModelInfer.with_call(request(case), timeout=TIMEOUT, metadata=TRAILERS, compression=COMPRESSION[case.get("compression", "")])
    report.tell(case, answers=[report.answer(message)], trailers=[k for k, _ in ended.trailing_metadata() if k.startswith("candor-")])


def call(stub, case):
    named = {"name": case.get("model", ""), "version": case.get("version", "")} if case["call"].startswith("Model") else {}
    message = getattr(stub, case["call"])(getattr(oip, case["call"] + "Request")(**named), timeout=TIMEOUT)
    report.tell(case, facts=json_format.MessageToDict(message, preserving_proto_field_name=True))


def main():
    address, cases = report.load()
    with grpc.insecure_channel(address, options=ANY_SIZE) as channel:
        stub = GRPCInferenceServiceStub(channel)
        for case in cases:
            try:
                if case["call"] in ("infer", "bytes"):
                    infer(stub, channel, case)
                else:
                    call(stub, case)
            except grpc.RpcError as e:
                trailers = [k for k, _ in e.trailing_metadata() or [] if k.startswith("candor-")]
                report.tell(case, e.code().name, e.details(), trailers=trailers)
    report.finish()


main()
