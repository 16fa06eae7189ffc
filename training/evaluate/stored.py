"""A tensor as it comes back from storage: the arithmetic of src/convert/quantise.rs and src/weights/storage.rs."""

import numpy as np

from training.manifest import GROUP_CHANNELS

MIN_ELEMENTS = 4096  # smaller tensors stay f32
MIN_ELEMENTS_INT4 = 16384  # smaller ones become int8 at the least
INT4_SCALES = (1, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7)  # parts of the scale that reaches a group's largest magnitude


def is_large(values: np.ndarray) -> bool:
    return values.ndim >= 2 and values.size >= MIN_ELEMENTS


def roundtrip(values: np.ndarray, dtype: str) -> np.ndarray:
    """f32 as read back after it was stored as `dtype` ("f32", "f16", "int8", "int4")."""
    if dtype == "f32" or not is_large(values):
        return values
    if dtype == "f16":
        return values.astype(np.float16).astype(np.float32)
    if dtype == "int4":
        rows = values.reshape(*values.shape[:2], -1)
        firsts = range(0, rows.shape[1], GROUP_CHANNELS)
        groups = [_int4_group(rows[:, first : first + GROUP_CHANNELS]) for first in firsts]
        return np.concatenate(groups, axis=1).reshape(values.shape)
    rows = values.reshape(values.shape[0], -1)
    scales = np.abs(rows).max(axis=1, keepdims=True) / np.float32(127)
    quotients = np.divide(rows, scales, out=np.zeros_like(rows), where=scales > 0)
    return (np.rint(quotients).clip(-127, 127) * scales).astype(np.float32).reshape(values.shape)


def _int4_group(rows: np.ndarray) -> np.ndarray:
    """f32[O, channels of one group, taps]"""
    most = np.abs(rows).max(axis=(1, 2), keepdims=True)
    reaching = (most / np.float32(7)).astype(np.float16)
    coarse = np.float32(7.5) * reaching.astype(np.float32) < most
    reaching = np.where(coarse, np.nextafter(reaching, np.float16(np.inf)), reaching).astype(np.float32)
    kept, least = np.zeros_like(rows), np.full(most.shape, np.inf)
    for part in INT4_SCALES:
        scales = (np.float32(part) * reaching).astype(np.float16).astype(np.float32)
        quotients = np.divide(rows, scales, out=np.zeros_like(rows), where=scales > 0)
        values = (np.rint(quotients).clip(-7, 7) * scales).astype(np.float32)
        squares = ((values - rows).astype(np.float64) ** 2).sum(axis=(1, 2), keepdims=True)
        kept = np.where(squares < least, values, kept)
        least = np.minimum(squares, least)
    return kept


def stored_bytes(values: np.ndarray, dtype: str) -> int:
    """What the tensor takes in its shard, padded to four bytes."""
    if dtype == "f32" or not is_large(values):
        return 4 * values.size
    if dtype == "int4":
        scales = 2 * values.shape[0] * -(-values.shape[1] // GROUP_CHANNELS)
        return -(-scales // 4) * 4 + -(-values.size // 8) * 4
    count = 2 * values.size if dtype == "f16" else 4 * values.shape[0] + values.size
    return -(-count // 4) * 4


def dtype_of(component: str, values: np.ndarray, dtype: str) -> str:
    """What `tenstep convert --dtype` stores a large tensor as: int4 is for the UNet, but for its first and last layers."""
    return "int8" if dtype == "int4" and (component != "unet" or values.size < MIN_ELEMENTS_INT4) else dtype


def total_bytes(tensors: dict[str, dict[str, np.ndarray]], dtype: str) -> int:
    parts = [(component, values) for component, own in tensors.items() for values in own.values()]
    return sum(stored_bytes(values, dtype_of(component, values, dtype)) for component, values in parts)


def as_stored(tensors: dict[str, dict[str, np.ndarray]], dtype: str) -> dict[str, dict[str, np.ndarray]]:
    """Every large tensor as `dtype`."""
    return {
        component: {name: roundtrip(values, dtype_of(component, values, dtype)) for name, values in own.items()}
        for component, own in tensors.items()
    }
