"""Philox4x32-10 and the noise made of it, with whole numbers in numpy and normals in math.

Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3", section 3.3. Written from the paper.
"""

import math

MASK = 0xFFFFFFFF


def philox4x32(counter: list[int], key: list[int]) -> list[int]:
    c, k = list(counter), list(key)
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [(p1 >> 32) ^ c[1] ^ k[0], p1 & MASK, (p0 >> 32) ^ c[3] ^ k[1], p0 & MASK]
        k = [(k[0] + 0x9E3779B9) & MASK, (k[1] + 0xBB67AE85) & MASK]
    return c


def block(seed: int, sample: int, step: int, index: int) -> list[int]:
    return philox4x32([index, step, sample, 0], [seed & MASK, seed >> 32])


def normals(seed: int, sample: int, step: int, count: int) -> list[float]:
    """Box & Muller 1958 on pairs of words, each word w standing for (w + 1/2) / 2³²."""
    values = []
    for index in range(-(-count // 4)):
        words = [(word + 0.5) / 2**32 for word in block(seed, sample, step, index)]
        for u, w in (words[:2], words[2:]):
            radius = math.sqrt(-2 * math.log(u))
            values += [radius * math.cos(2 * math.pi * w), radius * math.sin(2 * math.pi * w)]
    return values[:count]


def golden() -> dict:
    keys = [(0, 0, 0), (7, 0, 0), (7, 1, 0), (7, 0, 3), (2**53 - 1, 2, 1000), (2**63 + 12345, 4294967295, 4294967295)]
    draws = [
        {
            "seed": str(seed), "sample": sample, "step": step,
            "first": block(seed, sample, step, 0), "far": block(seed, sample, step, 2**32 - 1),
            "normals": normals(seed, sample, step, 13),
        }
        for seed, sample, step in keys
    ]  # fmt: skip
    return {"draws": draws}
