"""Writes paired.json: p-values of scipy for the paired tests. Run: python paired.py > paired.json (numpy, scipy)."""

import json

import numpy as np
import scipy
from scipy import stats


def case(name, differences):
    d = np.asarray(differences, dtype=float)
    out = {"name": name, "differences": d.tolist()}
    for zeros in ("pratt", "wilcox"):
        kept = d if zeros == "pratt" else d[d != 0]
        size = np.abs(kept)
        exact = len(kept) <= 50 and (kept != 0).all() and len(np.unique(size)) == len(size)
        method = "exact" if exact else "approx"
        test = stats.wilcoxon(d, zero_method=zeros, method=method, correction=True, alternative="two-sided")
        ranks = stats.rankdata(size)
        out[zeros] = {
            "exact": bool(exact),
            "positive": float(ranks[kept > 0].sum()),
            "negative": float(ranks[kept < 0].sum()),
            "p": float(test.pvalue),
        }
    t = stats.ttest_rel(d, np.zeros_like(d))
    out["t"] = {"t": float(t.statistic), "p": float(t.pvalue)}
    return out


def ndcg(rng, users, shift):
    ranks = rng.integers(1, 40 - shift, users)
    return np.where(ranks <= 10, 1 / np.log2(ranks + 1), 0)


rng = np.random.default_rng(20240501)
cases = [
    case("five", [0.1, -0.2, 0.35, 0.5, 0.7]),
    case("twelve", rng.normal(0.4, 1, 12)),
    case("fifty", rng.normal(0.2, 1, 50)),
    case("fifty-one", rng.normal(0.2, 1, 51)),
    case("ties and zeros", [0, 0, 0, 1, 1, -1, 2, 2, -3, 4, 4, 4, 0, -2, 5]),
    case("ties", [1, 1, -1, 2, 2, -3, 4, 4, 4, -2, 5]),
    case("ndcg of 600 users", ndcg(rng, 600, 12) - ndcg(rng, 600, 0)),
    case("ndcg, clear", ndcg(rng, 1500, 25) - ndcg(rng, 1500, 0)),
    case("ndcg, nothing", ndcg(rng, 400, 0) - ndcg(rng, 400, 0)),
]
print(json.dumps({"made_by": f"scipy {scipy.__version__}", "cases": cases}))
