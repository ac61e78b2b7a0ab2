"""The vectors of texts by transformers on PyTorch, timed, and how far every engine's are from its float32.

usage: python peer_transformers.py MODEL TEXTS THREADS ENGINE=VECTORS...     (pip install torch transformers numpy)
TEXTS has a text a line; VECTORS are those of the example `embed`, f32 in rows: means over all tokens.
Prints a row for each way PyTorch has, then one for each ENGINE with what was compared.
"""

import json
import sys
import time

import numpy as np
import torch
import transformers
from transformers import AutoModel, AutoTokenizer

folder, path, threads = sys.argv[1:4]
torch.set_num_threads(int(threads))
tokenizer = AutoTokenizer.from_pretrained(folder)
texts = open(path, encoding="utf-8").read().splitlines()
BATCH, LENGTH, NEAREST = 32, 256, 10
PYTORCH = f"transformers {transformers.__version__}, PyTorch {torch.__version__.split('+')[0]}"


def embed(model, texts):
    """As sentence-transformers does it: longest first, in batches padded to their longest."""
    order = sorted(range(len(texts)), key=lambda text: -len(texts[text]))
    found = np.zeros((len(texts), model.config.hidden_size), np.float32)
    with torch.inference_mode():
        for start in range(0, len(order), BATCH):
            part = order[start : start + BATCH]
            batch = tokenizer([texts[text] for text in part], padding=True, truncation=True, max_length=LENGTH, return_tensors="pt")
            hidden = model(**batch).last_hidden_state.float()
            mask = batch["attention_mask"][..., None].float()
            found[part] = ((hidden * mask).sum(1) / mask.sum(1)).numpy()
    return found


def nearest(vectors):
    """The texts nearest to each by cosine, without itself."""
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = unit @ unit.T
    np.fill_diagonal(cosines, -2)
    return np.argsort(-cosines, axis=1, kind="stable")[:, : min(NEAREST, len(vectors) - 1)]


def compared(found, truth):
    kept = [len(set(ours) & set(theirs)) / len(theirs) for ours, theirs in zip(nearest(found), nearest(truth))]
    return {
        "off_by": float(f"{np.linalg.norm(found - truth) / np.linalg.norm(truth):.1e}"),
        "nearest_10_kept": round(float(np.mean(kept)), 3),
    }


def open_model():
    return AutoModel.from_pretrained(folder, dtype=torch.float32).eval()


def ways():
    yield "float32", open_model()
    yield "bfloat16", open_model().to(torch.bfloat16)
    # PyTorch's own int8 for the processor, with a scale for each output as ours has; what it meets has one for the whole batch.
    by_channel = {torch.nn.Linear: torch.ao.quantization.per_channel_dynamic_qconfig}
    yield "int8", torch.ao.quantization.quantize_dynamic(open_model(), by_channel, dtype=torch.qint8)


truth = None
for name, model in ways():
    embed(model, texts[:8])
    begin = time.perf_counter()
    found = embed(model, texts)
    seconds = time.perf_counter() - begin
    row = {
        "benchmark": f"{len(texts)} texts, vectors",
        "engine": f"{PYTORCH}, {name}",
        "seconds": round(seconds, 3),
        "texts_per_s": round(len(texts) / seconds, 1),
    }
    if truth is None:
        truth = found
    else:
        row |= compared(found, truth)
    print(json.dumps(row), flush=True)
for argument in sys.argv[4:]:
    engine, vectors = argument.split("=", 1)
    print(json.dumps({"engine": engine} | compared(np.fromfile(vectors, np.float32).reshape(truth.shape), truth)), flush=True)
