"""iALS and item neighbours of the package `implicit` on pairs that the example `factorize` wrote.

usage: python peer_implicit.py PAIRS THREADS     (pip install implicit==0.7.2)
"""

import json
import os
import sys
import time

path, threads = sys.argv[1], int(sys.argv[2])
# Before numpy is loaded: the package spreads its own work, and the linear algebra below it must not do so again.
for name in ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ[name] = "1"

import implicit
import numpy as np
import scipy.sparse
from implicit.als import AlternatingLeastSquares
from implicit.nearest_neighbours import CosineRecommender

TIMES, EPOCHS = 3, 5

pairs = np.unique(np.loadtxt(path, dtype=np.int64), axis=0)
ones = np.ones(len(pairs), dtype=np.float32)
matrix = scipy.sparse.csr_matrix((ones, (pairs[:, 0], pairs[:, 1])))


def measure(benchmark, engine, what, parts=1):
    taken = []
    for _ in range(TIMES):
        begin = time.perf_counter()
        what()
        taken.append((time.perf_counter() - begin) / parts)
    taken.sort()
    row = {"benchmark": benchmark, "engine": engine, "times": TIMES}
    row |= {"median_s": round(taken[TIMES // 2], 4), "least_s": round(taken[0], 4)}
    print(json.dumps(row), flush=True)


version = f"implicit {implicit.__version__}"
for hidden in (64, 128):
    for solver, use_cg in (("three steps of conjugate gradient", True), ("exact", False)):

        def fit():
            model = AlternatingLeastSquares(
                factors=hidden, iterations=EPOCHS, use_cg=use_cg, num_threads=threads, random_state=0
            )
            model.fit(matrix, show_progress=False)

        measure(f"iALS, hidden {hidden}, {solver}, an epoch", version, fit, EPOCHS)


def neighbours():
    CosineRecommender(K=100, num_threads=threads).fit(matrix, show_progress=False)


measure("ItemKNN, 100 neighbours", version, neighbours)


def ease():
    gram = (matrix.T @ matrix).toarray().astype(np.float64)
    gram[np.diag_indices_from(gram)] += 300.0
    inverse = np.linalg.inv(gram)
    weights = -inverse / np.diag(inverse)
    np.fill_diagonal(weights, 0.0)


measure("EASE", f"numpy {np.__version__}, one thread", ease)
