"""Writes draws.json: candidates and bootstrap intervals, computed independently of the Rust code.

Needs only the standard library: python3 draws.py > draws.json
ChaCha with 8 rounds as in RFC 8439, but with a 64-bit counter and a zero 64-bit nonce.
"""

import json
from itertools import accumulate

MASK = 0xFFFFFFFF


def rotate(value, bits):
    return (value << bits | value >> 32 - bits) & MASK


def quarter(x, a, b, c, d):
    for first, second, third, bits in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
        x[first] = (x[first] + x[second]) & MASK
        x[third] = rotate(x[third] ^ x[first], bits)


def words64(key):
    key_words = [word >> shift & MASK for word in key for shift in (0, 32)]
    counter = 0
    while True:
        start = [0x61707865, 0x3320646E, 0x79622D32, 0x6B206574, *key_words, counter & MASK, counter >> 32, 0, 0]
        x = list(start)
        for _ in range(4):
            for lanes in ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15),
                          (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14)):
                quarter(x, *lanes)
        out = [(a + b) & MASK for a, b in zip(x, start)]
        for at in range(0, 16, 2):
            yield out[at] | out[at + 1] << 32
        counter += 1


def negatives(seed, kind, count, user, weights, taken):
    draws = words64([seed, kind, count, user])
    sums, chosen = list(accumulate(weights)), []
    while len(chosen) < count:
        ticket = next(draws) * sums[-1] >> 64
        item = next(item for item, total in enumerate(sums) if ticket < total)
        if item not in taken and item not in chosen:
            chosen.append(item)
    return chosen


def quantile(values, q):
    values, place = sorted(values), q * (len(values) - 1)
    low = int(place)
    high = min(low + 1, len(values) - 1)
    return values[low] + (values[high] - values[low]) * (place - low)


def interval(values, seed, resamples, confidence):
    means = []
    for resample in range(resamples):
        draws = words64([seed, 3, len(values), resample])
        picked = [values[next(draws) * len(values) >> 64] for _ in values]
        means.append(sum(picked) / len(values))
    tail = (1 - confidence) / 2
    return [sum(values) / len(values), quantile(means, tail), quantile(means, 1 - tail)]


counts = [(item * 7) % 11 for item in range(60)]
taken = [3, 14, 15, 9, 26, 5]
values = [1.0, 0.0, 0.5, 0.0, 0.25, 1.0, 0.125, 0.0, 0.0, 0.75, 0.5, 0.0, 1.0]
print(json.dumps({
    "uniform": {str(user): negatives(42, 1, 8, user, [1] * 60, taken) for user in (0, 1, 70000)},
    "popularity": {str(user): negatives(42, 2, 8, user, counts, taken) for user in (0, 1, 70000)},
    "interval": interval(values, 7, 300, 0.9),
}, indent=1))
