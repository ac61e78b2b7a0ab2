"""Makes the golden files of Caser: z, scores, two losses and all gradients, as PyTorch computes them.

usage: pip install torch safetensors numpy; python caser.py
The layers are PyTorch's own: one `conv2d` over the image of the last items for each height, `max_pool1d` over its places,
one `conv2d` of the full height for the vertical filters, `linear` behind them; no line of ours is repeated here. Computed
in double precision from weights that are exact in single precision, so that the files are the truth to 1e-7.
The binary loss is a mean over targets of (1 + negatives) terms, also where a negative is the target, which our code leaves
out: so no list holds its target. Made with torch 2.x.
"""
import pathlib

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

ITEMS, USERS, HIDDEN, LENGTH, HORIZONTAL, VERTICAL, NEGATIVES = 11, 4, 6, 5, 3, 2, 3
FILES = {
    "caser_relu": {"activation": torch.relu, "users": USERS},  # the paper's, for MovieLens 1M
    "caser_tanh": {"activation": torch.tanh, "users": USERS},
    "caser_without_users": {"activation": torch.relu, "users": 0},
}


def draw_parameters(users):
    features = VERTICAL * HIDDEN + HORIZONTAL * LENGTH
    shapes = {"item_embeddings.weight": (ITEMS, HIDDEN)}
    if users:
        shapes["user_embeddings.weight"] = (users, HIDDEN)
    for height in range(1, LENGTH + 1):
        shapes[f"horizontal.{height}.weight"] = (HORIZONTAL, height * HIDDEN)
        shapes[f"horizontal.{height}.bias"] = (HORIZONTAL,)
    shapes |= {
        "vertical.weight": (VERTICAL, LENGTH),
        "hidden.weight": (HIDDEN, features), "hidden.bias": (HIDDEN,),
        "output.weight": (ITEMS, HIDDEN * (2 if users else 1)), "output.bias": (ITEMS,),
    }
    # Nothing is 0, where a wrong gradient could hide; single precision first.
    return {k: (torch.randn(s) * 0.5).double().requires_grad_() for k, s in shapes.items()}


def forward(p, inputs, users, activation):
    """z and the scores of all items."""
    image = F.embedding(inputs, torch.cat([p["item_embeddings.weight"], torch.zeros(1, HIDDEN).double()]))
    image = image[:, None]  # [windows, 1, L, d]
    vertical = F.conv2d(image, p["vertical.weight"].view(VERTICAL, 1, LENGTH, 1)).flatten(1)
    outputs = [vertical]
    for height in range(1, LENGTH + 1):
        weight = p[f"horizontal.{height}.weight"].view(HORIZONTAL, 1, height, HIDDEN)
        found = activation(F.conv2d(image, weight, p[f"horizontal.{height}.bias"]).squeeze(3))
        outputs.append(F.max_pool1d(found, found.shape[2]).squeeze(2))
    z = activation(F.linear(torch.cat(outputs, 1), p["hidden.weight"], p["hidden.bias"]))
    joint = torch.cat([z, F.embedding(users, p["user_embeddings.weight"])], 1) if "user_embeddings.weight" in p else z
    return z, F.linear(joint, p["output.weight"], p["output.bias"])


def make_file(name, form):
    parameters = draw_parameters(form["users"])
    generator = torch.Generator().manual_seed(7)
    draw = lambda below, *shape: torch.randint(0, below, shape, generator=generator)
    counts = torch.tensor([3, 3, 1, 2, 3, 3])  # targets of each window
    inputs = draw(ITEMS, len(counts), LENGTH)
    inputs[1, :2], inputs[3, :4] = ITEMS, ITEMS  # filled up in front
    users, targets = draw(USERS, len(counts)), draw(ITEMS, int(counts.sum()))
    negatives = (targets[:, None] + 1 + draw(ITEMS - 1, len(targets), NEGATIVES)) % ITEMS
    rows = torch.repeat_interleave(torch.arange(len(counts)), counts)

    z, scores = forward(parameters, inputs, users, form["activation"])
    positive = scores[rows, targets]
    losses = {
        "softmax": F.cross_entropy(scores[rows], targets),
        "bce": F.binary_cross_entropy_with_logits(
            torch.cat([positive[:, None], scores[rows[:, None], negatives]], 1),
            torch.cat([torch.ones(len(targets), 1), torch.zeros(len(targets), NEGATIVES)], 1).double(),
        ),
    }
    shape = [ITEMS, form["users"], HIDDEN, LENGTH, HORIZONTAL, VERTICAL, int(form["activation"] is torch.tanh)]
    file = {
        "shape": torch.tensor(shape), "batch.inputs": inputs, "batch.users": users, "batch.targets": targets,
        "batch.ends": F.pad(counts.cumsum(0), (1, 0)), "batch.negatives": negatives,
        "expected.z": z, "expected.scores": scores,
    }
    for kind, loss in losses.items():
        gradients = torch.autograd.grad(loss, list(parameters.values()), retain_graph=True)
        file[f"expected.{kind}"] = loss.reshape(1)
        file |= {f"gradient.{kind}.{key}": gradient for key, gradient in zip(parameters, gradients)}
    file |= parameters
    file = {k: (v.float() if v.is_floating_point() else v.int()).detach().contiguous().clone() for k, v in file.items()}
    path = pathlib.Path(__file__).with_name(f"{name}.safetensors")
    save_file(file, path)
    print(f"{path.name}: " + ", ".join(f"{kind} {loss.item():.6f}" for kind, loss in losses.items()))


for number, (name, form) in enumerate(FILES.items()):
    torch.manual_seed(20180205 + number)
    make_file(name, form)
