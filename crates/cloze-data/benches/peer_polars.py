"""The job of examples/ingest.rs in polars, lazy: CSV to 5-core, sorted, numbered, split sequences.

usage: python peer_polars.py FILE THREADS     (pip install polars)
"""

import json
import os
import sys
import time

path, threads = sys.argv[1], sys.argv[2]
os.environ["POLARS_MAX_THREADS"] = threads  # before the import, which starts the threads

import resource  # noqa: E402

import polars as pl  # noqa: E402

begin = time.perf_counter()
columns = ["user", "item", "time"]
rows = pl.scan_csv(path).select(columns).collect(engine="streaming")
height = rows.height
while True:
    # A fixed point: counted anew until nothing is removed.
    left = (
        rows.lazy()
        .filter(pl.len().over("item") >= 5)
        .filter(pl.len().over("user") >= 5)
        .collect()
    )
    done = left.height == rows.height
    rows = left
    if done:
        break
users = rows.lazy().select(pl.col("user").unique(maintain_order=True)).with_row_index("u").collect()
items = rows.lazy().select(pl.col("item").unique(maintain_order=True)).with_row_index("i").collect()
rows = (
    rows.lazy()
    .join(users.lazy(), on="user", maintain_order="left")
    .join(items.lazy(), on="item", maintain_order="left")
    .select("u", "i", "time")
    .sort("u", "time", maintain_order=True)
    .collect()
)
sequences = rows.lazy().group_by("u", maintain_order=True).agg("i", "time").collect()
prepared = time.perf_counter()
long = pl.col("i").list.len() >= 3
split = (
    sequences.lazy()
    .select(
        train=pl.when(long).then(pl.col("i").list.head(pl.col("i").list.len() - 2)).otherwise("i"),
        validation=pl.when(long).then(pl.col("i").list.get(-2, null_on_oob=True)),
        test=pl.when(long).then(pl.col("i").list.get(-1, null_on_oob=True)),
    )
    .collect()
)
whole = time.perf_counter()
print(
    json.dumps(
        {
            "polars": pl.__version__,
            "rows": height,
            "threads": pl.thread_pool_size(),
            "users": users.height,
            "items": items.height,
            "interactions": rows.height,
            "held_out": split["test"].count(),
            "prepare_s": round(prepared - begin, 3),
            "split_s": round(whole - prepared, 3),
            "total_s": round(whole - begin, 3),
            "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        }
    )
)
