"""Makes the golden files of recurrent bodies: hidden states, logits, loss and all gradients of torch.nn.GRU between an
embedding and the output layer.

usage: pip install torch safetensors numpy; python generate.py
Computed in double precision from weights that are exact in single precision, so that the files are the truth to 1e-7.
The modules are PyTorch's own, the sequences packed (`pack_padded_sequence`); the names are those of our layout, where
the GRU's parameters stand behind `gru.` as PyTorch has them. What stands around the units is that of the transformers'
files, in `../generate.py`. Each file holds the configuration of our encoder as metadata. Made with torch 2.x.
"""
import json
import pathlib

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

VOCABULARY, OUTPUTS, MAX_LENGTH, HIDDEN = 23, 21, 12, 16  # two special tokens behind the scored ones
LENGTHS = [3, 12, 1, 7]

BASE = {
    "vocabulary": VOCABULARY, "outputs": OUTPUTS, "body": "gru", "hidden": HIDDEN, "layers": 1, "heads": 0,
    "intermediate": 0, "max_length": MAX_LENGTH, "dropout": 0.0, "norm": "none", "embedding_norm": False,
    "norm_epsilon": 1e-12, "activation": "gelu-erf", "positions": "none", "token_types": 0, "attention": "causal",
    "head": "plain", "output": "tied",
}
FILES = {
    "one_layer": {},  # GRU4Rec
    "two_layers": {"layers": 2},
    "all_around": {  # two layers, and everything that may stand around them
        "layers": 2, "positions": "learned", "embedding_norm": True, "head": "transform-norm", "output": "separate",
        "token_types": 3,
    },
}


def make_parameters(config):
    """Weights by our names, in the order of our layout; nothing at 0 or 1, where a wrong gradient could hide."""
    norm = lambda prefix: {f"{prefix}.weight": (HIDDEN,), f"{prefix}.bias": (HIDDEN,)}
    shapes = {"bert.embeddings.word_embeddings.weight": (VOCABULARY, HIDDEN)}
    if config["positions"] == "learned":
        shapes["bert.embeddings.position_embeddings.weight"] = (MAX_LENGTH, HIDDEN)
    if config["token_types"]:
        shapes["bert.embeddings.token_type_embeddings.weight"] = (config["token_types"], HIDDEN)
    if config["embedding_norm"]:
        shapes |= norm("bert.embeddings.LayerNorm")
    for layer in range(config["layers"]):
        for kind, shape in (("weight", (3 * HIDDEN, HIDDEN)), ("bias", (3 * HIDDEN,))):
            shapes |= {f"gru.{kind}_{part}_l{layer}": shape for part in ("ih", "hh")}
    if config["head"] != "plain":
        dense = "cls.predictions.transform.dense"
        shapes |= {f"{dense}.weight": (HIDDEN, HIDDEN), f"{dense}.bias": (HIDDEN,)}
        shapes |= norm("cls.predictions.transform.LayerNorm")
    if config["output"] == "separate":
        shapes["cls.predictions.decoder.weight"] = (OUTPUTS, HIDDEN)
    shapes["cls.predictions.bias"] = (OUTPUTS,)
    one = lambda name: 1.0 if name.endswith("LayerNorm.weight") else 0.0
    return {
        name: (torch.randn(shape) * 0.3 + one(name)).double().requires_grad_() for name, shape in shapes.items()
    }


def encode(parameters, config, tokens, positions, types):
    """Last hidden states of sequences that begin at the left, `[sequences, longest, hidden]`."""
    x = parameters["bert.embeddings.word_embeddings.weight"][tokens]
    if config["positions"] == "learned":
        x = x + parameters["bert.embeddings.position_embeddings.weight"][positions]
    if config["token_types"]:
        x = x + parameters["bert.embeddings.token_type_embeddings.weight"][types]
    if config["embedding_norm"]:
        x = normalize(parameters, "bert.embeddings.LayerNorm", x)
    gru = torch.nn.GRU(HIDDEN, HIDDEN, config["layers"], batch_first=True).double()
    own = {name: parameters[f"gru.{name}"] for name, _ in gru.named_parameters()}
    packed = pack_padded_sequence(x, LENGTHS, batch_first=True, enforce_sorted=False)
    states, _ = torch.func.functional_call(gru, own, (packed,))
    return pad_packed_sequence(states, batch_first=True, total_length=max(LENGTHS))[0]


def normalize(parameters, prefix, x):
    return F.layer_norm(x, (HIDDEN,), parameters[f"{prefix}.weight"], parameters[f"{prefix}.bias"], 1e-12)


def transform(parameters, config, hidden):
    if config["head"] == "plain":
        return hidden
    dense = "cls.predictions.transform.dense"
    t = F.gelu(F.linear(hidden, parameters[f"{dense}.weight"], parameters[f"{dense}.bias"]))
    return normalize(parameters, "cls.predictions.transform.LayerNorm", t)


def make_file(name, config):
    parameters = make_parameters(config)
    generator = torch.Generator().manual_seed(7)
    draw = lambda below, *shape: torch.randint(0, below, shape, generator=generator)
    shape = len(LENGTHS), max(LENGTHS)
    tokens, types = draw(VOCABULARY, *shape), draw(max(config["token_types"], 1), *shape)
    real = torch.arange(shape[1]) < torch.tensor(LENGTHS)[:, None]
    positions = torch.zeros(shape, dtype=torch.long)
    places, outputs = [], []
    for row, length in enumerate(LENGTHS):
        positions[row, :length] = torch.arange(MAX_LENGTH - length, MAX_LENGTH)  # aligned at the end
        columns = [column for column in range(length) if column % 3 == 0 or column == length - 1]
        places += [(row, column) for column in columns]
        outputs += [sum(LENGTHS[:row]) + column for column in columns]
    targets = draw(OUTPUTS, len(outputs))

    states = encode(parameters, config, tokens, positions, types)
    hidden = torch.stack([states[row, column] for row, column in places])
    transformed = transform(parameters, config, hidden)
    tied = config["output"] == "tied"
    table = parameters["bert.embeddings.word_embeddings.weight" if tied else "cls.predictions.decoder.weight"]
    logits = transformed @ table[:OUTPUTS].T + parameters["cls.predictions.bias"]
    loss = F.cross_entropy(logits, targets)
    loss.backward()

    file = {
        "batch.tokens": tokens[real], "batch.positions": positions[real], "batch.token_types": types[real],
        "batch.cu_seqlens": torch.tensor([0, *LENGTHS]).cumsum(0), "batch.outputs": torch.tensor(outputs),
        "batch.targets": targets, "expected.hidden": hidden, "expected.transformed": transformed,
        "expected.logits": logits, "expected.loss": loss.reshape(1),
    }
    for key, parameter in parameters.items():
        file[key], file[f"gradient.{key}"] = parameter.data, parameter.grad
    file = {k: (v.float() if v.is_floating_point() else v.int()).detach().contiguous().clone() for k, v in file.items()}
    path = pathlib.Path(__file__).with_name(f"{name}.safetensors")
    save_file(file, path, metadata={"config": json.dumps(config)})
    print(f"{path.name}: loss {loss.item():.6f}, {len(file)} arrays, {path.stat().st_size} bytes")


for number, (name, changes) in enumerate(FILES.items()):
    torch.manual_seed(20160501 + number)
    make_file(name, BASE | changes)
