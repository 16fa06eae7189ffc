"""Which levels a run visits, and what the network is told there."""

import mpmath
import numpy as np

from .schedule import flow_s, is_flow, nonzero_rhos, rho_of_s, s_of, timesteps_from_rho, training_rhos

FROM_PURE_NOISE = ("flow-euler", "flow-heun")


def beta_quantile(probability: float) -> float:
    if probability in (0, 1):
        return probability
    f = lambda x: mpmath.betainc(0.6, 0.6, 0, x, regularized=True) - probability  # noqa: E731
    return float(mpmath.findroot(f, (1e-12, 1 - 1e-12), solver="anderson", tol=1e-28))


def grid(config: dict, solver: str, spacing: str, n: int) -> tuple[np.ndarray, np.ndarray]:
    """What the network is told at the n evaluations, and n + 1 values of rho (inf for pure noise, 0 for none)."""
    single = solver in ("ddim", "pndm") and spacing in ("leading", "trailing")
    rho = training_rhos(config) if single and solver == "ddim" else nonzero_rhos(config)
    t, rhos = levels(config, single, spacing, n, rho)
    ends_clean = config.get("set_alpha_to_one", True) if single else config.get("final_sigmas_type", "zero") == "zero"
    return told(config, solver, t, np.append(rhos, 0.0 if ends_clean else rho[0]))


def listed_sigmas(config: dict, solver: str, sigmas: list[float]) -> tuple[np.ndarray, np.ndarray]:
    """The same for a caller's levels: rho, or the s of flow matching."""
    rho = nonzero_rhos(config)
    rhos = np.minimum(rho_of_s(sigmas), rho[-1]) if is_flow(config) else np.array(sigmas)
    return told(config, solver, timesteps_from_rho(rhos[:-1], rho), rhos)


def listed_timesteps(config: dict, solver: str, inputs: list[float]) -> tuple[np.ndarray, np.ndarray]:
    """The same for what a caller's network shall be told."""
    rho, t = nonzero_rhos(config), np.array(inputs, dtype=float)
    if is_flow(config):
        rhos = np.minimum(rho_of_s(t / len(rho)), rho[-1])
    else:
        rhos = np.exp(np.interp(t, np.arange(len(rho)), np.log(rho)))
    ends_clean = config.get("final_sigmas_type", "zero") == "zero"
    return told(config, solver, t, np.append(rhos, 0.0 if ends_clean else rho[0]))


def told(config: dict, solver: str, t: np.ndarray, rhos: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """From training timesteps to what the network is told. Methods that can start at pure noise do."""
    if solver in FROM_PURE_NOISE and np.isinf(training_rhos(config)[-1]) and rhos[0] == nonzero_rhos(config)[-1]:
        rhos = np.append(np.inf, rhos[1:])
    if is_flow(config):
        t = config["num_train_timesteps"] * s_of(rhos[:-1])
    return t.astype(float), rhos


def levels(config: dict, single: bool, spacing: str, n: int, rho: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The training timesteps and rho of the evaluations."""
    total, flow = len(rho), is_flow(config)
    if spacing in ("karras", "exponential", "beta"):
        # What is spread is s for flow matching, from 1 on.
        noise = s_of(rho) if flow else rho
        most, least = 1.0 if flow else rho[-1], noise[0]
        ramp = np.linspace(0, 1, n)
        match spacing:
            case "karras":  # Karras et al. 2022, Eq. (5)
                spread = (most ** (1 / 7) + ramp * (least ** (1 / 7) - most ** (1 / 7))) ** 7
            case "exponential":
                spread = most * (least / most) ** ramp
            case "beta":  # quantiles of Beta(0.6, 0.6)
                spread = least + np.array([beta_quantile(1 - r) for r in ramp]) * (most - least)
        spread[np.isclose(spread, least, rtol=1e-9, atol=0)] = least  # a power's rounding is no step
        rhos = np.minimum(rho_of_s(spread), rho[-1]) if flow else spread
        t = timesteps_from_rho(rhos, rho)
        if spacing == "karras" and config.get("beta_schedule") != "squaredcos_cap_v2":
            t = np.rint(t)
        return t, rhos
    kept = total
    if config.get("lambda_min_clipped") is not None and not single:
        kept = int(np.sum(-np.log(rho) >= config["lambda_min_clipped"]))
    offset = config.get("steps_offset", 0)
    match spacing:
        case "leading" if single:
            t = np.arange(n) * (total // n) + offset
        case "leading":
            t = np.arange(1, n + 1) * (kept // (n + 1)) + offset
        case "trailing":
            t = np.rint(kept - np.arange(n)[::-1] * total / n) - 1
            t = t[t >= 0]
        case "linspace":
            t = np.rint(np.arange(1, n + 1) * (kept - 1) / n)
        case "simple":
            t = kept - 1 - np.floor(np.arange(n)[::-1] * (kept / n))
        case "ddim_uniform":
            t = 1 + np.arange(n) * (kept // n)
        case "normal" | "sgm_uniform":
            t = np.linspace(kept - 1, 0, n) if spacing == "normal" else np.linspace(kept - 1, 0, n + 1)[:-1]
            if flow:
                return t, np.minimum(rho_of_s(flow_s(config, t)), rho[-1])
            return t, np.exp(np.interp(t, np.arange(total), np.log(rho)))
    t = t[::-1].astype(int)
    return t.astype(float), rho[t]
