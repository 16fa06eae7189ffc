"""The same runs through diffusers' schedulers as they are shipped, with their float32 tables."""

import sys

import diffusers
import numpy as np
import torch
from diffusers import DDIMScheduler, DPMSolverMultistepScheduler

from . import methods
from .grid import grid
from .network import Mixture


def sample(config: dict, solver: str, spacing: str, n: int, x: np.ndarray, eta: float = 0.0, noise=None):
    known = dict(config)
    if solver == "ddim" and spacing in ("leading", "trailing"):
        for field in ("lambda_min_clipped", "final_sigmas_type", "solver_type"):
            known.pop(field, None)
        scheduler = DDIMScheduler(**known, clip_sample=False, timestep_spacing=spacing)
        scheduler.set_timesteps(n)
    else:
        known.pop("set_alpha_to_one", None)
        karras = spacing == "karras"
        scheduler = DPMSolverMultistepScheduler(
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


def scheduler_of(config: dict, solver: str, options: dict):
    """diffusers' scheduler for the same method, where it has it, and whether its samples are y = x / alpha.

    Left out: its LMS needs scipy, and its IPNDM has a noise schedule of its own.
    """
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
            return DPMSolverMultistepScheduler(**known, **order, **dpm_type, algorithm_type=algorithm), False
        case "dpm-2m" | "dpm-3m" if not ends_clean:
            return DPMSolverMultistepScheduler(**known, **order, **dpm_type, algorithm_type="dpmsolver"), False
        case "dpm-2s" | "dpm-3s" | "dpmpp-2s" | "dpmpp-3s" if ends_clean == ("pp" in solver):
            known.pop("euler_at_final", None)
            known.pop("rescale_betas_zero_snr", None)
            known.pop("steps_offset", None)
            algorithm = "dpmsolver++" if "pp" in solver else "dpmsolver"
            return diffusers.DPMSolverSinglestepScheduler(**known, **order, **dpm_type, algorithm_type=algorithm), False
        case "unipc":
            known.pop("euler_at_final", None)
            corrects = options.get("corrector", True)
            extra = {"solver_order": options.get("order", 2), "solver_type": options.get("solver_type", "bh2")}
            if ends_clean and not known.get("lower_order_final", True):
                return None  # infinite divided by infinite
            return diffusers.UniPCMultistepScheduler(
                **known, **extra, disable_corrector=[] if corrects else list(range(1000))
            ), False
        case "deis" if not ends_clean:
            for field in ("final_sigmas_type", "euler_at_final", "rescale_betas_zero_snr"):
                known.pop(field, None)
            return diffusers.DEISMultistepScheduler(
                **known, solver_order=options.get("order", 3), algorithm_type="deis", solver_type="logrho"
            ), False
        case "sa-solver" if not ends_clean:
            for field in ("final_sigmas_type", "euler_at_final", "rescale_betas_zero_snr", "lambda_min_clipped"):
                known.pop(field, None)
            if options.get("s_noise", 1.0) != 1.0 or not options.get("corrector", True):
                return None
            order, eta = options.get("order", 2), options.get("eta", 1.0)
            return diffusers.SASolverScheduler(
                **known, predictor_order=order, corrector_order=order,
                tau_func=lambda t: torch.tensor(eta if 200 <= t <= 800 else 0.0, dtype=torch.float64),
            ), False  # fmt: skip
        # Where its runs end is fixed: at a clean sample, and at the level of timestep 0.
        case "lcm" | "tcd" if options.get("s_noise", 1.0) == 1.0 and ends_clean == (solver == "lcm"):
            for field in ("lambda_min_clipped", "steps_offset"):
                plain.pop(field, None)
            kind = diffusers.LCMScheduler if solver == "lcm" else diffusers.TCDScheduler
            return kind(**plain, timestep_spacing="trailing"), False
        case "heun" | "euler" | "euler-a" | "dpm2" | "dpm2-a" if ends_clean and not options.keys() & {"eta", "s_noise", "s_churn"}:
            if solver not in ("euler", "euler-a"):
                plain.pop("rescale_betas_zero_snr", None)
            plain.pop("lambda_min_clipped", None)
            kind = {
                "heun": diffusers.HeunDiscreteScheduler,
                "euler": diffusers.EulerDiscreteScheduler,
                "euler-a": diffusers.EulerAncestralDiscreteScheduler,
                "dpm2": diffusers.KDPM2DiscreteScheduler,
                "dpm2-a": diffusers.KDPM2AncestralDiscreteScheduler,
            }[solver]
            return kind(**plain), True
        case "plms" | "pndm":
            for field in ("rescale_betas_zero_snr", "lambda_min_clipped"):
                plain.pop(field, None)
            return diffusers.PNDMScheduler(
                **plain, set_alpha_to_one=config.get("set_alpha_to_one", True), skip_prk_steps=solver == "plms"
            ), False
    return None


def of_method(config: dict, solver: str, spacing: str, evaluations: int, x: np.ndarray, options: dict, noise: np.ndarray):
    """The final sample of a method other than the two above; None where diffusers has no such run.

    The levels are diffusers' own, except for its k-diffusion schedulers: those place and round them differently from its
    other schedulers, and get ours as float32 here.
    """
    found = scheduler_of(config, solver, options)
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
    if not exploding and solver not in ("lcm", "tcd"):
        if not singlestep:
            scheduler.register_to_config(timestep_spacing="linspace" if spacing == "karras" else spacing)
        if not pseudo:
            scheduler.register_to_config(use_karras_sigmas=spacing == "karras")
    scheduler.set_timesteps(count)
    if exploding:
        place_levels(scheduler, solver, rhos)
    elif hasattr(scheduler, "set_begin_index"):
        scheduler.set_begin_index(0)
    times, _, _ = methods.sample(config, solver, spacing, evaluations, x, options, noise)
    if len(scheduler.timesteps) != len(times):
        return None  # a remainder, which it has no step for
    model, injected = Mixture(config), Injected(noise)
    module = sys.modules[type(scheduler).__module__]
    if hasattr(module, "randn_tensor"):
        module.randn_tensor = injected
    shape = (1, len(x), 1, 1)
    sample = torch.from_numpy(x * (np.sqrt(1 + rhos[0] ** 2) if exploding else 1.0)).reshape(shape)
    for i, t_i in enumerate(scheduler.timesteps):
        injected.evaluation = i
        seen = scheduler.scale_model_input(sample, t_i) if exploding else sample
        output = torch.from_numpy(model(seen.double().numpy().ravel(), times[i])).reshape(shape)
        told = {"eta": options.get("eta", 0.3)} if solver == "tcd" else {}
        sample = scheduler.step(output, t_i, sample, **told).prev_sample.double()
    final = sample.numpy().ravel() / (np.sqrt(1 + rhos[-1] ** 2) if exploding else 1.0)
    # It divides zero by zero in steps of no length, and multiplies infinity by zero in UniPC's bh1 at a clean end.
    return final if np.all(np.isfinite(final)) else None


def place_levels(scheduler, solver: str, rhos: np.ndarray) -> None:
    """Our levels in the tables of a k-diffusion scheduler, as it fills them."""
    sigmas = torch.from_numpy(rhos).float()
    n = len(rhos) - 1
    if solver in ("euler", "euler-a"):
        scheduler.sigmas = sigmas
        scheduler.timesteps = torch.arange(n, 0, -1).float()
        scheduler._step_index = 0
        scheduler.is_scale_input_called = True
        return
    twice = lambda values: torch.cat([values[:1], values[1:].repeat_interleave(2), values[-1:]])  # noqa: E731
    if solver == "heun":
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
    scheduler.timesteps = torch.arange(2 * n - 1, 0, -1).float()
    scheduler._step_index = 0
