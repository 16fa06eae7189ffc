"""`python -m training.dataset`: fetches the packages and writes images.npy, index.json and emoji.json.

images.npy   uint8[N, size, size, 4], premultiplied RGBA
index.json   N records: hexcode, emoji, label, tags, group, subgroup, base (hexcode without skin tone), base_label,
             tone (1..5 or null), style, licence, common (one of the 200), held_out,
             held_out_by ("pair", "tone" or null)
emoji.json   every emoji that has a label (also those without a picture): the tokenizer reads it
"""

import dataclasses
import hashlib
import json
from multiprocessing import Pool

import numpy as np

from training import settings
from training.dataset import concepts, held_out
from training.dataset.icons import LICENCES, Collection, drawing, read_emojibase
from training.dataset.packages import fetch, fetch_wheel
from training.dataset.render import render
from training.images import over_white


def render_job(job: tuple[str, int, int]) -> np.ndarray:
    return render(*job)


def contact_sheet(images: np.ndarray, columns: int = 32, rows: int = 16):
    from PIL import Image

    chosen = np.linspace(0, len(images) - 1, columns * rows).astype(int)
    tiles = over_white(images[chosen]).reshape(rows, columns, *images.shape[1:3], 3)
    return Image.fromarray(tiles.transpose(0, 2, 1, 3, 4).reshape(rows * images.shape[1], -1, 3))


def main(arguments: list[str] | None = None) -> None:
    options = settings.parser(__doc__)
    options.add_argument("--choose-held-out", action="store_true", help="write held_out.json anew")
    options = options.parse_args(arguments)
    config = settings.read(options)["dataset"]

    packages = fetch(options.root / "packages")
    fetch_wheel(options.root / "packages")
    common = concepts.read()
    emojis = read_emojibase(packages["emojibase-data"], toned=common.gestures)
    if missing := set(common.labels) - {emoji.label for emoji in emojis}:
        raise SystemExit(f"no emoji has the label {sorted(missing)}")
    collections = {style: Collection(packages[f"@iconify-json/{style}"]) for style in config["styles"]}

    records, jobs = [], []
    for emoji in emojis:
        if emoji.group not in config["groups"] and emoji.subgroup not in config["extra_subgroups"]:
            continue
        for style in config["styles"]:
            svg = drawing(emoji, style, collections)
            if svg is not None:
                own = {"style": style, "licence": LICENCES[style], "common": emoji.base_label in common.labels}
                records.append(dataclasses.asdict(emoji) | own)
                jobs.append((svg, config["image_size"], config["supersample"]))

    with Pool(options.threads) as pool:
        images = np.stack(pool.map(render_job, jobs, chunksize=32))
    empty = [i for i, image in enumerate(images) if image[..., 3].max() == 0]
    if empty:
        raise SystemExit(f"{len(empty)} pictures are empty, first {records[empty[0]]}")

    if options.choose_held_out:
        held_out.write(held_out.choose(records, config["held_out_tones"], config["seed"]))
    lists = held_out.read()
    for record in records:
        record["held_out_by"] = held_out.reason(record, lists)
        record["held_out"] = record["held_out_by"] is not None

    np.save(options.root / "images.npy", images)
    (options.root / "index.json").write_text(json.dumps(records, ensure_ascii=False))
    (options.root / "emoji.json").write_text(
        json.dumps([dataclasses.asdict(emoji) for emoji in emojis], ensure_ascii=False)
    )
    digest = hashlib.sha256(images.tobytes()).hexdigest()
    (options.root / "images.sha256").write_text(digest + "\n")
    contact_sheet(images).save(options.root / "images.png")
    bases = len({record["base"] for record in records})
    settings.report(
        options.root,
        "dataset",
        f"{len(images)} images, {bases} concepts, {sum(r['held_out'] for r in records)} held out, sha256 {digest[:16]}",
    )


if __name__ == "__main__":
    main()
