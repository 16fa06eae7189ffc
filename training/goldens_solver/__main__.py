"""Writes the golden data. Small runs over every combination that the crate's planners distinguish."""

import json
from pathlib import Path

import diffusers
import numpy as np

from . import adaptive, flow_cases, methods, moments, philox, raised, reference, shipped
from .inputs import START, noise
from .schedule import alphas_cumprod

GOLDENS = Path(__file__).resolve().parents[2] / "tests" / "goldens"
SHIPPED, RAISED = shipped.Shipped(), raised.Raised()
STEPS = (1, 2, 5, 10, 20)
SPACINGS = ("trailing", "leading", "linspace", "karras")
SD = {"num_train_timesteps": 1000, "beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
LINEAR = {"num_train_timesteps": 1000, "beta_start": 1e-4, "beta_end": 0.02, "beta_schedule": "linear"}
COSINE = LINEAR | {"beta_schedule": "squaredcos_cap_v2"}
PLAIN = {"prediction_type": "epsilon", "steps_offset": 0, "rescale_betas_zero_snr": False}
CONFIGS = {
    "sd": SD | PLAIN | {"steps_offset": 1, "set_alpha_to_one": False},
    "linear-v": LINEAR | PLAIN | {"prediction_type": "v_prediction"},
    "linear-sample-heun": LINEAR | PLAIN | {"prediction_type": "sample", "solver_type": "heun"},
    "sd-sigma-min": SD | PLAIN | {"final_sigmas_type": "sigma_min"},
    "sd-euler-at-final": SD | PLAIN | {"final_sigmas_type": "sigma_min", "euler_at_final": True},
    "sd-full-order": SD | PLAIN | {"final_sigmas_type": "sigma_min", "lower_order_final": False},
    "cosine-clipped": COSINE | PLAIN | {"lambda_min_clipped": -5.1},
    "cosine-v": COSINE | PLAIN | {"prediction_type": "v_prediction"},
    "zero-snr-v": SD | PLAIN | {"prediction_type": "v_prediction", "rescale_betas_zero_snr": True},
    "zero-snr-epsilon": SD | PLAIN | {"rescale_betas_zero_snr": True},
}


def case(name: str, solver: str, spacing: str, n: int, eta: float = 0.0) -> dict:
    config = CONFIGS[name]
    drawn = noise(n) if eta > 0 else None
    times, final = reference.sample(config, solver, spacing, n, START, eta, drawn)
    theirs = [shipped.sample(library, config, solver, spacing, n, START, eta, drawn) for library in (SHIPPED, RAISED)]
    assert all(np.array_equal(times, their_times) for their_times, _ in theirs), (name, solver, spacing, n)
    as_shipped, as_raised = (their_final for _, their_final in theirs)
    return {
        "config": name, "solver": solver, "options": {"eta": eta} if eta else {}, "spacing": spacing,
        "evaluations": n, "timesteps": times.tolist(), "final": final.tolist(),
        "shipped": np.round(as_shipped, 8).tolist(), "raised": as_raised.tolist(),
    }  # fmt: skip


def cases(solver: str):
    for name in CONFIGS:
        # How a multistep run ends depends on its length: short means fewer than 15.
        ends = "final_sigmas_type" in CONFIGS[name]
        if ends and solver == "ddim":
            continue
        for spacing in SPACINGS:
            # diffusers' DDIMScheduler divides by zero where an epsilon network is asked about pure noise.
            if solver == "ddim" and name == "zero-snr-epsilon" and spacing == "trailing":
                continue
            for n in (10, 14, 15, 20) if ends else STEPS:
                yield case(name, solver, spacing, n)
    if solver == "ddim":
        for eta in (0.5, 1.0):
            for spacing in ("trailing", "leading"):
                for n in STEPS:
                    yield case("sd", solver, spacing, n, eta)


def method_case(name: str, solver: str, options: dict, spacing: str, evaluations: int) -> dict:
    config, drawn = (CONFIGS | IN_RANGE)[name], noise(evaluations)
    times, stages, final = methods.sample(config, solver, spacing, evaluations, START, options, drawn)
    as_shipped, as_raised = (
        shipped.of_method(library, config, solver, spacing, evaluations, START, options, drawn) for library in (SHIPPED, RAISED)
    )
    if as_shipped is None and solver not in shipped.RAISED_ONLY:
        as_raised = None  # dividing zero by zero, where rounding leaves it more than zero
    return {
        "config": name, "solver": solver, "options": options, "spacing": spacing,
        "evaluations": evaluations, "timesteps": np.round(times, 10).tolist(), "final": final.tolist(),
        "shipped": None if as_shipped is None else np.round(as_shipped, 8).tolist(),
        "raised": None if as_raised is None else as_raised.tolist(),
    } | ({"stages": stages} if set(stages) != {1} else {})  # fmt: skip


def options_of(solver: str) -> list[dict]:
    """The corners of a method's options."""
    both = [{"solver_type": "midpoint"}, {"solver_type": "heun"}]
    noisy = [{"eta": 0.0}, {"eta": 0.4, "s_noise": 0.9}, {"eta": 1.0}]
    match solver:
        case "dpm-2m" | "dpm-2s" | "dpm-3s" | "dpmpp-2s" | "dpmpp-3s":
            return both
        case "dpmpp-2m-sde":
            return [{}] + [kind | noise for kind in both for noise in noisy]
        case "dpmpp-3m-sde" | "euler-a" | "dpm2-a" | "dpmpp-2s-a" | "dpmpp-sde":
            return [{}, *noisy]
        case "euler" | "heun" | "rhork-3" | "rhork-4":
            return [{}, {"s_churn": 3.0}, {"s_churn": 80.0, "s_tmin": 0.1, "s_tmax": 20.0, "s_noise": 1.01}]
        case "sa-solver":
            return [
                {"order": order} | rest
                for order in (1, 2, 3)
                for rest in ({}, {"eta": 0.0}, {"eta": 0.6, "s_noise": 0.9}, {"corrector": False}, {"lower_order_final": False})
            ]
        case "tcd":
            return [{}, {"eta": 0.0}, {"eta": 1.0, "s_noise": 0.8}]
        case "unipc":
            return [
                {"order": order, "solver_type": kind} | rest
                for order in (1, 2, 3)
                for kind in ("bh1", "bh2")
                for rest in ({}, {"corrector": False}, {"lower_order_final": False})
            ]
        case "deis":
            return [{"order": order} for order in (1, 2, 3)]
        case "deis-rhoab" | "deis-tab" | "lms" | "ipndm":
            return [{"order": order} for order in (1, 2, 3, 4)]
    return [{}]


def method_cases(solver: str):
    few, some, many = (13, 14, 19) if solver == "pndm" else (3, 10, 16)
    for index, options in enumerate(options_of(solver)):
        for evaluations in (few, some, many):
            yield method_case("sd", solver, options, "trailing", evaluations)
        yield method_case("linear-v", solver, options, "trailing", some)
        yield method_case("sd", solver, options, "karras", many)
        yield method_case("sd-sigma-min", solver, options, "linspace", many)
        if solver in ("sa-solver", "tcd"):  # diffusers ends these above a clean sample, always
            for evaluations in (few, some, many):
                yield method_case("sd-sigma-min", solver, options, "trailing", evaluations)
        if index == 0:
            for evaluations in (1, 2, 5, 21) if solver != "pndm" else (20, 22):
                yield method_case("sd", solver, options, "trailing", evaluations)
            yield method_case("sd", solver, options, "leading", many)
            yield method_case("sd", solver, options, "linspace", some)
            yield method_case("linear-sample-heun", solver, options, "trailing", some)
            yield method_case("sd-sigma-min", solver, options, "trailing", some)
            yield method_case("sd-sigma-min", solver, options, "karras", many)


def spacing_cases():
    """The spacings that diffusers lacks, or cuts to whole timesteps where they are fractional here."""
    for spacing in ("exponential", "beta", "simple", "normal", "sgm_uniform", "ddim_uniform"):
        for name in ("sd", "linear-v", "cosine-clipped", "cosine-v", "zero-snr-v", "sd-sigma-min"):
            for evaluations in (1, 2, 7, 10, 25):
                yield method_case(name, "dpmpp-2m-sde", {"eta": 0.0}, spacing, evaluations) | {"shipped": None, "raised": None}


IN_RANGE = {
    "sd-quantile": CONFIGS["sd"] | {"thresholding": True, "dynamic_thresholding_ratio": 0.8, "sample_max_value": 5.0},
    "v-up-to-1.1": CONFIGS["linear-v"] | {"thresholding": True, "dynamic_thresholding_ratio": 0.9, "sample_max_value": 1.1},
    "sample-clipped": CONFIGS["linear-sample-heun"]
    | {"thresholding": True, "dynamic_thresholding_ratio": 0.995, "sample_max_value": 1.0},
    "sigma-min-quantile": CONFIGS["sd-sigma-min"]
    | {"thresholding": True, "dynamic_thresholding_ratio": 0.35, "sample_max_value": 5.0},
}  # fmt: skip


def cases_in_range():
    """Estimates that dynamic thresholding keeps to the range of pixels."""
    for name in IN_RANGE:
        for solver in (*shipped.THRESHOLDING, "heun", "dpm2", "lms", "euler-a", "rhork-4", "deis-tab", "tcd", "dpmpp-3m-sde"):
            for evaluations in (4, 10):
                for spacing in ("trailing", "linspace"):
                    yield method_case(name, solver, {}, spacing, evaluations)


FAMILIES = {
    "dpm-multistep": ("dpmpp-3m", "dpm-2m", "dpm-3m"),
    "dpm-sde": ("dpmpp-2m-sde", "dpmpp-3m-sde"),
    "dpm-singlestep": ("dpm-2s", "dpm-3s", "dpmpp-2s", "dpmpp-3s", "dpm-fast"),
    "unipc": ("unipc",),
    "deis": ("deis", "deis-rhoab", "deis-tab", "lms"),
    "pndm": ("pndm", "s-pndm", "plms", "ipndm"),
    "runge-kutta": ("heun", "rhork-3", "rhork-4", "dpm2"),
    "ancestral": ("euler", "euler-a", "dpm2-a", "dpmpp-2s-a", "dpmpp-sde"),
    "sa-solver": ("sa-solver",),
    "consistency": ("lcm", "tcd", "consistency"),
}


def write(name: str, content: dict) -> None:
    made_by = {"command": "python -m training.goldens_solver", "diffusers": diffusers.__version__, "numpy": np.__version__}
    content = {"recipe": made_by} | content
    path = GOLDENS / name
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = ",\n".join(
        f'"{key}": '
        + ("[\n" + ",\n".join(json.dumps(row) for row in value) + "\n]" if isinstance(value, list) else json.dumps(value))
        for key, value in content.items()
    )
    path.write_text("{\n" + rows + "\n}\n")
    print(path, path.stat().st_size)


def main() -> None:
    for solver in ("ddim", "dpmpp-2m"):
        write(f"solver/{solver}.json", {"start": START.tolist(), "configs": CONFIGS, "cases": list(cases(solver))})
    for family, solvers in FAMILIES.items():
        rows = [row for solver in solvers for row in method_cases(solver)]
        write(f"solver/{family}.json", {"start": START.tolist(), "configs": CONFIGS, "cases": rows})
    write("solver/thresholding.json", {"start": START.tolist(), "configs": IN_RANGE, "cases": list(cases_in_range())})
    write("solver/spacings.json", {"start": START.tolist(), "configs": CONFIGS, "cases": list(spacing_cases())})
    others = {name: CONFIGS[name] for name in ("sd", "zero-snr-v")}
    rows = list(flow_cases.rows((SHIPPED, RAISED), others))
    write("solver/flow.json", {"start": START.tolist(), "configs": flow_cases.CONFIGS | others, "cases": rows})
    chosen = {name: CONFIGS[name] for name in ("sd", "linear-v", "cosine-v", "zero-snr-v")} | flow_cases.CONFIGS
    chosen.pop("flow-sigma-min")
    write("solver/adaptive.json", {"start": START.tolist(), "configs": chosen, "cases": list(adaptive.rows(chosen))})
    chosen = {"sd": CONFIGS["sd"]}
    drawn = {"samples": moments.COUNT, "data": moments.of_data(), "cases": list(moments.rows(chosen))}
    write("solver/moments.json", {"configs": chosen} | drawn)
    every = 37  # a prime: visits all residues
    tables = {name: alphas_cumprod(config) for name, config in CONFIGS.items()}
    rows = [{"config": name, "last": table[-1], "every_37th": table[::every].tolist()} for name, table in tables.items()]
    write("solver/schedule.json", {"configs": CONFIGS, "tables": rows})
    write("random/noise.json", philox.golden())


if __name__ == "__main__":
    main()
