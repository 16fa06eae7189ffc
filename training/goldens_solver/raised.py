"""diffusers' schedulers with their float32 tables raised to float64, so that what is left are differences of formulas.

Each module is read from the installed package when it is asked for, and run with its number formats exchanged; nothing
of it is kept.
"""

import contextlib
import importlib.util
import sys
import types
from pathlib import Path

import diffusers
import torch

FORMATS = {
    "torch.float32": "torch.float64",
    "np.float32": "np.float64",
    "torch.FloatTensor": "torch.DoubleTensor",
    ".float()": ".double()",
}


class Raised:
    dtype = torch.float64

    def __init__(self):
        self.modules: dict[str, types.ModuleType] = {}

    def scheduler(self, name: str) -> type:
        shipped = getattr(diffusers, name).__module__
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
        return module
