"""python mlserver_serve.py GRPC_PORT HTTP_PORT METRICS_PORT: MLServer with a scikit-learn classifier and two runtimes of ours.

The classifier is logistic regression, trained here on the iris data that scikit-learn ships, so no model file stands in the tree.
"""

import json
import os
import pathlib
import sys
import tempfile

import joblib
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

from tensors import DATATYPES

HERE = pathlib.Path(__file__).parent
VERSION = "1"


def tensor(name, datatype, shape):
    return {"name": name, "datatype": datatype, "shape": shape}


def model(root, name, implementation, inputs, outputs, **parameters):
    folder = root / name
    folder.mkdir()
    settings = {
        "name": name,
        "implementation": implementation,
        "platform": "conformance",
        "versions": [VERSION],
        "inputs": inputs,
        "outputs": outputs,
        # content_type is what MLServer tells in field 6 of ModelMetadata, where Triton's layout has other contents.
        "parameters": {"version": VERSION, "content_type": "np", **parameters},
    }
    (folder / "model-settings.json").write_text(json.dumps(settings))
    return folder


def main(grpc_port, http_port, metrics_port):
    root = pathlib.Path(tempfile.mkdtemp(prefix="mlserver-"))
    x = tensor("x", "FP32", [-1, 4])

    folder = model(root, "mlserver-classifier", "mlserver_sklearn.SKLearnModel", [x],
                   [tensor("predict_proba", "FP64", [-1, 3]), tensor("predict", "INT64", [-1, 1])],
                   uri="./model.joblib", extra={"predict_fn": "predict_proba"})
    iris = load_iris()
    joblib.dump(LogisticRegression(max_iter=1000).fit(iris.data, iris.target), folder / "model.joblib")

    model(root, "mlserver-identity", "mlserver_runtimes.Identity",
          [tensor("in_" + t.lower(), t, [-1, -1]) for t in DATATYPES], [tensor("out_" + t.lower(), t, [-1, -1]) for t in DATATYPES])
    model(root, "mlserver-halves", "mlserver_runtimes.Identity", [tensor("in_fp16", "FP16", [-1, -1])], [tensor("out_fp16", "FP16", [-1, -1])])
    model(root, "mlserver-stream", "mlserver_runtimes.Stream", [x], [tensor("probabilities", "FP32", [-1, 3])])

    (root / "settings.json").write_text(json.dumps({
        "host": "127.0.0.1",
        "grpc_port": grpc_port,
        "http_port": http_port,
        "metrics_port": metrics_port,
        "metrics_endpoint": None,
        "parallel_workers": 0,
        # Streams don't work with them, says its documentation.
        "gzip_enabled": False,
        "debug": False,
    }))
    os.environ["PYTHONPATH"] = str(HERE)
    os.execv(sys.executable, [sys.executable, "-c", "from mlserver.cli import main; main()", "start", str(root)])


main(*map(int, sys.argv[1:4]))
