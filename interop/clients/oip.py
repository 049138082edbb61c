"""open-inference-grpc from PyPI, generated from the public proto and unmodified, against the gateway."""

import asyncio
import struct

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from open_inference.grpc import protocol as oip
from open_inference.grpc.service import GRPCInferenceServiceStub

from checks import check, equal, finish, plan, true

P = plan()


# A successful answer has trailers for those who ask.
TRAILERS = [("candor-trailers", "prediction")]


def request(rows, outputs=(), raw=False, **more):
    pixels = [p for r in rows for p in r["pixels"]]
    tensor = {"name": "image", "datatype": "FP32", "shape": [len(rows), 64]}
    r = oip.ModelInferRequest(model_name=P.model, outputs=[{"name": n} for n in outputs], **more)
    if raw:
        r.raw_input_contents.append(struct.pack(f"<{len(pixels)}f", *pixels))
    else:
        tensor["contents"] = {"fp32_contents": pixels}
    r.inputs.add(**tensor)
    return r


def direct(req):
    """The same request, for the model server itself."""
    own = oip.ModelInferRequest()
    own.CopyFrom(req)
    own.model_name = P.backend_model
    return own


def params(response):
    return {k: getattr(v, v.WhichOneof("parameter_choice")) for k, v in response.parameters.items()}


def refused(code, reason, details, call):
    """The error that call ends in: its code, the reason in its ErrorInfo, and the other details that it must carry."""
    try:
        call()
    except grpc.RpcError as e:
        equal("code", e.code().name, code)
        found = {}
        for any_ in rpc_status.from_call(e).details:
            name = any_.TypeName().rpartition(".")[2]
            found[name] = getattr(error_details_pb2, name)()
            true(f"{name} unpacks", any_.Unpack(found[name]))
        equal("details", sorted(found), sorted(["ErrorInfo", *details]))
        info = found["ErrorInfo"]
        equal("domain", info.domain, "candor")
        equal("reason", info.reason, reason)
        return e, found
    raise AssertionError(f"no error, want {code}")


def main():
    channel = grpc.insecure_channel(P.gateway)
    backend_channel = grpc.insecure_channel(P.backend)
    gateway, backend = GRPCInferenceServiceStub(channel), GRPCInferenceServiceStub(backend_channel)

    def server():
        true("live", gateway.ServerLive(oip.ServerLiveRequest()).live)
        true("ready", gateway.ServerReady(oip.ServerReadyRequest()).ready)
        true("model ready", gateway.ModelReady(oip.ModelReadyRequest(name=P.model)).ready)
        true("model ready, version", gateway.ModelReady(oip.ModelReadyRequest(name=P.model, version="1")).ready)
        return "all true"

    check("ServerLive, ServerReady, ModelReady", server)

    def server_metadata():
        m = gateway.ServerMetadata(oip.ServerMetadataRequest())
        equal("name", m.name, "candor")
        return f"{m.name} {m.version}"

    check("ServerMetadata", server_metadata)

    def model_metadata():
        m = gateway.ModelMetadata(oip.ModelMetadataRequest(name=P.model))
        equal("name", m.name, P.model)
        equal("inputs", [(t.name, t.datatype, list(t.shape)) for t in m.inputs], [("image", "FP32", [-1, 64])])
        outputs = {t.name: t.datatype for t in m.outputs}
        equal("candor_route", outputs.get("candor_route"), "BYTES")
        equal("candor_confidence", outputs.get("candor_confidence"), "FP32")
        return "outputs " + " ".join(outputs)

    check("ModelMetadata", model_metadata)

    def typed():
        req = request([P.accept], id="typed-1")
        r, own = gateway.ModelInfer(req), backend.ModelInfer(direct(req))
        equal("raw contents", len(r.raw_output_contents), 0)
        equal("tensors", list(r.outputs), list(own.outputs))
        equal("id", r.id, "typed-1")
        equal("label", r.outputs[1].contents.bytes_contents[0].decode(), P.accept["label"])
        return "typed for typed; equal to the model server's own"

    check("ModelInfer, typed contents", typed)

    def raw():
        req = request([P.accept], raw=True)
        r, own = gateway.ModelInfer(req), backend.ModelInfer(direct(req))
        equal("raw contents", list(r.raw_output_contents), list(own.raw_output_contents))
        equal("tensors", list(r.outputs), list(own.outputs))
        true("no typed contents", not any(o.HasField("contents") for o in r.outputs))
        return "raw for raw; equal to the model server's own, to the byte"

    check("ModelInfer, raw contents", raw)

    def typed_metadata():
        r = gateway.ModelInfer(request(P.batch, ["label", "candor_route", "candor_confidence", "candor_answered_by"]))
        out = {o.name: o for o in r.outputs}
        equal("outputs", list(out), ["label", "candor_route", "candor_confidence", "candor_answered_by"])
        equal("routes", [b.decode() for b in out["candor_route"].contents.bytes_contents], [b["route"] for b in P.batch])
        equal("labels", [b.decode() for b in out["label"].contents.bytes_contents], [b["label"] for b in P.batch])
        equal("answered by", [b.decode() for b in out["candor_answered_by"].contents.bytes_contents], [b["answered_by"] for b in P.batch])
        equal("confidences", len(out["candor_confidence"].contents.fp32_contents), len(P.batch))
        return f"{len(P.batch)} rows in order"

    check("batch, typed, with metadata tensors", typed_metadata)

    def fallback():
        out = {}
        for form in [False, True]:
            r = gateway.ModelInfer(request([P.fallback], raw=form))
            equal("candor_route", params(r)["candor_route"], "FALLBACK")
            if form:
                probabilities = struct.unpack("<10f", r.raw_output_contents[0])
                label = r.raw_output_contents[1][4:].decode()
            else:
                probabilities = tuple(r.outputs[0].contents.fp32_contents)
                label = r.outputs[1].contents.bytes_contents[0].decode()
            equal("label", label, P.fallback["label"])
            out[form] = probabilities
        equal("the two forms", out[True], out[False])
        return "typed and raw alike"

    check("fallback row, typed and raw", fallback)

    def primary_down():
        with grpc.insecure_channel(P.primary_down) as c:
            stub = GRPCInferenceServiceStub(c)
            r = stub.ModelInfer(request([P.fallback], id="down-1"))
            equal("id", r.id, "down-1")
            equal("model", (r.model_name, r.model_version), (P.model, "1"))
            equal("outputs", [o.name for o in r.outputs], ["probabilities", "label"])
            equal("label", r.outputs[1].contents.bytes_contents[0].decode(), P.fallback["label"])
            equal("scores", r.outputs[0], gateway.ModelInfer(request([P.fallback])).outputs[0])
            p = params(r)
            equal("candor_route", p["candor_route"], "FALLBACK")
            true("candor_fault says why", P.backend_model in p["candor_fault"])
            return f"typed, reasons {p['candor_reasons']}"

    check("the primary's model server is down", primary_down)

    def parameters():
        p = params(gateway.ModelInfer(request([P.accept])))
        equal("candor_route", p["candor_route"], "ACCEPT")
        equal("candor_answered_by", p["candor_answered_by"], P.backend_model)
        true("types", all(type(v) in (bool, int, str) for v in p.values()))
        return " ".join(sorted(p))

    check("response parameters", parameters)

    def trailers():
        r, call = gateway.ModelInfer.with_call(request([P.accept]), metadata=TRAILERS)
        md = {k: v for k, v in call.trailing_metadata()}
        equal("candor-prediction-id", md["candor-prediction-id"], params(r)["candor_prediction_id"])
        true("candor-prediction-bin is bytes", isinstance(md["candor-prediction-bin"], bytes))
        return f"candor-prediction-bin: {len(md['candor-prediction-bin'])} bytes", {
            "prediction_id": md["candor-prediction-id"],
            "prediction": md["candor-prediction-bin"].hex(),
            "route": "ACCEPT",
        }

    check("trailers of an answer", trailers)

    def batch_trailers():
        _, call = gateway.ModelInfer.with_call(request(P.batch, ["candor_route"]), metadata=TRAILERS)
        md = call.trailing_metadata()
        keys = {k: v for k, v in md}
        true("candor-prediction-id", len(keys["candor-prediction-id"]) == 36)
        size = sum(len(k) + (len(v) * 4 + 2) // 3 + 32 for k, v in md)
        true(f"{size} bytes of trailers fit into 4 KiB", size <= 4096)
        return f"{size} bytes; " + " ".join(sorted(keys))

    check(f"trailers of a batch of {len(P.batch)}", batch_trailers)

    def deferred():
        e, found = refused("FAILED_PRECONDITION", "DEFERRED_TO_REVIEW", ["ResourceInfo"], lambda: gateway.ModelInfer(request([P.defer])))
        item, info = found["ResourceInfo"].resource_name, found["ErrorInfo"].metadata
        true(f"{item!r} is a review item", item.startswith("reviewItems/"))
        equal("review_item", info["review_item"], item)
        md = {k: v for k, v in e.trailing_metadata()}
        equal("candor-prediction-id", md["candor-prediction-id"], info["prediction_id"])
        true("candor-prediction-bin is bytes", isinstance(md["candor-prediction-bin"], bytes))
        return "ErrorInfo, ResourceInfo and both trailers", {
            "prediction_id": md["candor-prediction-id"],
            "prediction": md["candor-prediction-bin"].hex(),
            "route": "DEFER",
        }

    check("deferred row, client unaware", deferred)

    def unknown_model():
        req = request([P.accept])
        req.model_name = "nope"
        _, found = refused("NOT_FOUND", "MODEL_NOT_FOUND", [], lambda: gateway.ModelInfer(req))
        equal("model", found["ErrorInfo"].metadata["model"], "nope")
        return "MODEL_NOT_FOUND"

    check("unknown model", unknown_model)

    def field(path, reason, change):
        def body():
            req = request([P.accept])
            change(req)
            _, found = refused("INVALID_ARGUMENT", reason, ["BadRequest"], lambda: gateway.ModelInfer(req))
            violation = found["BadRequest"].field_violations[0]
            equal("field", violation.field, path)
            return f"{violation.field}: {violation.description}"

        return body

    def negative(req):
        req.inputs[0].shape[:] = [-1, 64]

    def narrow(req):
        req.inputs[0].shape[:] = [1, 63]
        del req.inputs[0].contents.fp32_contents[63:]

    def both(req):
        req.raw_input_contents.append(bytes(256))

    def huge(req):
        req.inputs[0].shape[:] = [1 << 62, 64]

    check("wrong shape", field("inputs[0].shape", "INVALID_REQUEST", narrow))
    check("negative dimension", field("inputs[0].shape", "INVALID_REQUEST", negative))
    check("product of the shape overflows", field("inputs[0].shape", "INVALID_REQUEST", huge))
    check("raw and typed together", field("inputs[0].contents", "INVALID_REQUEST", both))

    def oversized():
        req = request([P.accept], raw=True)
        req.raw_input_contents[0] = bytes(P.max_message_bytes)
        limit = str(P.max_message_bytes)
        said = []
        for compression in [grpc.Compression.NoCompression, grpc.Compression.Gzip]:
            try:
                gateway.ModelInfer(req, compression=compression)
            except grpc.RpcError as e:
                equal("code", e.code().name, "RESOURCE_EXHAUSTED")
                true(f"the message {e.details()!r} names the limit", limit in e.details())
                said.append(e.details())
        equal("refusals", len(said), 2)
        return "; ".join(said)

    check("a message larger than the limit, plain and gzip", oversized)

    def garbage():
        for method in ["ServerLive", "ModelReady", "ModelMetadata", "ModelInfer"]:
            # The wire type 7 does not exist.
            call = channel.unary_unary("/inference.GRPCInferenceService/" + method)
            refused("INVALID_ARGUMENT", "INVALID_REQUEST", ["BadRequest"], lambda: call(b"\x0f\xff"))
        return "four methods"

    check("bytes that are no message", garbage)

    def asynchronous():
        async def run():
            async with grpc.aio.insecure_channel(P.gateway) as c:
                stub = GRPCInferenceServiceStub(c)
                true("live", (await stub.ServerLive(oip.ServerLiveRequest())).live)
                call = stub.ModelInfer(request([P.accept]), metadata=TRAILERS)
                r = await call
                md = {k: v for k, v in await call.trailing_metadata()}
                equal("candor-prediction-id", md["candor-prediction-id"], params(r)["candor_prediction_id"])
                return "answer and trailers"

        return asyncio.run(run())

    check("grpc.aio", asynchronous)

    channel.close()
    backend_channel.close()
    finish()


main()
