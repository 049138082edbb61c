"""Makes reference.json: what others' implementations say about the same rows.

numpy 2.4.6, scipy 1.17.1, scikit-learn 1.9.1, venn-abers 1.5.4, betacal 1.1.0
"""
import json
import pathlib

import numpy as np
from betacal import BetaCalibration
from scipy.optimize import minimize, minimize_scalar
from scipy.special import expit, log_softmax, logit, softmax
from scipy.stats import beta, binom
from sklearn.calibration import _SigmoidCalibration
from sklearn.isotonic import IsotonicRegression
from sklearn.metrics import brier_score_loss, log_loss
from venn_abers import VennAbers

rng = np.random.default_rng(7)


def two_labels(n, slope, shift, decimals):
    f = rng.normal(0, 2, n)
    p = np.round(expit(f), decimals).clip(0.001, 0.999)
    y = (rng.random(n) < expit(slope * f + shift)).astype(int)
    return p, y


def binary(n, slope, shift, decimals):
    p, y = two_labels(n, slope, shift, decimals)
    at = np.concatenate([np.array([0.0005, 0.01, 0.3, 0.5, 0.777, 0.99, 0.9995]), p[:5]])
    platt = _SigmoidCalibration().fit(logit(p), y)
    iso = IsotonicRegression(out_of_bounds="clip", y_min=0, y_max=1).fit(p, y)
    bc = BetaCalibration("abm").fit(p.reshape(-1, 1), y)
    # betacal stops when its gradient is below 1e-4 and is off in the fourth digit; the same likelihood, solved to the end.
    x = np.column_stack([np.log(p), -np.log(1 - p), np.ones(n)])
    exact = minimize(lambda w: (np.logaddexp(0, x @ w) - y * (x @ w)).sum(), [1, 1, 0], jac=lambda w: x.T @ (expit(x @ w) - y), tol=1e-12).x
    va = VennAbers()
    va.fit(np.column_stack([1 - p, p]), y, precision=None)
    _, p0p1 = va.predict_proba(np.column_stack([1 - at, at]))
    both = np.column_stack([1 - p, p])
    z = np.log(both)
    best = minimize_scalar(lambda t: -log_softmax(z / t, axis=1)[np.arange(n), y].mean(), bounds=(0.05, 20), method="bounded", options={"xatol": 1e-11})
    return {
        "p": p.tolist(), "y": y.tolist(), "at": at.tolist(),
        "platt": {"a": -platt.a_, "b": -platt.b_, "predict": platt.predict(logit(at)).tolist()},
        "isotonic": iso.predict(at).tolist(),
        "beta": {"a": float(bc.calibrator_.map_[0]), "b": float(bc.calibrator_.map_[1]), "predict": bc.predict(at).tolist(),
                 "exact": exact.tolist()},
        "venn_abers": {"p0": p0p1[:, 0].tolist(), "p1": p0p1[:, 1].tolist()},
        "temperature": float(best.x),
        "brier": float(brier_score_loss(y, p)), "nll": float(log_loss(y, p)),
    }


def many(n, k, t):
    z = rng.normal(0, 2, (n, k))
    y = np.array([rng.choice(k, p=row) for row in softmax(z / t, axis=1)])
    p = softmax(z, axis=1)
    best = minimize_scalar(lambda t: -log_softmax(np.log(p) / t, axis=1)[np.arange(n), y].mean(), bounds=(0.05, 20), method="bounded", options={"xatol": 1e-11})
    return {
        "p": p.tolist(), "y": y.tolist(), "temperature": float(best.x), "nll": float(log_loss(y, p)),
        "brier": float(((p - np.eye(k)[y]) ** 2).sum(axis=1).mean()),
        "accuracy": float((p.argmax(axis=1) == y).mean()),
    }


def bounds():
    # R's binom.test gives the same by the same quantiles: conf.int of alternative="less" and "greater".
    out = []
    for k, n, d in [(0, 1, .05), (0, 59, .05), (0, 299, .05), (1, 59, .05), (3, 100, .05), (3, 100, .025), (10, 20, .025), (17, 2000, .01), (1999, 2000, .05), (120, 100000, .001)]:
        out.append({"k": k, "n": n, "delta": d, "upper": float(beta.ppf(1 - d, k + 1, n - k)), "lower": float(beta.ppf(d, k, n - k + 1)) if k else 0.0})
    return out


def tails():
    return [{"k": k, "n": n, "p": p, "tail": float(binom.cdf(k, n, p))}
            for k, n, p in [(0, 59, .05), (0, 58, .05), (3, 236, .05), (5, 236, .05), (100, 2000, .05), (78, 2000, .05), (0, 299, .01), (9000, 100000, .1), (10, 10, .5), (50, 100, .5)]]


out = {"binary": [binary(300, 0.6, 0.3, 3), binary(200, 1.4, -0.5, 2)], "many": many(400, 5, 1.7), "bounds": bounds(), "tails": tails()}
pathlib.Path(__file__).with_name("reference.json").write_text(json.dumps(out))
