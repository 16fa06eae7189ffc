"""A tensor as it comes back from storage: the arithmetic of src/convert/quantise.rs and src/weights/storage.rs."""

import numpy as np

MIN_ELEMENTS = 4096  # smaller tensors stay f32


def is_large(values: np.ndarray) -> bool:
    return values.ndim >= 2 and values.size >= MIN_ELEMENTS


def roundtrip(values: np.ndarray, dtype: str) -> np.ndarray:
    """f32 as read back after it was stored as `dtype` ("f32", "f16", "int8")."""
    if dtype == "f32" or not is_large(values):
        return values
    if dtype == "f16":
        return values.astype(np.float16).astype(np.float32)
    rows = values.reshape(values.shape[0], -1)
    scales = np.abs(rows).max(axis=1, keepdims=True) / np.float32(127)
    quotients = np.divide(rows, scales, out=np.zeros_like(rows), where=scales > 0)
    return (np.rint(quotients).clip(-127, 127) * scales).astype(np.float32).reshape(values.shape)


def stored_bytes(values: np.ndarray, dtype: str) -> int:
    """What the tensor takes in its shard, padded to four bytes."""
    if dtype == "f32" or not is_large(values):
        return 4 * values.size
    count = 2 * values.size if dtype == "f16" else 4 * values.shape[0] + values.size
    return -(-count // 4) * 4


def total_bytes(tensors: dict[str, dict[str, np.ndarray]], dtype: str) -> int:
    return sum(stored_bytes(values, dtype) for own in tensors.values() for values in own.values())


def as_stored(tensors: dict[str, dict[str, np.ndarray]], dtype: str) -> dict[str, dict[str, np.ndarray]]:
    """Every large tensor as `dtype`."""
    return {
        component: {name: roundtrip(values, dtype) for name, values in own.items()} for component, own in tensors.items()
    }
