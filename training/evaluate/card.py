"""`python -m training.evaluate.card`: writes the figures into docs/model-card.md, docs/model-card.json and its pictures.

The card's prose is written by hand; what stands between `<!-- figures: NAME -->` and `<!-- end -->` is replaced.
"""

import json
import re
import shutil
from pathlib import Path

from training import manifest as shards
from training import settings
from training.evaluate import preset
from training.evaluate.tables import Card
from training.export import FINE_TUNINGS, git_commit

BLOCK = re.compile(r"(<!-- figures: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
PICTURES = {"contact-sheet.png": "contact-sheet.png", "neighbours.png": "nearest-training-pictures.png"}


BENCHMARK = "fashion"


def fill(text: str, card: Card) -> str:
    unknown = set(re.findall(r"<!-- figures: (\w+) -->", text)) - set(card.names())
    if unknown:
        raise SystemExit(f"the card asks for tables that do not exist: {', '.join(sorted(unknown))}")
    return fill_only(card.names(), text, card)


def fill_only(names: list[str], text: str, card: Card) -> str:
    def filled(block: re.Match) -> str:
        return f"{block[1]}\n{card.write(block[2])}\n\n{block[3]}" if block[2] in names else block[0]

    return BLOCK.sub(filled, text)


def figures(results: dict, manifest: dict) -> dict:
    """The figures that every later claim compares with; what was not measured is null. Details have intervals and n."""

    def get(name: str, *keys: str):
        found = results.get(name, {}).get("result")
        for key in keys:
            found = found[key] if found is not None else None
        return found

    training = manifest["provenance"]["training"]
    judge, storage = ("judge", "value"), ("top1", "value")
    return {
        "model": manifest["name"],
        "revision": manifest["revision"],
        "psnr_held_out": get("reconstruction", "held_out", "psnr"),
        "top1": get("grid", "all", "top1", "value"),
        "top5": get("grid", "all", "top5", "value"),
        "top1_real_held_out": get("real_pictures", "judge", "top1", "value"),
        "top1_held_out_pairs": get("grid", "held_out_pairs", "top1", "value"),
        "synonyms_top5": get("synonyms", "top5", "value"),
        "attributes": {
            "style": get("grid", "held_out_pairs", "style", "value"),
            "style_judge": get("real_pictures", "judge", "style", "value"),
            "tone": get("tones", "tone", "value"),
            "tone_judge": get("real_pictures", "judge", "tone", "value"),
        },
        "contact_sheet": get("newcomers", "recognised"),
        "frechet_10": get("converged", "ten", "frechet", *judge),
        "frechet_converged": get("converged", "many", "frechet", *judge),
        "f32_top1": get("storage", "f32", *storage),
        "int8_top1": get("storage", "shipped", *storage),
        "f32_frechet": get("storage", "f32", "frechet", *judge),
        "int8_frechet": get("storage", "shipped", "frechet", *judge),
        "bytes_int8": get("costs", "bytes"),
        "parameters": get("costs", "parameters"),
        "gflop_evaluation": get("costs", "gflop_evaluation"),
        "gflop_decode": get("costs", "gflop_decode"),
        "trained_on": {
            key: training.get(key)
            for key in ("hardware", "preset", "seed", "minutes", "images_seen", "data", "initial", *FINE_TUNINGS)
        },
        "commit": training["git_commit"],
        "judged_at_commit": git_commit(),
        "details": {name: found["result"] for name, found in results.items() if isinstance(found, dict) and "result" in found},
        "judges": results["judges"],
        "config": results["config"],
    }


def write_figures(path: Path, content: dict) -> None:
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def main() -> None:
    options = preset.parser(__doc__)
    options.add_argument("--manifest", type=Path, default=Path("www/models/default/manifest.json"))
    options.add_argument("--docs", type=Path, default=settings.HERE.parent / "docs", help="folder of the card")
    options.add_argument("--benchmark-alone", action="store_true", help="write the second benchmark's figures; the others stay")
    options = options.parse_args()
    preset.read(options)
    manifest = shards.read(options.manifest)
    benchmark_path = options.root / "fashion" / "results.json"
    benchmark = json.loads(benchmark_path.read_text()) if benchmark_path.exists() else None
    text, figures_path = options.docs / "model-card.md", options.docs / "model-card.json"
    if options.benchmark_alone:
        text.write_text(fill_only([BENCHMARK], text.read_text(), Card({}, manifest, benchmark)))
        write_figures(figures_path, json.loads(figures_path.read_text()) | {"fashion_mnist": benchmark})
        return
    folder = options.root / "evaluation" / manifest["revision"]
    if not (folder / "results.json").exists():
        raise SystemExit(f"nothing is known of {manifest['revision']}: run python -m training.evaluate first")
    results = json.loads((folder / "results.json").read_text())
    card = Card(results, manifest, benchmark)
    text.write_text(fill(text.read_text(), card))
    write_figures(figures_path, figures(results, manifest) | {"fashion_mnist": benchmark})
    for source, target in PICTURES.items():
        if (folder / source).exists():
            shutil.copy(folder / source, options.docs / target)


if __name__ == "__main__":
    main()
