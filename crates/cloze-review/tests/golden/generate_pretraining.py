"""Makes a tiny BertForPreTraining, examples for it, and what transformers makes of them: losses and gradients.

usage: pip install torch transformers safetensors numpy; python generate_pretraining.py   (after generate.py, whose word pieces it takes)
Losses and gradients are computed in double precision. Made with torch 2.x and transformers 5.x.
"""
import json
import pathlib
import shutil

import torch
from safetensors.torch import save_file
from transformers import BertConfig, BertForPreTraining

root = pathlib.Path(__file__).parent
here = root / "pretraining"
here.mkdir(exist_ok=True)
for name in ("vocab.txt", "tokenizer.json", "tokenizer_config.json"):
    shutil.copy(root / "tiny" / name, here / name)
torch.manual_seed(2)
config = BertConfig(
    vocab_size=28, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24, max_position_embeddings=20,
    hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, attn_implementation="eager",
)
model = BertForPreTraining(config)
with torch.no_grad():
    for name, parameter in model.named_parameters():  # also what would start at 0 or 1
        one = 1.0 if name.endswith("LayerNorm.weight") else 0.0
        parameter.copy_(torch.randn_like(parameter) * 0.3 + one)
model.save_pretrained(here)
model = model.double().eval()

# [CLS] = 2, [SEP] = 3, [MASK] = 4; 1 = the second text is anybody's.
examples = [
    {"tokens": [2, 5, 4, 9, 3, 17, 18, 12, 3], "first": 5, "asked": [2, 6], "targets": [7, 11], "foreign": 0},
    {"tokens": [2, 6, 8, 3, 5, 4, 4, 16, 20, 3], "first": 4, "asked": [5, 6], "targets": [7, 9], "foreign": 1},
    {"tokens": [2, 19, 3, 13, 3], "first": 3, "asked": [3], "targets": [25], "foreign": 1},
]
longest = max(len(one["tokens"]) for one in examples)
ids, types, mask, labels = (torch.zeros(len(examples), longest, dtype=torch.long) for _ in range(4))
labels.fill_(-100)
for row, one in enumerate(examples):
    n = len(one["tokens"])
    ids[row, :n] = torch.tensor(one["tokens"])
    types[row, one["first"] : n] = 1
    mask[row, :n] = 1
    labels[row, torch.tensor(one["asked"])] = torch.tensor(one["targets"])
foreign = torch.tensor([one["foreign"] for one in examples])
out = model(input_ids=ids, token_type_ids=types, attention_mask=mask)
masked = torch.nn.functional.cross_entropy(out.prediction_logits.view(-1, 28), labels.view(-1))
pairs = torch.nn.functional.cross_entropy(out.seq_relationship_logits, foreign)
(masked + pairs).backward()
gradients = {name: parameter.grad.float().contiguous() for name, parameter in model.named_parameters()}
save_file(gradients, here / "gradients.safetensors")
(here / "examples.json").write_text(json.dumps({"examples": examples, "masked": masked.item(), "pairs": pairs.item()}))
