"""SVG -> premultiplied RGBA, the pixel format of the whole project (image.json of an export says so)."""

import io

import numpy as np
import resvg_py
from PIL import Image


def render(svg: str, size: int, supersample: int) -> np.ndarray:
    """uint8[size, size, 4], premultiplied. Drawn larger and averaged down, which is exact only when premultiplied."""
    large = size * supersample
    png = resvg_py.svg_to_bytes(svg_string=svg, width=large, height=large, skip_system_fonts=True)
    image = Image.open(io.BytesIO(bytes(png))).convert("RGBA")
    if image.size != (large, large):  # a drawing that is not square: centre it
        canvas = Image.new("RGBA", (large, large))
        image.thumbnail((large, large), Image.LANCZOS)
        canvas.paste(image, ((large - image.width) // 2, (large - image.height) // 2))
        image = canvas
    straight = np.asarray(image, dtype=np.float32) / 255
    premultiplied = straight.copy()
    premultiplied[..., :3] *= straight[..., 3:]
    small = premultiplied.reshape(size, supersample, size, supersample, 4).mean(axis=(1, 3))
    return np.round(small * 255).astype(np.uint8)
