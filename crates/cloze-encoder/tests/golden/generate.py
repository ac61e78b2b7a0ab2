"""Makes bert_post_norm.safetensors: hidden states, logits, loss and all gradients of Hugging Face's BertForMaskedLM.

usage: pip install torch transformers safetensors numpy; python generate.py
Computed in double precision from weights that are exact in single precision, so that the file is the truth to 1e-7.
Made with torch 2.x and transformers 4.x or 5.x; the weights' names are theirs, unchanged.
"""
import pathlib

import torch
from safetensors.torch import save_file
from transformers import BertConfig, BertForMaskedLM

VOCABULARY, OUTPUTS, MAX_LENGTH = 23, 21, 12  # two special tokens behind the scored ones
LENGTHS = [12, 3, 1, 7]

torch.manual_seed(20190414)
config = BertConfig(
    vocab_size=VOCABULARY, hidden_size=16, num_hidden_layers=2, num_attention_heads=4, intermediate_size=40,
    max_position_embeddings=MAX_LENGTH, hidden_act="gelu", hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
    layer_norm_eps=1e-12, type_vocab_size=1, initializer_range=0.3, pad_token_id=None, attn_implementation="eager",
)
model = BertForMaskedLM(config).eval()
with torch.no_grad():
    for name, parameter in model.named_parameters():  # nothing stays at 0 or 1, where a wrong gradient could hide
        parameter.copy_(torch.randn_like(parameter) * 0.3 + (1.0 if name.endswith("LayerNorm.weight") else 0.0))
    model.bert.embeddings.token_type_embeddings.weight.zero_()  # items have no token types
model = model.double()

generator = torch.Generator().manual_seed(7)
batch, longest = len(LENGTHS), max(LENGTHS)
tokens = torch.randint(0, VOCABULARY, (batch, longest), generator=generator)
attention_mask = torch.zeros(batch, longest, dtype=torch.long)
positions = torch.zeros(batch, longest, dtype=torch.long)
outputs, targets, places, start = [], [], [], 0
for row, length in enumerate(LENGTHS):
    attention_mask[row, :length] = 1
    positions[row, :length] = torch.arange(MAX_LENGTH - length, MAX_LENGTH)  # aligned at the end
    for column in range(length):
        if column % 3 == 0 or column == length - 1:
            outputs.append(start + column)
            places.append((row, column))
            targets.append(int(torch.randint(0, OUTPUTS, (1,), generator=generator)))
    start += length

states = model.bert(input_ids=tokens, attention_mask=attention_mask, position_ids=positions).last_hidden_state
hidden = torch.stack([states[row, column] for row, column in places])
transformed = model.cls.predictions.transform(hidden)
logits = model.cls.predictions(hidden)[:, :OUTPUTS]
loss = torch.nn.functional.cross_entropy(logits, torch.tensor(targets))
loss.backward()

packed = lambda grid: torch.cat([grid[row, :length] for row, length in enumerate(LENGTHS)]).to(torch.int32)
ends = [0]
for length in LENGTHS:
    ends.append(ends[-1] + length)
ints = lambda values: torch.tensor(values, dtype=torch.int32)
file = {
    "batch.tokens": packed(tokens), "batch.positions": packed(positions), "batch.cu_seqlens": ints(ends),
    "batch.outputs": ints(outputs), "batch.targets": ints(targets),
    "expected.hidden": hidden, "expected.transformed": transformed, "expected.logits": logits,
    "expected.loss": loss.reshape(1),
}
for name, parameter in model.named_parameters():
    if "token_type" in name or name.endswith("decoder.weight"):
        continue
    trim = (lambda t: t[:OUTPUTS]) if name == "cls.predictions.bias" else (lambda t: t)
    file[name] = trim(parameter.data)
    file[f"gradient.{name}"] = trim(parameter.grad)
file = {k: (v if v.dtype == torch.int32 else v.detach().float()).contiguous().clone() for k, v in file.items()}
save_file(file, pathlib.Path(__file__).with_name("bert_post_norm.safetensors"))
print(f"loss {loss.item():.6f}, {len(file)} arrays, torch {torch.__version__}")
