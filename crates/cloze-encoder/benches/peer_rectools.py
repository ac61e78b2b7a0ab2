"""The epoch of examples/step in RecTools: its BERT4Rec at the same sizes, on the same sequences, on the processor.

usage: python peer_rectools.py FILE USERS THREADS EPOCHS [SHAPE]     (pip install "rectools[torch]"; SHAPE as in peer_torch)
FILE has lines of `user item`, those of a user together and in order.

Prints a JSON object. RecTools pads every sequence to the full length, computes the logits of all positions, and puts
its norms before the blocks; 0.3 of the items are chosen as targets, of which it masks 80 % as BERT does.
"""

import json
import logging
import resource
import sys
import time
import warnings

import pandas as pd
import torch
from pytorch_lightning import Callback, Trainer
from rectools import Columns, __version__
from rectools.dataset import Dataset
from rectools.models import BERT4RecModel

warnings.filterwarnings("ignore")
logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
path, users, threads, epochs = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
shape = sys.argv[5] if len(sys.argv) > 5 else "s64"
width, heads = {"s64": (64, 2), "s128": (128, 2), "s256": (256, 4)}[shape]
torch.set_num_threads(threads)
torch.manual_seed(0)

log = pd.read_csv(path, sep=" ", header=None, names=[Columns.User, Columns.Item])
log = log[log[Columns.User].isin(log[Columns.User].unique()[:users])]
order = pd.to_timedelta(log.groupby(Columns.User).cumcount(), unit="s")
log = log.assign(weight=1.0, datetime=pd.Timestamp("2000-01-01") + order)


class Clock(Callback):
    times = []

    def on_train_epoch_start(self, *_):
        self.began = time.perf_counter()

    def on_train_epoch_end(self, trainer, module):
        self.times.append((time.perf_counter() - self.began) * 1e3)


def trainer():
    return Trainer(
        max_epochs=epochs, min_epochs=epochs, accelerator="cpu", devices=1, callbacks=[Clock()], logger=False,
        enable_progress_bar=False, enable_model_summary=False, enable_checkpointing=False,
    )


model = BERT4RecModel(
    n_blocks=2, n_heads=heads, n_factors=width, session_max_len=200, batch_size=256, mask_prob=0.3, dropout_rate=0.2,
    epochs=epochs, get_trainer_func=trainer,
)
model.fit(Dataset.construct(log))
times = sorted(Clock.times)
print(json.dumps({
    "shape": shape,
    "mode": "epoch",
    "engine": f"rectools {__version__}",
    "level": "float32",
    "threads": threads,
    "dropout": 0.2,
    "median_ms": round(times[len(times) // 2], 1),
    "least_ms": round(times[0], 1),
    "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
}))
