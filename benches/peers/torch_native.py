"""Networks on one of our backends, run natively, beside PyTorch's on the same device, in turn.

    cargo build --release
    python -m benches.peers.torch_native [network ...] [--backend cpu|gpu] [--peers f32 ...] [--pairs 9] [--json]

Needs torch and diffusers; `--backend gpu`, which is ours on Vulkan, needs a GPU that PyTorch's CUDA knows too. Both sides get the same
shapes, and on the CPU one thread, which is all that our backend has. Peers on a GPU: `f32` without TF32 and `f16`, each as modules run
it and, as `f32-compiled` and `f16-compiled`, by torch.compile with CUDA graphs. Our arithmetic is f32 always.

A pair is the median of some warm evaluations of ours, each waited for, then of a peer's. `--json` prints an object from networks to
`{ours_ms, pairs, peers: {peer: {theirs_ms, ratio}}}`: medians, and that of the pairs' ratios. A peer that fails has its error instead.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import torch

from .export import HERE, of_default_model, of_random_weights

TENSTEP = HERE.parents[1] / "target" / "release" / "tenstep"
BACKENDS = {"cpu": "cpu", "gpu": "webgpu"}  # as `tenstep bench` names them
PEERS = {"cpu": ["f32"], "gpu": ["f32", "f16", "f32-compiled", "f16-compiled"]}
EVALUATIONS = {"cpu": 5, "gpu": 50}
COMPONENTS = {"unet": "unet", "text_encoder": "text-encoder", "vae_decoder": "decoder"}


def arguments(spec: dict) -> list[str]:
    """What makes `tenstep bench` time this network."""
    if "model" in spec:
        manifest = HERE.parents[1] / "www" / "models" / spec["model"] / "manifest.json"
        return ["--model", str(manifest), "--network", COMPONENTS[spec["component"]]]
    shape = {"latents": spec["size"], "batch": spec["batch"], "tokens": spec["tokens"]}
    return ["--config", str(HERE / spec["config"]), *(text for name, value in shape.items() for text in (f"--{name}", str(value)))]


def ours(spec: dict, backend: str) -> float:
    command = [TENSTEP, "bench", "--backend", BACKENDS[backend], "--evaluations", str(EVALUATIONS[backend]), "--json", *arguments(spec)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)["networks"][0]["times"]["medianMillis"]


def peer(name: str, spec: dict, backend: str, kind: str) -> Callable[[], torch.Tensor]:
    """One evaluation, waited for."""
    module = (of_default_model(spec) if "model" in spec else of_random_weights(name, spec)).eval()
    dtype = torch.float16 if kind.startswith("f16") else torch.float32
    if backend == "gpu":  # channels first: a GPU's group norms know no other layout
        module = module.to("cuda", dtype, memory_format=torch.contiguous_format)
    inputs = [value.to(next(module.parameters()).device, dtype if value.is_floating_point() else value.dtype) for value in module.inputs.values()]
    run = torch.compile(module, mode="reduce-overhead") if kind.endswith("-compiled") else module

    @torch.inference_mode()
    def evaluate() -> torch.Tensor:
        output = run(*inputs)
        if backend == "gpu":
            torch.cuda.synchronize()
        return output

    for _ in range(3):  # a graph is recorded at the second
        evaluate()
    return evaluate


def theirs(evaluate: Callable[[], torch.Tensor], backend: str) -> float:
    times = []
    for _ in range(1 + EVALUATIONS[backend]):
        began = time.perf_counter()
        evaluate()
        times.append(1000 * (time.perf_counter() - began))
    return statistics.median(times[1:])


def prepare(name: str, spec: dict, backend: str, kinds: list[str]) -> tuple[dict[str, Callable[[], torch.Tensor]], dict]:
    """The peers by their kind, warm, and the errors of those that fail."""
    peers, failed = {}, {}
    for kind in kinds:
        try:
            peers[kind] = peer(name, spec, backend, kind)
        except Exception as error:  # whatever a compiler or a driver throws: the other peers still count
            failed[kind] = {"error": f"{type(error).__name__}: {error}"[:500]}
            print(f"{name}, {kind}: {failed[kind]['error']}", file=sys.stderr)
    return peers, failed


def compare(spec: dict, backend: str, peers: dict[str, Callable[[], torch.Tensor]], failed: dict, pairs: int) -> dict:
    timed = [(ours(spec, backend), {kind: theirs(evaluate, backend) for kind, evaluate in peers.items()}) for _ in range(pairs)]
    figures = {
        kind: {
            "theirs_ms": statistics.median(found[kind] for _, found in timed),
            "ratio": statistics.median(own / found[kind] for own, found in timed),
        }
        for kind in peers
    }
    return {"ours_ms": statistics.median(own for own, _ in timed), "pairs": pairs, "peers": figures | failed}


def main() -> None:
    specs = json.loads((HERE / "networks.json").read_text())
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network", nargs="*", choices=[[], *specs], help="all of them where none is named")
    parser.add_argument("--backend", choices=list(BACKENDS), default="cpu", help="of ours (default: cpu)")
    parser.add_argument("--peers", nargs="+", choices=PEERS["gpu"], metavar="PEER", help="some of the backend's (default: all)")
    parser.add_argument("--pairs", type=int, default=9)
    parser.add_argument("--json", action="store_true", help="print one object and nothing else")
    given = parser.parse_args()
    kinds = given.peers or PEERS[given.backend]
    if not set(kinds) <= set(PEERS[given.backend]):
        parser.error(f"peers of --backend {given.backend}: {', '.join(PEERS[given.backend])}")
    if given.backend == "gpu" and not torch.cuda.is_available():
        parser.error("--backend gpu: PyTorch finds no CUDA device")
    torch.set_num_threads(1)
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    names = given.network or list(specs)
    # Compilers keep every core busy: nothing is timed before all of them are done.
    prepared = {name: prepare(name, specs[name], given.backend, kinds) for name in names}
    figures = {name: compare(specs[name], given.backend, *prepared[name], given.pairs) for name in names}
    if given.json:
        print(json.dumps(figures, indent=2))
        return
    where = torch.cuda.get_device_name() if given.backend == "gpu" else "one thread each"
    print(f"PyTorch {torch.__version__}, {where}")
    for name, found in figures.items():
        for kind, figure in found["peers"].items():
            theirs_said = "{theirs_ms:.2f} ms, ratio {ratio:.2f}".format(**figure) if "ratio" in figure else figure["error"]
            print(f"{name}: ours {found['ours_ms']:.2f} ms, {kind} {theirs_said}, {given.pairs} pairs")


if __name__ == "__main__":
    main()
