"""The vectors of texts by transformers on PyTorch, timed, and how far cloze's are from them.

usage: python peer_transformers.py MODEL TEXTS THREADS VECTORS     (pip install torch transformers numpy)
TEXTS has a text a line; VECTORS are those of the example `embed`, f32 in rows: means over all tokens.
"""

import json
import sys
import time

import numpy as np
import torch
import transformers
from transformers import AutoModel, AutoTokenizer

folder, path, threads, vectors = sys.argv[1:5]
torch.set_num_threads(int(threads))
tokenizer = AutoTokenizer.from_pretrained(folder)
model = AutoModel.from_pretrained(folder).eval()
texts = open(path, encoding="utf-8").read().splitlines()
BATCH, LENGTH = 32, 256


def embed(texts):
    """As sentence-transformers does it: longest first, in batches padded to their longest."""
    order = sorted(range(len(texts)), key=lambda text: -len(texts[text]))
    found = np.zeros((len(texts), model.config.hidden_size), np.float32)
    with torch.inference_mode():
        for start in range(0, len(order), BATCH):
            part = order[start : start + BATCH]
            batch = tokenizer([texts[text] for text in part], padding=True, truncation=True, max_length=LENGTH, return_tensors="pt")
            hidden = model(**batch).last_hidden_state
            mask = batch["attention_mask"][..., None].float()
            found[part] = ((hidden * mask).sum(1) / mask.sum(1)).numpy()
    return found


embed(texts[:8])
begin = time.perf_counter()
found = embed(texts)
seconds = time.perf_counter() - begin
ours = np.fromfile(vectors, np.float32).reshape(found.shape)
row = {
    "benchmark": f"{len(texts)} texts, vectors",
    "engine": f"transformers {transformers.__version__}, PyTorch {torch.__version__.split('+')[0]}",
    "seconds": round(seconds, 3),
    "texts_per_s": round(len(texts) / seconds, 1),
    "ours_off_by": float(f"{np.linalg.norm(ours - found) / np.linalg.norm(found):.1e}"),
}
print(json.dumps(row), flush=True)
