"""Networks on our CPU backend, run natively, beside PyTorch's, in turn.

    cargo build --release
    python -m benches.peers.torch_cpu [network ...] [--pairs 9] [--json]

Needs torch and diffusers. Both sides take one thread, which is all that our backend has, and the same shapes; a pair is the
median of a few warm evaluations of the one, then of the other. `--json` prints an object from networks to `{ours_ms, theirs_ms, ratio, pairs}`: medians,
and that of the pairs' ratios.
"""

import argparse
import json
import statistics
import subprocess
import time

import torch

from .export import HERE, of_default_model, of_random_weights

TENSTEP = HERE.parents[1] / "target" / "release" / "tenstep"
EVALUATIONS = 5
COMPONENTS = {"unet": "unet", "text_encoder": "text-encoder", "vae_decoder": "decoder"}


def arguments(spec: dict) -> list[str]:
    """What makes `tenstep bench` time this network."""
    if "model" in spec:
        manifest = HERE.parents[1] / "www" / "models" / spec["model"] / "manifest.json"
        return ["--model", str(manifest), "--network", COMPONENTS[spec["component"]]]
    shape = {"latents": spec["size"], "batch": spec["batch"], "tokens": spec["tokens"]}
    return ["--config", str(HERE / spec["config"]), *(text for name, value in shape.items() for text in (f"--{name}", str(value)))]


def ours(spec: dict) -> float:
    command = [TENSTEP, "bench", "--backend", "cpu", "--evaluations", str(EVALUATIONS), "--json", *arguments(spec)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)["networks"][0]["times"]["medianMillis"]


def theirs(module: torch.nn.Module) -> float:
    times = []
    with torch.inference_mode():
        for _ in range(1 + EVALUATIONS):
            began = time.perf_counter()
            module(*module.inputs.values())
            times.append(1000 * (time.perf_counter() - began))
    return statistics.median(times[1:])


def compare(name: str, spec: dict, pairs: int) -> dict:
    module = (of_default_model(spec) if "model" in spec else of_random_weights(name, spec)).eval()
    timed = [(ours(spec), theirs(module)) for _ in range(pairs)]
    return {
        "ours_ms": statistics.median(ours for ours, _ in timed),
        "theirs_ms": statistics.median(theirs for _, theirs in timed),
        "ratio": statistics.median(ours / theirs for ours, theirs in timed),
        "pairs": pairs,
    }


def main() -> None:
    specs = json.loads((HERE / "networks.json").read_text())
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network", nargs="*", choices=[[], *specs], help="all of them where none is named")
    parser.add_argument("--pairs", type=int, default=9)
    parser.add_argument("--json", action="store_true", help="print one object and nothing else")
    given = parser.parse_args()
    torch.set_num_threads(1)
    figures = {name: compare(name, specs[name], given.pairs) for name in given.network or specs}
    if given.json:
        print(json.dumps(figures, indent=2))
        return
    print(f"PyTorch {torch.__version__}, one thread each")
    for name, found in figures.items():
        print("{}: ours {ours_ms:.1f} ms, theirs {theirs_ms:.1f} ms, ratio {ratio:.2f} of {pairs} pairs".format(name, **found))


if __name__ == "__main__":
    main()
