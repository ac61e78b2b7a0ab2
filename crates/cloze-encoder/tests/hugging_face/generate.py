"""Makes two tiny models as transformers stores them, and beside each the hidden states that transformers computes.

usage: pip install torch transformers safetensors numpy; python generate.py
`bert` is a BertModel in float32 (names without `bert.`, with a pooler), `masked` a BertForMaskedLM in float16. What is
expected is computed in double precision. Made with torch 2.x and transformers 5.x.
"""
import pathlib

import torch
from safetensors.torch import save_file
from transformers import BertConfig, BertForMaskedLM, BertModel

LENGTHS = [10, 2, 1, 5]
CONFIG = {
    "vocab_size": 31, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24,
    "max_position_embeddings": 10, "type_vocab_size": 2, "attn_implementation": "eager",
}


def save(folder, model, dtype):
    folder = pathlib.Path(__file__).with_name(folder)
    with torch.no_grad():
        for name, parameter in model.named_parameters():  # also what would start at 0 or 1
            one = 1.0 if name.endswith("LayerNorm.weight") else 0.0
            parameter.copy_(torch.randn_like(parameter) * 0.3 + one)
    model.to(dtype).save_pretrained(folder)
    model = model.double().eval()

    shape = len(LENGTHS), max(LENGTHS)
    real = torch.arange(shape[1]) < torch.tensor(LENGTHS)[:, None]
    tokens, types = torch.randint(0, CONFIG["vocab_size"], shape), torch.randint(0, 2, shape)
    batch = {"input_ids": tokens, "attention_mask": real.long(), "token_type_ids": types}
    masked = hasattr(model, "cls")
    hidden = (model.bert if masked else model)(**batch).last_hidden_state
    rows = torch.arange(sum(LENGTHS))
    file = {
        "batch.tokens": tokens[real], "batch.token_types": types[real], "batch.outputs": rows, "batch.targets": rows * 0,
        "batch.positions": torch.arange(shape[1]).expand(shape)[real],
        "batch.cu_seqlens": torch.tensor([0, *LENGTHS]).cumsum(0), "expected.hidden": hidden[real],
    }
    if masked:
        file["expected.logits"] = model(**batch).logits[real]
    file = {k: (v.float() if v.is_floating_point() else v.int()).detach().contiguous().clone() for k, v in file.items()}
    save_file(file, folder / "expected.safetensors")


torch.manual_seed(1)
save("bert", BertModel(BertConfig(**CONFIG)), torch.float32)
save("masked", BertForMaskedLM(BertConfig(**CONFIG, hidden_act="gelu_new", layer_norm_eps=1e-5)), torch.float16)
