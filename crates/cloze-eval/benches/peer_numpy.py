"""The full ranking of ranking.rs in numpy: scores given, seen items left out, ranks, metrics and lists of ten.

usage: python peer_numpy.py     (pip install numpy)
"""

import json
import time

import numpy as np

USERS, ITEMS, HISTORY, K, BATCH, RUNS = 6040, 3416, 165, 10, 256, 10

scores = np.random.default_rng(1).random((USERS, ITEMS), dtype=np.float32)
users = np.arange(USERS)[:, None]
history = (users * 131 + np.arange(HISTORY) * 19) % ITEMS
target = (users[:, 0] * 131 + HISTORY * 19) % ITEMS
popularity = np.bincount(history.ravel(), minlength=ITEMS)


def evaluate():
    ranks = np.empty(USERS, dtype=np.int64)
    lists = np.empty((USERS, K), dtype=np.int64)
    for begin in range(0, USERS, BATCH):
        end = min(begin + BATCH, USERS)
        rows = np.arange(end - begin)
        given = scores[begin:end].copy()
        goal = given[rows, target[begin:end]].copy()
        given[rows[:, None], history[begin:end]] = -np.inf
        given[rows, target[begin:end]] = goal
        # A tie counts against the target, which itself is among those that are at least as high.
        ranks[begin:end] = (given >= goal[:, None]).sum(axis=1)
        best = np.argpartition(-given, K, axis=1)[:, :K]
        order = np.argsort(-np.take_along_axis(given, best, axis=1), axis=1, kind="stable")
        lists[begin:end] = np.take_along_axis(best, order, axis=1)
    gain = 1.0 / np.log2(ranks + 1.0)
    metrics = {f"recall@{k}": np.mean(ranks <= k) for k in (1, 5, 10)}
    metrics |= {f"ndcg@{k}": np.mean(np.where(ranks <= k, gain, 0.0)) for k in (5, 10)}
    metrics["mrr"] = np.mean(1.0 / ranks)
    shown = np.bincount(lists.ravel(), minlength=ITEMS)
    share = np.maximum(popularity, 1) / popularity.sum()
    metrics["coverage"] = np.mean(shown > 0)
    metrics["popularity"] = popularity[lists].mean()
    metrics["novelty"] = -np.log2(share)[lists].mean()
    ordered = np.sort(shown)
    metrics["gini"] = ((2 * np.arange(1, ITEMS + 1) - ITEMS - 1) * ordered).sum() / (ITEMS * ordered.sum())
    return metrics


evaluate()
taken = []
for _ in range(RUNS):
    begin = time.perf_counter()
    evaluate()
    taken.append(time.perf_counter() - begin)
print(
    json.dumps(
        {
            "benchmark": "6,040 users, 3,416 items/full ranking",
            "engine": f"numpy {np.__version__}",
            "threads": 1,
            "mean_ms": round(1000 * sum(taken) / len(taken), 2),
        }
    )
)
