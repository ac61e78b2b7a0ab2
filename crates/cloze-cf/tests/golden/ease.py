"""Writes ease.json: EASE by the formula of Steck (2019), in numpy's 64-bit arithmetic.

Run: python3 ease.py > ease.json (numpy 2; any version gives the same to the last digits).
"""

import json

import numpy

USERS, ITEMS = 60, 24


def sequences(generator):
    """Users with skewed items and repetitions; the last item is had by nobody."""
    share = 1.0 / numpy.arange(2, ITEMS + 1)
    share /= share.sum()
    lengths = generator.integers(0, 15, USERS)
    return [generator.choice(ITEMS - 1, length, p=share).tolist() for length in lengths]


def matrix(lists, decay):
    """X: decay^age, the age counted from the end of the sequence to an item's last occurrence."""
    x = numpy.zeros((len(lists), ITEMS))
    for row, items in zip(x, lists):
        for place, item in enumerate(items):
            row[item] = decay ** (len(items) - 1 - place)
    return x


def ease(x, regularization):
    p = numpy.linalg.inv(x.T @ x + regularization * numpy.eye(ITEMS))
    b = numpy.eye(ITEMS) - p @ numpy.diag(1.0 / numpy.diag(p))
    numpy.fill_diagonal(b, 0.0)
    return b


def main():
    lists = sequences(numpy.random.default_rng(7))
    history = [5, 0, 2, 5, 1]
    cases = []
    for regularization, training_decay, decay in [(10.0, 1.0, 1.0), (0.01, 1.0, 0.8), (2.5, 0.8, 0.9)]:
        b = ease(matrix(lists, training_decay), regularization)
        scores = matrix([history], decay)[0] @ b
        cases.append({
            "lambda": regularization,
            "training_decay": training_decay,
            "decay": decay,
            "weights": b.ravel().tolist(),
            "scores": scores.tolist(),
        })
    print(json.dumps({"items": ITEMS, "sequences": lists, "history": history, "cases": cases}))


main()
