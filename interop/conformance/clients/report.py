"""What the Python clients of the conformance suite share: the cases that the Go test hands over, and the lines that it reads back.

A client is run as `python CLIENT CASES`, CASES being a JSON file (see cases_test.go). It makes one call for each case, prints one
JSON object for each on standard output, and {"done": N} at the end. It judges nothing: the Go test compares what a client saw at
the server itself with what it saw through Candor.
"""

import hashlib
import json
import sys

from contents import pack

# The longest contents that are told in full; of others their digest.
TOLD_IN_FULL = 256


def load():
    """The server's address and the cases."""
    with open(sys.argv[1]) as f:
        spec = json.load(f)
    return spec["address"], spec["cases"]


def raw(tensor):
    """The bytes of an input."""
    return bytes.fromhex(tensor["hex"]) * tensor.get("times", 1)


def told(data):
    return data.hex() if len(data) <= TOLD_IN_FULL else f"{len(data)} bytes, sha256 {hashlib.sha256(data).hexdigest()}"


def parameters(of):
    """Parameters with their kinds; kind and value are both what a client can see."""
    out = {}
    for key, value in of.items():
        kind = value.WhichOneof("parameter_choice")
        out[key] = f"{kind} {getattr(value, kind) if kind else ''}"
    return out


def output(name, datatype, shape, form, data, params):
    return {"name": name, "datatype": datatype, "shape": list(shape), "form": form, "data": told(data), "parameters": params}


def answer(message, data=None):
    """A ModelInferResponse, of whichever generated code. data(i) gives the bytes of an output as the client's own API does."""
    raws = message.raw_output_contents
    outputs = []
    for i, o in enumerate(message.outputs):
        form = "raw" if raws else "typed"
        if data:
            contents = data(i)
        else:
            contents = raws[i] if i < len(raws) else pack(o.datatype, o.contents)
        outputs.append(output(o.name, o.datatype, o.shape, form, contents, parameters(o.parameters)))
    return {
        "model": message.model_name,
        "version": message.model_version,
        "id": message.id,
        "parameters": parameters(message.parameters),
        "outputs": outputs,
    }


_done = 0


def tell(case, code="OK", message="", answers=(), facts=None, trailers=()):
    global _done
    _done += 1
    line = {"check": case["name"], "code": code, "message": message, "answers": list(answers), "facts": facts, "trailers": sorted(trailers)}
    print(json.dumps(line), flush=True)


def finish():
    print(json.dumps({"done": _done}), flush=True)
