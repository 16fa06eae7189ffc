"""Flow matching through diffusers' schedulers, shipped or raised, at our levels."""

import sys

import numpy as np
import torch

from .network import Mixture
from .schedule import flow_s, nonzero_rhos, s_of
from .shipped import Injected, place_levels

# They divide by 1 - s, of which float32 leaves 11 bits at the noisiest level.
EPSILON_FORMS = ("heun", "dpm-2s", "deis")


def scheduler_of(library, config: dict, solver: str, options: dict, clean: bool, count: int):
    """diffusers' scheduler for the same method, where it has it, with its tables for so many steps."""
    make = lambda name, **fields: library.scheduler(f"{name}Scheduler")(**fields)  # noqa: E731
    flow = {"prediction_type": "flow_prediction", "use_flow_sigmas": True}
    dpm = flow | {"solver_order": 2, "solver_type": options.get("solver_type", "midpoint")}
    ends = {"final_sigmas_type": "zero" if clean else "sigma_min"}
    match solver:
        case "flow-euler" | "ddim" | "euler":
            found = make("FlowMatchEulerDiscrete")
        case "flow-heun" if clean:
            found = make("FlowMatchHeunDiscrete")
        case "heun" if clean:
            found = make("HeunDiscrete")
        case "dpmpp-2m":
            found = make("DPMSolverMultistep", **dpm, **ends)
        case "dpmpp-2m-sde" if not options.keys() & {"eta", "s_noise"}:
            found = make("DPMSolverMultistep", **dpm, **ends, algorithm_type="sde-dpmsolver++")
        case "dpm-2s" if not clean:
            dpm["prediction_type"] = "epsilon"  # its epsilon form knows no other of flow matching
            found = make("DPMSolverSinglestep", **dpm, **ends, algorithm_type="dpmsolver")
        case "unipc":
            found = make("UniPCMultistep", **flow, **ends, solver_order=options.get("order", 2))
        case "deis" if not clean:
            found = make("DEISMultistep", **flow, solver_order=options.get("order", 3))
        case _:
            return None
    found.set_timesteps(count)
    return found


def of_flow(library, config: dict, solver: str, rhos, times: list[float], x, options: dict, noise):
    """The final sample, from the times at which the network is asked; None where diffusers has no such run."""
    if library.dtype == torch.float32 and solver in EPSILON_FORMS and rhos[0] == nonzero_rhos(config)[-1]:
        return None
    with library.precision():
        found = scheduler_of(library, config, solver, options, rhos[-1] == 0, len(rhos) - 1)
        return None if found is None else run(library, found, config, solver, rhos, times, x, noise)


def run(library, scheduler, config: dict, solver: str, rhos, times: list[float], x, noise):
    s, exploding = s_of(rhos), solver == "heun"
    twice = np.concatenate([rhos[:1], rhos[1:-1].repeat(2)])
    here = twice if solver in ("heun", "flow-heun") else rhos  # rho of each evaluation
    wants_epsilon = scheduler.config.get("prediction_type") == "epsilon"
    if exploding:  # its samples are y
        place_levels(scheduler, solver, torch.from_numpy(rhos).to(library.dtype))
        size = np.sqrt(1 + rhos[[0, -1]] ** 2)
    else:
        scheduler.sigmas = torch.from_numpy(s).to(library.dtype)
        if solver == "flow-heun":
            inner = scheduler.sigmas[1:-1].repeat_interleave(2)
            scheduler.sigmas = torch.cat([scheduler.sigmas[:1], inner, scheduler.sigmas[-1:]])
        # Only what tells them apart matters of its timesteps.
        scheduler.timesteps = torch.arange(len(scheduler.sigmas) - 1, 0, -1, dtype=library.dtype)
        scheduler.set_begin_index(0)
        size = np.hypot(s, 1 - s)[[0, -1]]
    if len(scheduler.timesteps) != len(times):
        return None  # a remainder, which it has no step for
    model, injected = Mixture(config), Injected(noise)
    sys.modules[type(scheduler).__module__].randn_tensor = injected
    shape = (1, len(x), 1, 1)
    sample = torch.from_numpy(x * size[0]).reshape(shape)
    for i, t in enumerate(scheduler.timesteps):
        injected.evaluation = i
        seen = sample.double().numpy().ravel() / ((1 + here[i]) if exploding else 1.0)
        output = model(seen, times[i])
        if wants_epsilon:
            output = seen + output / (1 + here[i])
        sample = scheduler.step(torch.from_numpy(output).reshape(shape), t, sample).prev_sample.double()
    final = sample.numpy().ravel() / size[1]
    return final if np.all(np.isfinite(final)) else None


def check_levels(library, config: dict) -> None:
    """That diffusers' training levels are ours."""
    with library.precision():
        shift = config.get("shift", config.get("flow_shift", 1.0))
        theirs = library.scheduler("FlowMatchEulerDiscreteScheduler")(shift=shift).sigmas.double().numpy()
    ours = flow_s(config, np.arange(config["num_train_timesteps"]))[::-1]
    assert np.max(np.abs(theirs - ours)) < (1e-14 if library.dtype == torch.float64 else 1e-6)
