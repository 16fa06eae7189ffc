"""diffusers' schedulers with their float32 tables raised to float64, so that what is left are differences of formulas.

Each module is read from the installed package when it is asked for, and run with its number formats exchanged; nothing
of it is kept. What a module needs of packages that are not here is given to it: LMS an integral, which is of
polynomials, and DPM-Solver++ SDE no Brownian tree, because its noise is given to it anyway.
"""

import contextlib
import importlib.util
import sys
import types
from pathlib import Path

import diffusers
import numpy as np
import torch

FORMATS = {
    "torch.float32": "torch.float64",
    "np.float32": "np.float64",
    "torch.FloatTensor": "torch.DoubleTensor",
    ".float()": ".double()",
    "import torchsde\n": "",
}
# diffusers has dummies in the place of these.
MODULES = {
    "LMSDiscreteScheduler": "diffusers.schedulers.scheduling_lms_discrete",
    "DPMSolverSDEScheduler": "diffusers.schedulers.scheduling_dpmsolver_sde",
}
NODES, WEIGHTS = np.polynomial.legendre.leggauss(8)


def quad(f, a: float, b: float, **_) -> tuple[float]:
    return (sum(w * f((a + b) / 2 + (b - a) / 2 * u) for u, w in zip(NODES, WEIGHTS, strict=True)) * (b - a) / 2,)


class Raised:
    dtype = torch.float64

    def __init__(self):
        self.modules: dict[str, types.ModuleType] = {}

    def scheduler(self, name: str) -> type:
        shipped = MODULES.get(name) or getattr(diffusers, name).__module__
        if shipped not in self.modules:
            self.modules[shipped] = self.load(shipped)
        return getattr(self.modules[shipped], name)

    @contextlib.contextmanager
    def precision(self):
        """Where its runs belong: numbers that the source gives no format are float64 too."""
        before = torch.get_default_dtype()
        torch.set_default_dtype(self.dtype)
        try:
            yield
        finally:
            torch.set_default_dtype(before)

    def load(self, shipped: str) -> types.ModuleType:
        path = importlib.util.find_spec(shipped).origin
        source = Path(path).read_text()
        for low, high in FORMATS.items():
            source = source.replace(low, high)
        module = types.ModuleType(f"{__name__}.{shipped.rpartition('.')[2]}")
        module.__package__ = shipped.rpartition(".")[0]  # its imports are relative
        sys.modules[module.__name__] = module  # dataclasses look their module up
        exec(compile(source, path, "exec"), module.__dict__)
        module.integrate = types.SimpleNamespace(quad=quad)
        return module
