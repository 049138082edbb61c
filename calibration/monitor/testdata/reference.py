"""Writes reference.json, what monitor's tests hold its statistics against. Run with scipy 1.17.1: python3 reference.py > reference.json"""

import json

import numpy as np
from scipy import special, stats

rng = np.random.default_rng(20260101)


def samples():
    yield "same", rng.beta(8, 2, 400), rng.beta(8, 2, 300)
    yield "moved", rng.beta(8, 2, 500), rng.beta(6, 2, 500)
    yield "near one", 1 - rng.beta(1, 400, 250), 1 - rng.beta(1, 800, 250)
    yield "both ends", rng.beta(0.2, 0.2, 1000), rng.beta(0.2, 0.25, 800)
    yield "small", rng.beta(2, 2, 50), rng.beta(2, 3, 60)


ks = []
for name, a, b in samples():
    r = stats.ks_2samp(a, b, method="asymp")
    en = len(a) * len(b) / (len(a) + len(b))
    ks.append({
        "name": name, "a": a.tolist(), "b": b.tolist(), "distance": float(r.statistic),
        "exact_p": float(stats.ks_2samp(a, b, method="exact").pvalue),
        "limit_p": float(special.kolmogorov(np.sqrt(en) * r.statistic)),
    })

chi2 = []
for a, b in [([300, 150, 50], [280, 160, 60]), ([90, 10], [70, 30]), ([40, 30, 20, 10], [38, 33, 18, 11]), ([500, 500], [900, 1100])]:
    r = stats.chi2_contingency([a, b], correction=False)
    chi2.append({"a": a, "b": b, "chi2": float(r.statistic), "df": int(r.dof), "p": float(r.pvalue)})

welch = []
for a, b in [(rng.beta(9, 1, 200), rng.beta(8, 1, 300)), (rng.beta(9, 1, 200), rng.beta(9, 1, 200)), (rng.beta(5, 2, 100), rng.beta(4, 2, 100))]:
    se = np.sqrt(a.var(ddof=1) / len(a) + b.var(ddof=1) / len(b))
    welch.append({"a": a.tolist(), "b": b.tolist(), "p": float(stats.norm.sf((a.mean() - b.mean()) / se))})

limit = [[x, float(special.kolmogorov(x))] for x in (0.05, 0.2, 0.5, 0.8276, 1.0, 1.17, 1.19, 1.3581, 1.6276, 2.5, 4.0)]
bh_p = rng.uniform(size=40) ** 3
bh = {"p": bh_p.tolist(), "adjusted": stats.false_discovery_control(bh_p).tolist()}
print(json.dumps({"ks": ks, "chi2": chi2, "welch": welch, "kolmogorov": limit, "bh": bh}))
