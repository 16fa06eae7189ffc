"""Pictures to look at: the contact sheet, and samples beside their nearest training pictures."""

import textwrap

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from training.images import over_white

INK, FAINT, MISSED = "#202020", "#808080", "#b00020"


def tile(picture: np.ndarray, scale: int) -> Image.Image:
    size = picture.shape[0] * scale
    return Image.fromarray(over_white(picture)).resize((size, size), Image.BICUBIC)


def contact_sheet(captions: list[str], images: np.ndarray, hit: np.ndarray, columns: int = 8, scale: int = 2):
    """Each picture with its prompt below it, in red where the judge did not recognise it."""
    side, below, gap = images.shape[1] * scale, 34, 10
    rows = -(-len(images) // columns)
    sheet = Image.new("RGB", (gap + columns * (side + gap), gap + rows * (side + below + gap)), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(12)
    for index, (caption, picture, right) in enumerate(zip(captions, images, hit, strict=True)):
        left, top = gap + index % columns * (side + gap), gap + index // columns * (side + below + gap)
        sheet.paste(tile(picture, scale), (left, top))
        text = "\n".join(textwrap.wrap(caption, 21)[:2])
        draw.multiline_text(
            (left + side // 2, top + side + 3), text, INK if right else MISSED, font, "ma", spacing=2, align="center"
        )
    return sheet


def neighbour_sheet(captions: list[str], images: np.ndarray, neighbours: np.ndarray, columns: int = 4):
    """Each sample, and right of it, after a rule, the training pictures nearest to it."""
    side, gap, below = images.shape[1], 12, 18
    count = neighbours.shape[1]
    width, height = (count + 1) * side + 3 * gap, side + below + gap
    rows = -(-len(images) // columns)
    sheet = Image.new("RGB", (gap + columns * width, gap + rows * height), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(11)
    for index, (caption, picture, near) in enumerate(zip(captions, images, neighbours, strict=True)):
        left, top = gap + index % columns * width, gap + index // columns * height
        sheet.paste(tile(picture, 1), (left, top))
        draw.line([(left + side + gap // 2, top), (left + side + gap // 2, top + side)], FAINT)
        for place, other in enumerate(near):
            sheet.paste(tile(other, 1), (left + gap + (place + 1) * side, top))
        draw.text((left, top + side + 2), caption[:44], INK, font)
    return sheet
