"""Reads a converted model: manifest.json and its shards, as the browser does.

Goldens and evaluations judge what ships, so they start from the shards and not from the checkpoint.
The format is described in src/weights/manifest.rs and src/weights/storage.rs.
"""

import hashlib
import json
from pathlib import Path

import numpy as np

GROUP_CHANNELS = 32  # channels of a row that share a scale of int4


def read(manifest_path: Path) -> dict:
    manifest = json.loads(Path(manifest_path).read_text())
    if manifest["schemaVersion"] != 1:
        raise ValueError(f"schema version {manifest['schemaVersion']} is not supported")
    return manifest


def load(manifest_path: Path) -> tuple[dict, dict[str, dict[str, np.ndarray]]]:
    """Returns (manifest, {component: {tensor: f32 array}}), with every shard's length and SHA-256 checked."""
    manifest, folder = read(manifest_path), Path(manifest_path).parent
    return manifest, {c["name"]: _tensors(folder, c) for c in manifest["components"]}


def _tensors(folder: Path, component: dict) -> dict[str, np.ndarray]:
    stream = b"".join(_shard(folder, shard) for shard in component["shards"])
    tensors, start = {}, 0
    for info in component["tensors"]:
        tensor, used = _dequantise(info, memoryview(stream)[start:])
        tensors[info["name"]] = tensor
        start += used
    if start != len(stream):
        raise ValueError(f"{component['name']}: tensors hold {start} bytes, shards {len(stream)}")
    return tensors


def _from_int4(shape: list[int], count: int, stored: memoryview) -> tuple[int, np.ndarray]:
    """Two elements a byte, and a scale for each 32 channels of a row."""
    rows, channels = shape[0], shape[1] if len(shape) > 1 else 1
    groups = -(-channels // GROUP_CHANNELS)
    start = -(-2 * rows * groups // 4) * 4
    scales = np.frombuffer(stored[: 2 * rows * groups], "<f2").reshape(rows, groups)
    packed = np.frombuffer(stored[start : start + -(-count // 2)], "i1")
    nibbles = np.stack([packed << 4 >> 4, packed >> 4], axis=1).reshape(-1)[:count]
    scale = scales.astype(np.float32).repeat(GROUP_CHANNELS, axis=1)[:, :channels]
    return start + len(packed), nibbles.reshape(rows, channels, -1) * scale[:, :, None]


def _shard(folder: Path, shard: dict) -> bytes:
    data = (folder / shard["file"]).read_bytes()
    if len(data) != shard["bytes"] or hashlib.sha256(data).hexdigest() != shard["sha256"]:
        raise ValueError(f"shard {shard['file']} is damaged")
    return data


def _dequantise(info: dict, stored: memoryview) -> tuple[np.ndarray, int]:
    """The elements as f32, and how many bytes they take, padding included."""
    shape, count = info["shape"], int(np.prod(info["shape"], dtype=np.int64))
    if info["dtype"] == "int8":
        rows = shape[0]
        scales = np.frombuffer(stored[: 4 * rows], "<f4")
        elements = np.frombuffer(stored[4 * rows : 4 * rows + count], "i1").reshape(rows, -1)
        used, values = 4 * rows + count, elements.astype(np.float32) * scales[:, None]
    elif info["dtype"] == "int4":
        used, values = _from_int4(shape, count, stored)
    else:
        width = {"f32": 4, "f16": 2}[info["dtype"]]
        used, values = width * count, np.frombuffer(stored[: width * count], f"<f{width}")
    return values.astype(np.float32).reshape(shape), -(-used // 4) * 4
