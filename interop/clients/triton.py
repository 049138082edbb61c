"""tritonclient from PyPI, unmodified, against the gateway."""

import asyncio
import math
import queue

import numpy as np
import tritonclient.grpc as grpcclient
import tritonclient.grpc.aio as aioclient
from tritonclient.utils import InferenceServerException

from checks import check, equal, finish, plan, true

P = plan()
METADATA = {
    "candor_route": "BYTES", "candor_confidence": "FP32", "candor_answered_by": "BYTES", "candor_decision_id": "BYTES",
    "candor_threshold": "FP32", "candor_certificate": "BYTES", "candor_sampling_probability": "FP32",
}


def tensor(rows):
    pixels = np.array([r["pixels"] for r in rows], dtype=np.float32)
    t = grpcclient.InferInput("image", list(pixels.shape), "FP32")
    t.set_data_from_numpy(pixels)
    return [t]


def wanted(*names):
    return [grpcclient.InferRequestedOutput(n) for n in names]


def texts(result, name):
    return [b.decode() for b in result.as_numpy(name).tolist()]


def params(result):
    """The response parameters as a dict: the one way to them that tritonclient has."""
    out = {}
    for key, value in result.get_response().parameters.items():
        out[key] = getattr(value, value.WhichOneof("parameter_choice"))
    return out


def refused(code, words, call):
    """Holds the exception that call ends in against a status and some words of its message."""
    try:
        call()
    except InferenceServerException as e:
        equal("status", e.status(), "StatusCode." + code)
        for w in words:
            true(f"the message {e.message()!r} says {w!r}", w in e.message())
        return f"{code}: {e.message()}"
    raise AssertionError(f"no exception, want {code}")


def same_bits(a, b, name):
    x, y = a.as_numpy(name), b.as_numpy(name)
    true(f"{name} is there", x is not None and y is not None)
    equal(f"{name} shape", x.shape, y.shape)
    equal(f"{name} dtype", x.dtype, y.dtype)
    if x.dtype == np.object_:
        equal(name, x.tolist(), y.tolist())
    else:
        equal(f"{name} bytes", x.tobytes(), y.tobytes())


def main():
    gateway = grpcclient.InferenceServerClient(P.gateway)
    backend = grpcclient.InferenceServerClient(P.backend)

    def infer(rows, outputs=None, client=gateway, model=P.model, **more):
        return client.infer(model, tensor(rows), outputs=outputs, **more)

    def direct(rows, outputs=None):
        return infer(rows, outputs, backend, P.backend_model)

    def server():
        true("is_server_live", gateway.is_server_live())
        true("is_server_ready", gateway.is_server_ready())
        true("is_model_ready", gateway.is_model_ready(P.model))
        true("is_model_ready with the pinned version", gateway.is_model_ready(P.model, "1"))
        return "live, server ready, model ready"

    check("liveness and readiness", server)

    check("is_model_ready of an unknown model", lambda: refused("NOT_FOUND", ["nope"], lambda: gateway.is_model_ready("nope")))

    def server_metadata():
        m = gateway.get_server_metadata()
        equal("name", m.name, "candor")
        equal("as_json", gateway.get_server_metadata(as_json=True)["name"], "candor")
        return f"{m.name} {m.version}, extensions {list(m.extensions)}"

    check("get_server_metadata", server_metadata)

    def model_metadata():
        m = gateway.get_model_metadata(P.model)
        equal("name", m.name, P.model)
        equal("versions", list(m.versions), ["1"])
        equal("inputs", [(t.name, t.datatype, list(t.shape)) for t in m.inputs], [("image", "FP32", [-1, 64])])
        outputs = {t.name: t.datatype for t in m.outputs}
        equal("outputs", outputs, {"probabilities": "FP32", "label": "BYTES", **METADATA})
        return "outputs " + " ".join(outputs)

    check("get_model_metadata advertises the metadata tensors", model_metadata)

    def no_outputs_named():
        r = infer([P.accept])
        equal("outputs", sorted(o.name for o in r.get_response().outputs), ["label", "probabilities"])
        equal("model_name", r.get_response().model_name, P.model)
        equal("model_version", r.get_response().model_version, "1")
        equal("label", texts(r, "label"), [P.accept["label"]])
        for name in ["probabilities", "label"]:
            same_bits(r, direct([P.accept]), name)
        return "both tensors, to the bit as the model server's own"

    check("infer, no outputs named, accepted row", no_outputs_named)

    def named(*names):
        r = infer([P.accept], wanted(*names))
        equal("outputs", [o.name for o in r.get_response().outputs], list(names))
        for name in names:
            same_bits(r, direct([P.accept]), name)
        return "only " + ", ".join(names)

    check("infer, both outputs named", lambda: named("probabilities", "label"))
    check("infer, the other order", lambda: named("label", "probabilities"))
    check("infer, only the output without scores", lambda: named("label"))

    def parameters():
        p = params(infer([P.accept]))
        true("candor_prediction_id", len(p["candor_prediction_id"]) == 36)
        equal("candor_route", p["candor_route"], "ACCEPT")
        equal("candor_answered_by", p["candor_answered_by"], P.backend_model)
        equal("candor_mode", p["candor_mode"], "ENFORCE")
        true("confidence reaches the threshold", p["candor_confidence_ppm"] >= p["candor_threshold_ppm"] > 0)
        true("candor_model_created_at", p["candor_model_created_at"].startswith("20"))
        true("types", all(type(v) in (bool, int, str) for v in p.values()))
        return f"route {p['candor_route']}, confidence {p['candor_confidence_ppm']} ppm, {len(p)} parameters"

    check("response parameters of one row", parameters)

    def as_json():
        r = infer([P.accept]).get_response(as_json=True)
        equal("candor_route", r["parameters"]["candor_route"]["string_param"], "ACCEPT")
        return "candor_route ACCEPT"

    check("get_response(as_json=True)", as_json)

    for algorithm in ["gzip", "deflate"]:

        def compressed():
            r = infer(P.batch, wanted("probabilities", "candor_route"), compression_algorithm=algorithm)
            equal("routes", texts(r, "candor_route"), [b["route"] for b in P.batch])
            same_bits(r, infer(P.batch, wanted("probabilities", "candor_route")), "probabilities")
            return f"{len(P.batch)} rows as without"

        check(f"compression_algorithm={algorithm}", compressed)

    def echoed():
        equal("id", infer([P.accept], request_id="interop-17").get_response().id, "interop-17")
        equal("id of a fallback", infer([P.fallback], request_id="interop-18").get_response().id, "interop-18")
        return "accepted and fallback"

    check("request_id comes back", echoed)

    def request_parameters():
        r = infer(
            [P.accept],
            priority=2,
            timeout=2_000_000,
            client_timeout=20,
            headers={"x-request-source": "interop"},
            parameters={"trace": "on", "n": 7, "flag": True, "ratio": 0.25},
        )
        equal("label", texts(r, "label"), [P.accept["label"]])
        return "uint64, int64, string, bool and double"

    check("priority, timeout, client_timeout, headers, parameters", request_parameters)

    def fallback():
        r = infer([P.fallback])
        p = params(r)
        equal("candor_route", p["candor_route"], "FALLBACK")
        equal("label", texts(r, "label"), [P.fallback["label"]])
        equal("candor_answered_by", p["candor_answered_by"], P.ensemble)
        probabilities = r.as_numpy("probabilities")
        equal("shape", probabilities.shape, (1, 10))
        equal("argmax", str(int(probabilities.argmax())), P.fallback["label"])
        true("they sum to one", abs(float(probabilities.sum()) - 1) < 1e-5)
        return f"answered by {p['candor_answered_by']}, reasons {p['candor_reasons']}"

    check("infer, fallback row", fallback)

    def primary_down():
        with grpcclient.InferenceServerClient(P.primary_down) as c:
            true("is_model_ready", c.is_model_ready(P.model))
            true("get_model_metadata", "image" in [t.name for t in c.get_model_metadata(P.model).inputs])
            names = ["probabilities", "label", "candor_route", "candor_answered_by"]
            rows = [b for b in P.batch if b["route"] == "FALLBACK"]
            r = infer(rows, wanted(*names), c, request_id="down-1", client_timeout=20)
            equal("id", r.get_response().id, "down-1")
            equal("outputs", [o.name for o in r.get_response().outputs], names)
            equal("labels", texts(r, "label"), [b["label"] for b in rows])
            equal("routes", texts(r, "candor_route"), ["FALLBACK"] * len(rows))
            equal("answered by", texts(r, "candor_answered_by"), [P.ensemble] * len(rows))
            same_bits(r, infer(rows, wanted("probabilities")), "probabilities")
            p = params(infer(rows[:1], client=c))
            equal("candor_route", p["candor_route"], "FALLBACK")
            return f"{len(rows)} rows by {P.ensemble}; reasons {p['candor_reasons']}, fault {p['candor_fault']!r}"

    check("the primary's model server is down", primary_down)

    def batch():
        names = ["probabilities", "label", "candor_route", "candor_confidence", "candor_answered_by", "candor_decision_id"]
        r, own = infer(P.batch, wanted(*names)), direct(P.batch)
        n = len(P.batch)
        equal("outputs", [o.name for o in r.get_response().outputs], names)
        equal("routes", texts(r, "candor_route"), [b["route"] for b in P.batch])
        confidence = r.as_numpy("candor_confidence")
        equal("confidence", (confidence.shape, confidence.dtype), ((n,), np.dtype(np.float32)))
        answered, ids, labels = texts(r, "candor_answered_by"), texts(r, "candor_decision_id"), texts(r, "label")
        equal("decision ids are different", len(set(ids)), n)
        got, theirs = r.as_numpy("probabilities"), own.as_numpy("probabilities")
        equal("probabilities", (got.shape, got.dtype), ((n, 10), np.dtype(np.float32)))
        exact = 0
        for i, b in enumerate(P.batch):
            where = f"row {i}, {b['route']}"
            equal(where + ": label", labels[i], b["label"])
            equal(where + ": answered by", answered[i], b["answered_by"])
            if b["route"] == "ACCEPT":
                equal(where + ": bits", got[i].tobytes(), theirs[i].tobytes())
                equal(where + ": confidence", confidence[i], theirs[i].max())
                exact += 1
            elif b["route"] == "FALLBACK":
                equal(where + ": argmax", str(int(got[i].argmax())), b["label"])
                true(where + ": not the primary's own scores", got[i].tobytes() != theirs[i].tobytes())
            else:
                true(where + ": withheld", all(math.isnan(v) for v in got[i]))
        p = params(r)
        for route in ["ACCEPT", "FALLBACK", "DEFER", "REJECT"]:
            equal(f"candor_rows_{route.lower()}", p[f"candor_rows_{route.lower()}"], sum(b["route"] == route for b in P.batch))
        return f"{exact} accepted rows to the bit, {p['candor_rows_fallback']} fallback, {p['candor_rows_defer']} deferred and withheld"

    check(f"batch of {len(P.batch)} with metadata tensors as numpy arrays", batch)

    def only_metadata():
        r = infer([P.defer], wanted("candor_route"))
        names = [o.name for o in r.get_response().outputs]
        equal("outputs", sorted(names), ["candor_route", "label", "probabilities"])
        equal("route", texts(r, "candor_route"), ["DEFER"])
        return "all outputs and candor_route"

    check("only metadata named: all outputs come too", only_metadata)

    check(
        "deferred row, client unaware",
        lambda: refused("FAILED_PRECONDITION", ["wait for a human", "candor_route"], lambda: infer([P.defer])),
    )
    check(
        "deferred rows in a batch, client unaware",
        lambda: refused("FAILED_PRECONDITION", ["wait for a human"], lambda: infer(P.batch, wanted("probabilities"))),
    )

    check("unknown model", lambda: refused("NOT_FOUND", ["nope", "digits"], lambda: infer([P.accept], model="nope")))
    check("another version", lambda: refused("NOT_FOUND", ['"7"'], lambda: infer([P.accept], model_version="7")))

    def shaped(shape, datatype="FP32", dtype=np.float32, name="image"):
        t = grpcclient.InferInput(name, shape, datatype)
        t.set_data_from_numpy(np.zeros(shape, dtype=dtype))
        return lambda: gateway.infer(P.model, [t])

    check("wrong shape", lambda: refused("INVALID_ARGUMENT", ["inputs[0]"], shaped([1, 63])))
    check("wrong rank", lambda: refused("INVALID_ARGUMENT", ["inputs[0]"], shaped([64])))
    check("no rows", lambda: refused("INVALID_ARGUMENT", [], shaped([0, 64])))
    check("wrong datatype", lambda: refused("INVALID_ARGUMENT", ["inputs[0]"], shaped([1, 64], "FP64", np.float64)))
    check("unknown input", lambda: refused("INVALID_ARGUMENT", ["picture"], shaped([1, 64], name="picture")))
    check("unknown output", lambda: refused("INVALID_ARGUMENT", ["nope"], lambda: infer([P.accept], wanted("nope"))))
    check("unknown metadata tensor", lambda: refused("INVALID_ARGUMENT", ["candor_nope"], lambda: infer([P.accept], wanted("candor_nope"))))

    def short():
        t = grpcclient.InferInput("image", [2, 64], "FP32")
        t.set_data_from_numpy(np.zeros([2, 64], dtype=np.float32))
        t.set_shape([3, 64])
        gateway.infer(P.model, [t])

    check("fewer bytes than the shape says", lambda: refused("INVALID_ARGUMENT", ["raw_input_contents[0]"], short))

    def shared_memory():
        t = grpcclient.InferInput("image", [1, 64], "FP32")
        t.set_shared_memory("region", 256)
        gateway.infer(P.model, [t])

    check("input in shared memory that isn't there", lambda: refused("INVALID_ARGUMENT", [], shared_memory))

    check(
        "a wrong token",
        lambda: refused("UNAUTHENTICATED", ["token"], lambda: infer([P.accept], headers={"authorization": "Bearer wrong"})),
    )

    def from_future():
        done = queue.Queue()
        gateway.async_infer(P.model, tensor([P.accept]), lambda result, error: done.put((result, error)))
        result, error = done.get(timeout=30)
        equal("error", error, None)
        equal("label", texts(result, "label"), [P.accept["label"]])
        gateway.async_infer(P.model, tensor([P.defer]), lambda result, error: done.put((result, error)))
        result, error = done.get(timeout=30)
        equal("status", error.status(), "StatusCode.FAILED_PRECONDITION")
        return "an answer, and a deferral"

    check("async_infer with a callback", from_future)

    def stream():
        done = queue.Queue()
        with grpcclient.InferenceServerClient(P.gateway) as c:
            c.start_stream(lambda result, error: done.put((result, error)))
            # Two requests on one stream; the second is refused, which doesn't end it.
            c.async_stream_infer(P.model, tensor([P.fallback]), request_id="stream-1")
            result, error = done.get(timeout=30)
            equal("error", error, None)
            c.async_stream_infer(P.model, tensor([P.defer]), request_id="stream-2")
            nothing, deferred = done.get(timeout=30)
            c.stop_stream()
        equal("id", result.get_response().id, "stream-1")
        equal("label", texts(result, "label"), [P.fallback["label"]])
        equal("candor_answered_by", params(result)["candor_answered_by"], P.ensemble)
        equal("result of a deferred row", nothing, None)
        true(f"the message {deferred.message()!r} tells of the deferral", "wait for a human" in deferred.message())
        return f"answered by {P.ensemble}, then a deferral in band"

    check("stream: an answer, and a deferral in band", stream)

    # What perf_analyzer and tools like it ask at the start, of a model server that has none of it.
    for what, call in {
        "get_model_config": lambda: gateway.get_model_config(P.model),
        "get_inference_statistics": lambda: gateway.get_inference_statistics(P.model),
        "get_system_shared_memory_status": gateway.get_system_shared_memory_status,
    }.items():
        check(what, lambda: refused("UNIMPLEMENTED", [], call))
    for what, call in {
        "get_trace_settings": gateway.get_trace_settings,
        "load_model": lambda: gateway.load_model(P.model),
    }.items():
        check(what, lambda: refused("PERMISSION_DENIED", ["backends."], call))

    def repository():
        models = gateway.get_model_repository_index().models
        equal("models", [m.name for m in models], [P.model])
        equal("state", models[0].state, "READY")
        return f"{models[0].name} {models[0].state}"

    check("get_model_repository_index", repository)

    asyncio.run(asynchronous())
    gateway.close()
    backend.close()
    finish()


async def asynchronous():
    """The same client on asyncio."""
    from checks import record

    async def acheck(name, body):
        try:
            record("aio: " + name, True, await body())
        except Exception as e:
            record("aio: " + name, False, f"{type(e).__name__}: {e}")

    async with aioclient.InferenceServerClient(P.gateway) as c:

        async def server():
            true("live", await c.is_server_live())
            true("ready", await c.is_server_ready())
            true("model ready", await c.is_model_ready(P.model))
            equal("name", (await c.get_server_metadata()).name, "candor")
            outputs = {t.name for t in (await c.get_model_metadata(P.model)).outputs}
            true("metadata tensors", set(METADATA) <= outputs)
            return "live, ready, metadata"

        async def infer():
            names = ["label", "candor_route", "candor_confidence"]
            r = await c.infer(P.model, tensor(P.batch), outputs=wanted(*names), request_id="aio-1", compression_algorithm="gzip")
            equal("labels", texts(r, "label"), [b["label"] for b in P.batch])
            equal("routes", texts(r, "candor_route"), [b["route"] for b in P.batch])
            equal("id", r.get_response().id, "aio-1")
            return f"{len(P.batch)} rows"

        async def concurrent():
            results = await asyncio.gather(*(c.infer(P.model, tensor([b]), outputs=wanted("label", "candor_route")) for b in P.batch))
            equal("routes", [texts(r, "candor_route")[0] for r in results], [b["route"] for b in P.batch])
            equal("labels", [texts(r, "label")[0] for r in results], [b["label"] for b in P.batch])
            return f"{len(results)} calls on one connection"

        async def deferred():
            try:
                await c.infer(P.model, tensor([P.defer]))
            except InferenceServerException as e:
                equal("status", e.status(), "StatusCode.FAILED_PRECONDITION")
                return e.status()
            raise AssertionError("no exception")

        await acheck("liveness, readiness, metadata", server)
        await acheck("infer a batch, gzip, request_id", infer)
        await acheck("calls at the same time", concurrent)
        await acheck("deferred row, client unaware", deferred)


main()
