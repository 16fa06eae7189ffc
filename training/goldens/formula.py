"""Numbers from a formula instead of a file: weights and inputs that Python and Rust compute alike, to the last bit.

Element i of tensor `name` is u = (k - 2^23) / 2^23 in [-1, 1), where k is the top 24 bits of
splitmix64(fnv1a(name) + i * 0x9E3779B97F4A7C15) (Steele, Lea & Flood 2014; Fowler, Noll & Vo), then scale * u + shift in
double precision, rounded to float32. tests/formula/mod.rs is the same in Rust.
"""

import numpy as np

GAMMA = 0x9E3779B97F4A7C15
MASK = (1 << 64) - 1

# Of queries and keys: with inputs of deviation 1 the attention logits then have a deviation above 1, so that a softmax
# is far from uniform and mistakes in it show.
ATTENTION_GAIN = 1.5
ATTENTION_LAYERS = (".to_q.", ".to_k.", ".q_proj.", ".k_proj.", ".to_k_ip.")


def fnv1a(name: str) -> int:
    value = 0xCBF29CE484222325
    for byte in name.encode():
        value = (value ^ byte) * 0x100000001B3 & MASK
    return value


def uniform(name: str, count: int) -> np.ndarray:
    """float64[count] in [-1, 1)"""
    with np.errstate(over="ignore"):
        z = np.uint64(fnv1a(name)) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(GAMMA)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z = z ^ (z >> np.uint64(31))
    return ((z >> np.uint64(40)).astype(np.float64) - 2.0**23) / 2.0**23


def scale_and_shift(name: str, shape: tuple[int, ...]) -> tuple[float, float]:
    """Biases are small, norms near 1, matrices keep the deviation of what they multiply, tables have deviation 1."""
    if name.endswith(".bias"):
        return 0.25, 0.0
    if len(shape) == 1:
        return 0.25, 1.0
    if "embedding.weight" in name:
        return 3.0**0.5, 0.0
    inputs = 1
    for extent in shape[1:]:
        inputs *= extent
    gain = ATTENTION_GAIN if any(layer in name for layer in ATTENTION_LAYERS) else 1.0
    return gain * (3.0 / inputs) ** 0.5, 0.0


def parameter(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """float32 of `shape`: what the checkpoint's parameter `name` holds."""
    scale, shift = scale_and_shift(name, shape)
    return (scale * uniform(name, int(np.prod(shape))) + shift).astype(np.float32).reshape(shape)


def rounded_to_int8(values: np.ndarray) -> np.ndarray:
    """What a matrix or kernel is after storage as int8 with a scale for each row: src/weights/storage.rs."""
    rows = values.reshape(values.shape[0], -1)
    scales = np.abs(rows).max(axis=1, keepdims=True) / np.float32(127)
    quotients = rows / scales
    quantised = np.sign(quotients) * np.floor(np.abs(quotients) + np.float32(0.5))
    return (scales * quantised).reshape(values.shape)


def normal_input(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """float32 of `shape`, mean 0 and deviation 1 (and uniform): a network's input, channels last."""
    return (3.0**0.5 * uniform(f"input.{name}", int(np.prod(shape)))).astype(np.float32).reshape(shape)


def id_input(name: str, shape: tuple[int, ...], below: int) -> np.ndarray:
    """int64 of `shape`: whole numbers below `below`."""
    u = uniform(f"input.{name}", int(np.prod(shape)))
    return np.floor((u + 1.0) / 2.0 * below).astype(np.int64).reshape(shape)


def fill(module, int8: bool = False) -> None:
    """Gives every parameter of a torch module its formula's values; with `int8`, as they come back from storage."""
    import torch

    with torch.no_grad():
        for name, tensor in module.named_parameters():
            values = parameter(name, tuple(tensor.shape))
            if int8 and values.ndim > 1:
                values = rounded_to_int8(values)
            tensor.copy_(torch.from_numpy(values))
