# Makes reference.json: held-out rows, and what others fit on them. Run with scikit-learn, scipy and numpy:
#   python3 reference.py > reference.json
import json
import sys

import numpy as np
import scipy
import sklearn
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, log_loss

rng = np.random.default_rng(20)
rows, members, labels = 240, 3, 3
truth = rng.integers(0, labels, rows)
probs = np.empty((rows, members, labels))
for m, strength in enumerate([1.6, 1.4, 1.0]):
    z = rng.normal(size=(rows, labels)) + strength * np.eye(labels)[truth]
    if m == 1:
        z[:, 0] += 0.8  # a member with a bias
    e = np.exp(z - z.max(axis=1, keepdims=True))
    probs[:, m] = e / e.sum(axis=1, keepdims=True)
probs = probs.round(6)
probs /= probs.sum(axis=2, keepdims=True)


def mean(w):
    return np.einsum("m,nmk->nk", w, probs)


def log_pool(w):
    z = np.einsum("m,nmk->nk", w, np.log(np.maximum(probs, 1e-7)))
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def nll(p):
    return -np.log(p[np.arange(rows), truth]).mean()


def fit(pool):
    best = minimize(lambda w: nll(pool(w)), np.full(members, 1 / members), method="SLSQP", bounds=[(0, 1)] * members,
                    constraints={"type": "eq", "fun": lambda w: w.sum() - 1}, options={"ftol": 1e-14, "maxiter": 1000})
    assert best.success, best
    return best.x


def brier(p):
    return ((p - np.eye(labels)[truth]) ** 2).sum(axis=1).mean()


x = np.log(np.maximum(probs, 1e-7)).reshape(rows, members * labels)
stacking = LogisticRegression(C=2.0, tol=1e-12, max_iter=100000).fit(x, truth)  # C = 1/l2
w_mean, w_log = fit(mean), fit(log_pool)
equal = mean(np.full(members, 1 / members))
json.dump({
    "made_with": {"numpy": np.__version__, "scipy": scipy.__version__, "scikit-learn": sklearn.__version__},
    "rows": [{"members": p.tolist(), "label": int(y)} for p, y in zip(probs, truth)],
    "weighted_mean": {"weights": w_mean.tolist(), "nll": nll(mean(w_mean))},
    "log_pool": {"weights": w_log.tolist(), "nll": nll(log_pool(w_log))},
    "stacking": {"l2": 0.5, "coefficients": stacking.coef_.ravel().tolist(), "intercepts": stacking.intercept_.tolist(),
                 "nll": log_loss(truth, stacking.predict_proba(x))},
    "mean": {"accuracy": accuracy_score(truth, equal.argmax(axis=1)), "nll": log_loss(truth, equal), "brier": brier(equal)},
}, sys.stdout)
