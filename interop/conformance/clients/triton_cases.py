"""What the blocking tritonclient and the one on asyncio share: how a case becomes arguments, and a result becomes an answer."""

from contents import array, from_array
from report import answer, raw
from tritonclient.grpc import InferInput, InferRequestedOutput

# Longest wait for an answer, in seconds.
TIMEOUT = 30


def infer_arguments(case, number=None):
    """number tells the requests of one stream apart."""
    inputs = []
    for t in case["inputs"] or []:
        given = InferInput(t["name"], t["data_shape"] if "data_shape" in t else t["shape"], t["datatype"])
        given.set_data_from_numpy(array(t["datatype"], t.get("data_shape", t["shape"]), raw(t)))
        # A shape that isn't the array's: the client lets it pass.
        given.set_shape(t["shape"])
        inputs.append(given)
    more = {"request_id": case.get("id", "") + ("" if number is None else f"-{number}"), "model_version": case.get("version", "")}
    if case.get("outputs"):
        more["outputs"] = [InferRequestedOutput(name) for name in case["outputs"]]
    if case.get("parameters"):
        more["parameters"] = dict(case["parameters"])
    if case.get("priority"):
        more["priority"] = case["priority"]
    return dict(model_name=case["model"], inputs=inputs, **more)


def answered(result):
    """data is read with as_numpy, as users of this client do."""
    message = result.get_response()
    return answer(message, lambda i: from_array(result.as_numpy(message.outputs[i].name)))


def code(error):
    """The status of an InferenceServerException; CLIENT: the client itself refused."""
    return (error.status() or "StatusCode.CLIENT").removeprefix("StatusCode.")


def call(case, client):
    """The call that is no inference: which function, and what to keep of what it answers."""
    model, version = case.get("model", ""), case.get("version", "")
    return {
        "ServerLive": (lambda: client.is_server_live(), lambda v: v),
        "ServerReady": (lambda: client.is_server_ready(), lambda v: v),
        "ModelReady": (lambda: client.is_model_ready(model, version), lambda v: v),
        "ServerMetadata": (lambda: client.get_server_metadata(as_json=True), lambda v: v),
        "ModelMetadata": (lambda: client.get_model_metadata(model, version, as_json=True), lambda v: v),
        "ModelConfig": (lambda: client.get_model_config(model, version, as_json=True), lambda v: v),
        # Counts differ from one call to the next.
        "ModelStatistics": (
            lambda: client.get_inference_statistics(model, version, as_json=True),
            lambda v: [{"name": s.get("name"), "version": s.get("version"), "counts": "inference_stats" in s} for s in v.get("model_stats", [])],
        ),
        # Is the model listed?
        "RepositoryIndex": (lambda: client.get_model_repository_index(as_json=True), lambda v: model in [m["name"] for m in v.get("models", [])]),
    }[case["call"]]
