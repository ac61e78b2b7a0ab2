"""Writes agreement.json: metrics of RecBole and RecTools on one set of predictions.

Run: python agreement.py > agreement.json
Needs numpy, pandas, rectools 0.19 (pip install rectools) and recbole 1.2.1 (pip install --no-deps recbole).
RecBole's metric classes are its own; torch, which only its data collection needs, is replaced by an empty module.
"""

import importlib.util
import json
import pathlib
import sys
import types

import numpy as np
import pandas as pd
import rectools
from rectools import Columns, metrics as rt

np.float = float  # RecBole 1.2.1 uses the alias that numpy has dropped
KS = (1, 5, 10)
USERS, ITEMS = 60, 80


def recbole_metrics():
    root = pathlib.Path(importlib.util.find_spec("recbole").submodule_search_locations[0])
    for name in ("torch", "sklearn", "sklearn.metrics", "recbole", "recbole.utils", "recbole.evaluator", "recbole.evaluator.utils"):
        sys.modules[name] = types.ModuleType(name)
    for name in ("auc", "mean_absolute_error", "mean_squared_error"):
        setattr(sys.modules["sklearn.metrics"], name, None)
    sys.modules["recbole.evaluator.utils"]._binary_clf_curve = None
    enum = {"EvaluatorType": types.SimpleNamespace(RANKING=1, VALUE=2)}
    sys.modules["recbole.utils"].__dict__.update(enum)
    for name in ("base_metric", "metrics"):
        spec = importlib.util.spec_from_file_location(f"recbole.evaluator.{name}", root / "evaluator" / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
    return module


class Struct(dict):
    def get(self, key):
        return self[key]


class Tensor:
    """As much of a tensor as RecBole's metrics ask for."""

    def __init__(self, array):
        self.array = np.asarray(array)

    def numpy(self):
        return self.array


rng = np.random.default_rng(7)
weights = 1 / np.arange(1, ITEMS + 1) ** 0.8
weights[-6:] = 0  # never seen in training
weights /= weights.sum()
train = [rng.choice(ITEMS, size=rng.integers(3, 25), replace=False, p=weights).tolist() for _ in range(USERS)]
targets = [int(rng.choice([i for i in range(ITEMS) if i not in set(h)])) for h in train]
# Distinct scores: the libraries break ties in different ways.
scores = np.array([rng.permutation(ITEMS) for _ in range(USERS)], dtype=float)
scores += 160 * weights / weights.max()
for user, target in enumerate(targets):
    scores[user, target] += 35
scores = (scores + rng.random(scores.shape) / 2).argsort(axis=1).argsort(axis=1).astype(float)
counts = np.bincount(np.concatenate(train), minlength=ITEMS)

masked = scores.copy()
for user, history in enumerate(train):
    masked[user, history] = -np.inf
top = np.argsort(-masked, axis=1)[:, :10]

bole, found = recbole_metrics(), {}
positive = np.array([[item == target for item in row] for row, target in zip(top, targets)])
bole.TopkMetric.used_info = lambda self, data: (positive, np.ones(USERS, dtype=int))
config = {"metric_decimal_place": 12, "topk": list(KS)}
for cls, name in (("Hit", "hit"), ("Recall", "recall"), ("NDCG", "ndcg"), ("MRR", "mrr")):
    found |= getattr(bole, cls)(config).calculate_metric(None)
config["topk"] = [10]
data = Struct({"rec.items": Tensor(top), "data.num_items": ITEMS, "data.count_items": dict(enumerate(counts))})
for cls, name in (("ItemCoverage", "coverage"), ("GiniIndex", "gini"), ("AveragePopularity", "popularity")):
    (value,) = getattr(bole, cls)(config).calculate_metric(data).values()
    found[f"{name}@10"] = value

reco = pd.DataFrame(
    [(u, int(item), rank + 1) for u, row in enumerate(top) for rank, item in enumerate(row)],
    columns=[Columns.User, Columns.Item, Columns.Rank],
)
truth = pd.DataFrame({Columns.User: range(USERS), Columns.Item: targets})
seen = pd.DataFrame([(u, i, 1.0, "2020-01-01") for u, h in enumerate(train) for i in h],
                    columns=[Columns.User, Columns.Item, Columns.Weight, Columns.Datetime])
tools = {}
for k in KS:
    wanted = {f"recall@{k}": rt.Recall(k), f"hit@{k}": rt.HitRate(k), f"mrr@{k}": rt.MRR(k),
              f"ndcg@{k}": rt.NDCG(k, divide_by_achievable=True), f"ndcg_default@{k}": rt.NDCG(k)}
    tools |= rt.calc_metrics(wanted, reco=reco, interactions=truth, prev_interactions=seen, catalog=range(ITEMS))
beyond = {"coverage@10": rt.CatalogCoverage(10, normalize=True), "popularity@10": rt.AvgRecPopularity(10),
          "novelty@10": rt.MeanInvUserFreq(10)}
tools |= rt.calc_metrics(beyond, reco=reco, interactions=truth, prev_interactions=seen, catalog=range(ITEMS))

# No library in common use offers these in the same form: computed here, from their formulas.
incidence = np.zeros((ITEMS, USERS))
for user, history in enumerate(train):
    incidence[history, user] = 1
norms = np.linalg.norm(incidence, axis=1)
cosine = incidence @ incidence.T / np.maximum(np.outer(norms, norms), 1e-300)
pairs = [(a, b) for a in range(10) for b in range(a)]
plain = {
    "novelty@10": float(-np.log2(np.maximum(counts, 1) / counts.sum())[top].mean()),
    "distance@10": float(np.mean([1 - cosine[row[a], row[b]] for row in top for a, b in pairs])),
}

print(json.dumps({
    "made_by": f"recbole 1.2.1, rectools {rectools.__version__}, numpy {np.__version__}",
    "items": ITEMS, "histories": train, "targets": targets, "scores": scores.astype(int).tolist(),
    "recbole": {k: float(v) for k, v in found.items()},
    "rectools": {k: float(v) for k, v in tools.items()},
    "numpy": plain,
}))
