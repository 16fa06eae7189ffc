"""The same runs through diffusers' schedulers: as they are shipped, with their float32 tables, or raised to float64."""

import contextlib
import sys

import diffusers
import numpy as np
import torch

from . import methods
from .grid import grid
from .network import Mixture


RAISED_ONLY = ("lms", "dpmpp-sde")  # they need packages that only raised.py does without
# Whose schedulers take the noise from the estimate that is in range. DDIM's does with an option; others have no thresholding.
THRESHOLDING = ("dpm-2m", "dpm-3m", "dpmpp-3m", "dpmpp-2m-sde", "dpmpp-2s", "dpmpp-3s", "unipc", "deis", "sa-solver", "lcm")


class Shipped:
    """The schedulers as they are. raised.py has the others, of the same interface."""

    dtype = torch.float32

    def scheduler(self, name: str) -> type:
        return getattr(diffusers, name)

    def precision(self):
        return contextlib.nullcontext()


def sample(library, config: dict, solver: str, spacing: str, n: int, x: np.ndarray, eta: float = 0.0, noise=None):
    """Timesteps and the final sample of DDIM or DPM-Solver++(2M)."""
    with library.precision():
        return first_two(library, config, solver, spacing, n, x, eta, noise)


def first_two(library, config: dict, solver: str, spacing: str, n: int, x: np.ndarray, eta: float, noise):
    known = dict(config)
    if solver == "ddim" and spacing in ("leading", "trailing"):
        for field in ("lambda_min_clipped", "final_sigmas_type", "solver_type"):
            known.pop(field, None)
        scheduler = library.scheduler("DDIMScheduler")(**known, clip_sample=False, timestep_spacing=spacing)
        scheduler.set_timesteps(n)
    else:
        known.pop("set_alpha_to_one", None)
        karras = spacing == "karras"
        scheduler = library.scheduler("DPMSolverMultistepScheduler")(
            **known,
            solver_order=1 if solver == "ddim" else 2,
            use_karras_sigmas=karras,
            timestep_spacing="linspace" if karras else spacing,
        )
        scheduler.set_timesteps(n)
        scheduler.set_begin_index(0)  # equal timesteps at the start would be taken for later ones
    model = Mixture(config)
    # Where karras timesteps are fractional, diffusers cuts them to whole numbers; the network here sees them whole.
    times, _ = grid(config, solver, spacing, n)
    fractional = spacing == "karras" and config["beta_schedule"] == "squaredcos_cap_v2"
    x = torch.from_numpy(x)
    for i, t in enumerate(scheduler.timesteps):
        output = torch.from_numpy(model(x.numpy(), times[i] if fractional else int(t)))
        kwargs = {"eta": eta, "variance_noise": torch.from_numpy(noise[i])} if eta > 0 else {}
        x = scheduler.step(output, t, x, **kwargs).prev_sample.double()
    times = times if fractional else scheduler.timesteps.double().numpy()
    return times, x.numpy()


class Injected:
    """Stands in for torch's generator: the noise of each evaluation in turn."""

    def __init__(self, noise: np.ndarray):
        self.noise, self.evaluation = noise, 0

    def __call__(self, shape, dtype=None, device=None, generator=None):
        return torch.from_numpy(self.noise[self.evaluation]).reshape(shape).to(dtype)


def scheduler_of(library, config: dict, solver: str, options: dict):
    """diffusers' scheduler for the same method, where it has it, and whether its samples are y = x / alpha.

    """
    if solver in RAISED_ONLY and library.dtype == torch.float32:
        return None
    if config.get("thresholding") and solver not in THRESHOLDING:
        return None
    make = lambda name, **fields: library.scheduler(f"{name}Scheduler")(**fields)  # noqa: E731
    known = {k: v for k, v in config.items() if k not in ("set_alpha_to_one", "solver_type")}
    known |= {k: v for k, v in options.items() if k in ("lower_order_final", "euler_at_final")}
    ends_clean = config.get("final_sigmas_type", "zero") == "zero"
    plain = {k: v for k, v in known.items() if k not in ("final_sigmas_type", "lower_order_final", "euler_at_final")}
    dpm_type = {"solver_type": options.get("solver_type", config.get("solver_type", "midpoint"))}
    order = {"solver_order": 3 if "3" in solver else 2}
    match solver:
        case "dpmpp-3m" | "dpmpp-2m-sde" | "dpmpp-3m-sde":
            if options.get("eta", 1.0) != 1.0 or options.get("s_noise", 1.0) != 1.0:
                return None
            if solver == "dpmpp-3m-sde":
                return None  # it has -1/2 where the integral has +1/2
            algorithm = "sde-dpmsolver++" if "sde" in solver else "dpmsolver++"
            return make("DPMSolverMultistep", **known, **order, **dpm_type, algorithm_type=algorithm), False
        case "dpm-2m" | "dpm-3m" if not ends_clean:
            return make("DPMSolverMultistep", **known, **order, **dpm_type, algorithm_type="dpmsolver"), False
        case "dpm-2s" | "dpm-3s" | "dpmpp-2s" | "dpmpp-3s" if ends_clean == ("pp" in solver):
            known.pop("euler_at_final", None)
            known.pop("rescale_betas_zero_snr", None)
            known.pop("steps_offset", None)
            algorithm = "dpmsolver++" if "pp" in solver else "dpmsolver"
            return make("DPMSolverSinglestep", **known, **order, **dpm_type, algorithm_type=algorithm), False
        case "unipc":
            known.pop("euler_at_final", None)
            corrects = options.get("corrector", True)
            extra = {"solver_order": options.get("order", 2), "solver_type": options.get("solver_type", "bh2")}
            if ends_clean and not known.get("lower_order_final", True):
                return None  # infinite divided by infinite
            return make("UniPCMultistep", **known, **extra, disable_corrector=[] if corrects else list(range(1000))), False
        case "deis" if not ends_clean:
            for field in ("final_sigmas_type", "euler_at_final", "rescale_betas_zero_snr"):
                known.pop(field, None)
            extra = {"solver_order": options.get("order", 3), "solver_type": "logrho"}
            return make("DEISMultistep", **known, **extra, algorithm_type="deis"), False
        case "sa-solver" if not ends_clean:
            for field in ("final_sigmas_type", "euler_at_final", "rescale_betas_zero_snr", "lambda_min_clipped"):
                known.pop(field, None)
            if options.get("s_noise", 1.0) != 1.0 or not options.get("corrector", True):
                return None
            order, eta = options.get("order", 2), options.get("eta", 1.0)
            return make(
                "SASolver", **known, predictor_order=order, corrector_order=order,
                tau_func=lambda t: torch.tensor(eta if 200 <= t <= 800 else 0.0, dtype=torch.float64),
            ), False  # fmt: skip
        # Where its runs end is fixed: at a clean sample, and at the level of timestep 0.
        case "lcm" | "tcd" if options.get("s_noise", 1.0) == 1.0 and ends_clean == (solver == "lcm"):
            for field in ("lambda_min_clipped", "steps_offset"):
                plain.pop(field, None)
            return make(solver.upper(), **plain, timestep_spacing="trailing"), False
        case "heun" | "euler" | "euler-a" | "dpm2" | "dpm2-a" if ends_clean:
            if options.keys() & {"eta", "s_noise", "s_churn"}:
                return None
            if solver not in ("euler", "euler-a"):
                plain.pop("rescale_betas_zero_snr", None)
            plain.pop("lambda_min_clipped", None)
            kind = {
                "heun": "HeunDiscrete",
                "euler": "EulerDiscrete",
                "euler-a": "EulerAncestralDiscrete",
                "dpm2": "KDPM2Discrete",
                "dpm2-a": "KDPM2AncestralDiscrete",
            }[solver]
            return make(kind, **plain), True
        case "lms":
            for field in ("rescale_betas_zero_snr", "lambda_min_clipped"):
                plain.pop(field, None)
            return make("LMSDiscrete", **plain), True
        case "dpmpp-sde" if ends_clean and not options.keys() & {"eta", "s_noise"}:
            plain.pop("rescale_betas_zero_snr", None)
            return make("DPMSolverSDE", **plain), True
        # Its network gives v, its orders are all four.
        case "ipndm" if config["prediction_type"] == "v_prediction" and options.get("order", 4) == 4:
            return make("IPNDM"), False
        case "plms" | "pndm":
            for field in ("rescale_betas_zero_snr", "lambda_min_clipped"):
                plain.pop(field, None)
            extra = {"set_alpha_to_one": config.get("set_alpha_to_one", True), "skip_prk_steps": solver == "plms"}
            return make("PNDM", **plain, **extra), False
    return None


def of_method(library, config: dict, solver: str, spacing: str, evaluations: int, x, options: dict, noise):
    """The final sample of a method other than the two above; None where diffusers has no such run.

    The levels are diffusers' own, except for its k-diffusion schedulers: those place and round them differently from its
    other schedulers, and get ours here.
    """
    with library.precision():
        return of_method_within(library, config, solver, spacing, evaluations, x, options, noise)


def of_method_within(library, config: dict, solver: str, spacing: str, evaluations: int, x, options: dict, noise):
    found = scheduler_of(library, config, solver, options)
    if found is None:
        return None
    scheduler, exploding = found
    pseudo, singlestep = solver in ("plms", "pndm"), solver[-2:] in ("2s", "3s")
    # Its PNDM combines v of different samples as if they were one's; its singlestep solvers have one spacing.
    if pseudo and (config["prediction_type"] != "epsilon" or spacing not in ("leading", "trailing")):
        return None
    if solver in ("lcm", "tcd") and (spacing != "trailing" or evaluations > 50):
        return None
    if singlestep and spacing not in ("linspace", "karras"):
        return None
    if exploding and config["prediction_type"] == "sample" and solver != "heun":
        return None
    t, rhos, stages = methods.levels(config, solver, spacing, evaluations)
    count = len(t) if pseudo or exploding else evaluations
    if solver == "pndm" and (1000 // count) % 2:
        return None  # it rounds the timestep halfway
    if pseudo and spacing == "trailing" and 1000 % count:
        return None  # it evaluates at other timesteps than it steps to
    if not exploding and solver not in ("lcm", "tcd", "ipndm"):
        if not singlestep:
            scheduler.register_to_config(timestep_spacing="linspace" if spacing == "karras" else spacing)
        if not pseudo:
            scheduler.register_to_config(use_karras_sigmas=spacing == "karras")
    scheduler.set_timesteps(count)
    if exploding or solver == "ipndm":
        place_levels(scheduler, solver, torch.from_numpy(rhos).to(library.dtype))
    elif hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(0)
    times, _, _ = methods.sample(config, solver, spacing, evaluations, x, options, noise)
    if len(scheduler.timesteps) != len(times):
        return None  # a remainder, which it has no step for
    model, injected, shape = Mixture(config), Injected(noise), (1, len(x), 1, 1)
    module = sys.modules[type(scheduler).__module__]
    if hasattr(module, "randn_tensor"):
        module.randn_tensor = injected
    scheduler.noise_sampler = lambda *_: injected(shape)  # of DPM-Solver++ SDE alone
    sample = torch.from_numpy(x * (np.sqrt(1 + rhos[0] ** 2) if exploding else 1.0)).reshape(shape)
    for i, t_i in enumerate(scheduler.timesteps):
        injected.evaluation = i
        seen = scheduler.scale_model_input(sample, t_i) if exploding else sample
        output = torch.from_numpy(model(seen.double().numpy().ravel(), times[i])).reshape(shape)
        told = {"eta": options.get("eta", 0.3)} if solver == "tcd" else {}
        told |= {"order": options.get("order", 4)} if solver == "lms" else {}
        sample = scheduler.step(output, t_i, sample, **told).prev_sample.double()
    final = sample.numpy().ravel() / (np.sqrt(1 + rhos[-1] ** 2) if exploding else 1.0)
    # It divides zero by zero in steps of no length, and multiplies infinity by zero in UniPC's bh1 at a clean end.
    return final if np.all(np.isfinite(final)) else None


def place_levels(scheduler, solver: str, sigmas: torch.Tensor) -> None:
    """Our levels in the tables of a k-diffusion scheduler, or of IPNDM, as it fills them."""
    n = len(sigmas) - 1
    if solver == "ipndm":
        scheduler.alphas, scheduler.betas = 1 / (1 + sigmas**2) ** 0.5, sigmas / (1 + sigmas**2) ** 0.5
    if solver in ("euler", "euler-a", "lms", "ipndm"):
        scheduler.sigmas = sigmas
        scheduler.timesteps = torch.arange(n, 0, -1).to(sigmas.dtype)
        scheduler._step_index = 0
        scheduler.is_scale_input_called = True
        return
    twice = lambda values: torch.cat([values[:1], values[1:].repeat_interleave(2), values[-1:]])  # noqa: E731
    if solver in ("heun", "dpmpp-sde"):
        scheduler.sigmas = torch.cat([sigmas[:1], sigmas[1:-1].repeat_interleave(2), sigmas[-1:]])
    elif solver == "dpm2":
        scheduler.sigmas = twice(sigmas)
        scheduler.sigmas_interpol = twice(sigmas.log().lerp(sigmas.roll(1).log(), 0.5).exp())
    else:
        after = sigmas.roll(-1)
        after[-1] = 0.0
        up = (after**2 * (sigmas**2 - after**2) / sigmas**2).clamp(min=0) ** 0.5
        down = (after**2 - up**2).clamp(min=0) ** 0.5
        down[-1] = up[-1] = 0.0
        between = sigmas.log().lerp(down.log(), 0.5).exp()
        between[-2:] = 0.0
        scheduler.sigmas, scheduler.sigmas_interpol = twice(sigmas), twice(between)
        scheduler.sigmas_up, scheduler.sigmas_down = twice(up), twice(down)
    scheduler.timesteps = torch.arange(2 * n - 1, 0, -1).to(sigmas.dtype)
    scheduler._step_index = 0
