"""Makes a tiny BertModel with word pieces of its own, and the vectors that transformers makes of some texts.

usage: pip install torch transformers safetensors numpy; python generate.py
The vectors are computed in double precision. Made with torch 2.x and transformers 5.x.
"""
import json
import pathlib

import torch
from safetensors.torch import save_file
from transformers import BertConfig, BertModel, BertTokenizer

WORDS = "[PAD] [UNK] [CLS] [SEP] [MASK] the a guitar string ##s sound ##ed good bad , . ! it was play ##ing 5 ##0 and & ; caf ##e".split()
TEXTS = [
    "The guitar sounded good, and the strings sounded bad!",
    "",
    "CAFÉ playing",
    "a \U0001f3b8 was played \u4e2d\u6587 50",
    "good " * 40,
    "it was",
]
LENGTH = 16

here = pathlib.Path(__file__).parent / "tiny"
here.mkdir(exist_ok=True)
(here / "vocab.txt").write_text("\n".join(WORDS) + "\n")
tokenizer = BertTokenizer.from_pretrained(here)
tokenizer.save_pretrained(here)
torch.manual_seed(1)
config = BertConfig(
    vocab_size=len(WORDS), hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24,
    max_position_embeddings=20, attn_implementation="eager",
)
model = BertModel(config)
with torch.no_grad():
    for name, parameter in model.named_parameters():  # also what would start at 0 or 1
        one = 1.0 if name.endswith("LayerNorm.weight") else 0.0
        parameter.copy_(torch.randn_like(parameter) * 0.3 + one)
model.save_pretrained(here)
model = model.double().eval()
batch = tokenizer(TEXTS, padding=True, truncation=True, max_length=LENGTH, return_tensors="pt")
with torch.no_grad():
    out = model(**batch)
mask = batch["attention_mask"][..., None].double()
expected = {
    "pooler": out.pooler_output,
    "cls": out.last_hidden_state[:, 0],
    "mean": (out.last_hidden_state * mask).sum(1) / mask.sum(1),
}
save_file({name: value.float().contiguous().clone() for name, value in expected.items()}, here / "expected.safetensors")
(here / "texts.json").write_text(json.dumps({"length": LENGTH, "texts": TEXTS}))
