"""Runs of networks of flow matching, by methods for any network and by those along its straight lines."""

import numpy as np

from . import methods, reference, shipped_flow
from .grid import grid, listed_sigmas, listed_timesteps
from .inputs import START, noise
from .schedule import is_flow

EULER = {"_class_name": "FlowMatchEulerDiscreteScheduler", "num_train_timesteps": 1000}
CONFIGS = {
    "flow": EULER | {"shift": 1.0},
    "flow-shift-3": EULER | {"shift": 3.0},
    "flow-sigma-min": {
        "_class_name": "UniPCMultistepScheduler", "num_train_timesteps": 1000, "prediction_type": "flow_prediction",
        "use_flow_sigmas": True, "flow_shift": 3.0, "final_sigmas_type": "sigma_min",
    },
}  # fmt: skip
OTHER_SPACINGS = ("linspace", "exponential", "simple", "sgm_uniform", "ddim_uniform")
OPTIONS = {
    "dpmpp-2m-sde": [{}, {"eta": 0.4, "s_noise": 0.9}],
    "dpm-2s": [{}, {"solver_type": "heun"}],
    "unipc": [{}, {"order": 3}],
    "deis": [{}, {"order": 2}],
}
SOLVERS = (
    "flow-euler", "flow-heun", "ddim", "euler", "heun", "rhork-4", "dpmpp-2s-a",
    "dpmpp-2m", "dpmpp-2m-sde", "dpm-2s", "unipc", "deis",
)  # fmt: skip
SIGMAS = (
    [1.0, 0.95, 0.8, 0.55, 0.3, 0.1, 0.0],
    [1.0, 0.9, 0.7, 0.4, 0.15, 0.02],
    [0.75, 0.5, 0.25, 0.0],
    [1.0, 0.0],
)
TIMESTEPS = ([1000.0, 900.5, 640.0, 333.25, 80.0], [998.0, 500.0], [700.0, 200.0, 7.5])


def row(libraries, config: dict, solver: str, options: dict, t, rhos, stages: list[int], evaluations: int) -> dict:
    drawn = noise(evaluations)
    if solver in ("ddim", "dpmpp-2m"):
        times, final = reference.sample_on(config, solver, t, rhos, START)
    else:
        times, stages, final = methods.sample_on(config, solver, t, rhos, stages, START, options, drawn)
    shipped = raised = None
    if is_flow(config):
        shipped, raised = (
            shipped_flow.of_flow(library, config, solver, rhos, times, START, options, drawn) for library in libraries
        )
    return {
        "evaluations": evaluations, "timesteps": np.round(times, 10).tolist(), "final": final.tolist(),
        "shipped": None if shipped is None else np.round(shipped, 8).tolist(),
        "raised": None if raised is None else raised.tolist(),
    } | ({"stages": stages} if set(stages) - {1} else {})  # fmt: skip


def spaced(libraries, configs: dict, name: str, solver: str, spacing: str, evaluations: int, options: dict | None = None):
    """A run over the levels of a spacing."""
    config, options = configs[name], options or {}
    if solver in methods.METHODS:
        t, rhos, stages = methods.levels(config, solver, spacing, evaluations)
    else:
        t, rhos, stages = *grid(config, solver, spacing, evaluations), []
    told = {"config": name, "solver": solver, "options": options, "spacing": spacing}
    return told | row(libraries, config, solver, options, t, rhos, stages, evaluations)


def listed(libraries, name: str, solver: str, field: str, values: list[float]):
    """A run over levels that a caller lists."""
    config = CONFIGS[name]
    t, rhos = (listed_sigmas if field == "sigmas" else listed_timesteps)(config, solver, values)
    stages, evaluations = methods.whole_steps(solver, t, rhos) if solver in methods.METHODS else ([], len(t))
    told = {"config": name, "solver": solver, "options": {}, field: values}
    return told | row(libraries, config, solver, {}, t, rhos, stages, evaluations)


def rows(libraries, others: dict):
    """`others` are configs of networks that are not of flow matching."""
    for config in CONFIGS.values():
        for library in libraries:
            shipped_flow.check_levels(library, config)
    for solver in SOLVERS:
        for options in OPTIONS.get(solver, [{}]):
            for evaluations in (1, 2, 5, 10, 16):
                yield spaced(libraries, CONFIGS, "flow-shift-3", solver, "trailing", evaluations, options)
            for spacing in ("leading", "karras", "beta", "normal"):
                yield spaced(libraries, CONFIGS, "flow-shift-3", solver, spacing, 10, options)
            yield spaced(libraries, CONFIGS, "flow", solver, "trailing", 9, options)
            for evaluations in (5, 16):
                yield spaced(libraries, CONFIGS, "flow-sigma-min", solver, "trailing", evaluations, options)
            yield spaced(libraries, CONFIGS, "flow-sigma-min", solver, "linspace", 10, options)
        for sigmas in SIGMAS:
            yield listed(libraries, "flow-shift-3", solver, "sigmas", sigmas)
        for timesteps in TIMESTEPS:
            yield listed(libraries, "flow-shift-3", solver, "listed_timesteps", timesteps)
    for name in ("flow", "flow-shift-3"):
        for spacing in OTHER_SPACINGS:
            for solver in ("flow-euler", "flow-heun", "dpmpp-2m"):
                yield spaced(libraries, CONFIGS, name, solver, spacing, 9)
    for name in others:
        for solver in ("flow-euler", "flow-heun"):
            for spacing in ("trailing", "linspace", "exponential"):
                # Whether a spacing of noise levels starts at pure noise is a matter of rounding.
                if spacing == "exponential" and others[name]["rescale_betas_zero_snr"]:
                    continue
                for evaluations in (1, 10):
                    yield spaced(libraries, others, name, solver, spacing, evaluations)
