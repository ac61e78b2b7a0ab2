"""Makes the golden files: hidden states, logits, loss and all gradients of encoders in each of the forms below.

usage: pip install torch transformers safetensors numpy; python generate.py
Computed in double precision from weights that are exact in single precision, so that the files are the truth to 1e-7.
The weights are small enough that rounding the factors of products to bfloat16 moves no tensor's gradient by more than
2 % (ReLU, whose slope jumps: 3 %): an engine that rounds has to stay as near.
The modules and their names are those of Hugging Face's BertForMaskedLM. What BERT has not (norms before the blocks,
a head without norm) is written out in `encode`, which is checked against BERT's own code where BERT has the form.
Each file holds the configuration of our encoder as metadata. Made with torch 2.x and transformers 5.x.
"""
import json
import pathlib

import torch
from safetensors.torch import save_file
from transformers import BertConfig, BertForMaskedLM

VOCABULARY, OUTPUTS, MAX_LENGTH = 23, 21, 12  # two special tokens behind the scored ones
HIDDEN, LAYERS, HEADS, INTERMEDIATE = 16, 2, 4, 40
LENGTHS = [12, 3, 1, 7]

BASE = {
    "vocabulary": VOCABULARY, "outputs": OUTPUTS, "hidden": HIDDEN, "layers": LAYERS, "heads": HEADS,
    "intermediate": INTERMEDIATE, "max_length": MAX_LENGTH, "dropout": 0.0, "norm": "post", "embedding_norm": True,
    "norm_epsilon": 1e-12, "activation": "gelu-erf", "positions": "learned", "token_types": 0, "attention": "both",
    "distance_slope": 0.0, "head": "transform-norm", "output": "tied",
}
FILES = {
    "post_both": {},  # BERT4Rec
    "post_causal": {"attention": "causal", "activation": "gelu-tanh", "token_types": 3},
    "pre_both": {"norm": "pre", "output": "separate", "head": "transform", "norm_epsilon": 1e-5},
    "pre_causal": {  # SASRec
        "norm": "pre", "attention": "causal", "activation": "relu", "embedding_norm": False, "head": "plain",
        "norm_epsilon": 1e-8,
    },
    "post_falling": {"distance_slope": 0.75},  # ALiBi to both sides
    "pre_falling": {"distance_slope": 0.5, "norm": "pre", "attention": "causal", "embedding_norm": False, "head": "plain"},
}
ACTIVATIONS = {"gelu-erf": "gelu", "gelu-tanh": "gelu_new", "relu": "relu"}


def make_model(config):
    """BERT with random weights in double precision, plus the last norm of an encoder with its norms in front."""
    model = BertForMaskedLM(BertConfig(
        vocab_size=VOCABULARY, hidden_size=HIDDEN, num_hidden_layers=LAYERS, num_attention_heads=HEADS,
        intermediate_size=INTERMEDIATE, max_position_embeddings=MAX_LENGTH,
        hidden_act=ACTIVATIONS[config["activation"]], hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
        layer_norm_eps=config["norm_epsilon"], type_vocab_size=max(config["token_types"], 1), pad_token_id=None,
        tie_word_embeddings=config["output"] == "tied", attn_implementation="eager",
    )).eval()
    if config["norm"] == "pre":
        model.bert.encoder.LayerNorm = torch.nn.LayerNorm(HIDDEN, eps=config["norm_epsilon"])
    with torch.no_grad():
        for name, parameter in model.named_parameters():  # nothing stays at 0 or 1, where a wrong gradient could hide
            one = 1.0 if name.endswith("LayerNorm.weight") else 0.0
            parameter.copy_(torch.randn_like(parameter) * 0.2 + one)
        if config["token_types"] == 0:
            model.bert.embeddings.token_type_embeddings.weight.zero_()
    return model.double()


def additive(config, visible):
    """What is added to the scores, `[b, head, q, k]`: `visible[b, q, k]` says whether query q may attend to key k."""
    places = torch.arange(visible.shape[1], dtype=torch.double)
    slopes = config["distance_slope"] * 0.25 ** torch.arange(HEADS, dtype=torch.double)
    falls = slopes[:, None, None] * (places[:, None] - places).abs()
    return torch.where(visible[:, None], 0.0, -1e9).double() - falls


def encode(model, config, tokens, positions, types, visible):
    """Last hidden states."""
    pre, bert = config["norm"] == "pre", model.bert
    tables = bert.embeddings
    x = tables.word_embeddings(tokens) + tables.position_embeddings(positions) + tables.token_type_embeddings(types)
    x = tables.LayerNorm(x) if config["embedding_norm"] else x
    heads = lambda y: y.view(*y.shape[:2], HEADS, HIDDEN // HEADS).transpose(1, 2)
    for layer in bert.encoder.layer:
        attention, norms = layer.attention.self, (layer.attention.output.LayerNorm, layer.output.LayerNorm)
        y = norms[0](x) if pre else x
        q, k, v = (heads(linear(y)) for linear in (attention.query, attention.key, attention.value))
        scores = q @ k.transpose(2, 3) / (HIDDEN // HEADS) ** 0.5
        weights = (scores + additive(config, visible)).softmax(-1)
        x = x + layer.attention.output.dense((weights @ v).transpose(1, 2).reshape(x.shape))
        x = x if pre else norms[0](x)
        y = norms[1](x) if pre else x
        x = x + layer.output.dense(layer.intermediate(y))
        x = x if pre else norms[1](x)
    return bert.encoder.LayerNorm(x) if pre else x


def make_file(name, config):
    model = make_model(config)
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
    visible = real[:, None, :].expand(-1, shape[1], -1)
    if config["attention"] == "causal":
        visible = visible & torch.ones(shape[1], shape[1], dtype=torch.bool).tril()

    states = encode(model, config, tokens, positions, types, visible)
    if config["norm"] == "post":
        mask = additive(config, visible)
        truth = model.bert(
            input_ids=tokens, attention_mask=mask, position_ids=positions, token_type_ids=types,
        ).last_hidden_state
        assert (states - truth)[real].abs().max() < 1e-12, f"{name}: encode differs from BERT"
    hidden = torch.stack([states[row, column] for row, column in places])
    head = model.cls.predictions.transform
    transformed = {
        "plain": lambda: hidden,
        "transform": lambda: head.transform_act_fn(head.dense(hidden)),
        "transform-norm": lambda: head(hidden),
    }[config["head"]]()
    table = (model.bert.embeddings.word_embeddings if config["output"] == "tied" else model.cls.predictions.decoder)
    logits = transformed @ table.weight[:OUTPUTS].T + model.cls.predictions.bias[:OUTPUTS]
    loss = torch.nn.functional.cross_entropy(logits, targets)
    loss.backward()

    ends = torch.tensor([0, *LENGTHS]).cumsum(0)
    file = {
        "batch.tokens": tokens[real], "batch.positions": positions[real], "batch.token_types": types[real],
        "batch.cu_seqlens": ends, "batch.outputs": torch.tensor(outputs), "batch.targets": targets,
        "expected.hidden": hidden, "expected.transformed": transformed, "expected.logits": logits,
        "expected.loss": loss.reshape(1),
    }
    for key, parameter in model.named_parameters():
        if parameter.grad is None or ("token_type" in key and config["token_types"] == 0):
            continue  # not a parameter of this form
        trim = OUTPUTS if key in ("cls.predictions.bias", "cls.predictions.decoder.weight") else None
        file[key], file[f"gradient.{key}"] = parameter.data[:trim], parameter.grad[:trim]
    file = {k: (v.float() if v.is_floating_point() else v.int()).detach().contiguous().clone() for k, v in file.items()}
    path = pathlib.Path(__file__).with_name(f"{name}.safetensors")
    save_file(file, path, metadata={"config": json.dumps(config)})
    print(f"{path.name}: loss {loss.item():.6f}, {len(file)} arrays, {path.stat().st_size} bytes")


# Draws of weights that keep to the 2 %: not every one does.
for seed, (name, changes) in zip([0, 1, 2, 3, 5, 5], FILES.items(), strict=True):
    torch.manual_seed(20190414 + seed)
    make_file(name, BASE | changes)
