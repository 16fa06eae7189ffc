"""Which levels a run visits, and what the network is told there."""

import mpmath
import numpy as np

from .schedule import LEAST_ALPHA_CUMPROD, alphas_cumprod, rho_of, timesteps_from_rho


def beta_quantile(probability: float) -> float:
    if probability in (0, 1):
        return probability
    f = lambda x: mpmath.betainc(0.6, 0.6, 0, x, regularized=True) - probability  # noqa: E731
    return float(mpmath.findroot(f, (1e-12, 1 - 1e-12), solver="anderson", tol=1e-28))


def grid(config: dict, solver: str, spacing: str, n: int) -> tuple[np.ndarray, np.ndarray]:
    """The timesteps of the n evaluations, and n + 1 values of rho (inf for pure noise, 0 for none)."""
    total = config["num_train_timesteps"]
    table = alphas_cumprod(config)
    single = solver in ("ddim", "pndm") and spacing in ("leading", "trailing")
    if (not single or solver == "pndm") and table[-1] == 0:
        table[-1] = LEAST_ALPHA_CUMPROD
    with np.errstate(divide="ignore"):
        rho = rho_of(table)
    ends_clean = config.get("set_alpha_to_one", True) if single else config.get("final_sigmas_type", "zero") == "zero"
    last = 0.0 if ends_clean else rho[0]
    if spacing == "karras":  # Karras et al. 2022, Eq. (5)
        ramp = np.linspace(0, 1, n)
        rhos = (rho[-1] ** (1 / 7) + ramp * (rho[0] ** (1 / 7) - rho[-1] ** (1 / 7))) ** 7
        t = timesteps_from_rho(rhos, table)
        if config["beta_schedule"] != "squaredcos_cap_v2":
            t = np.rint(t)
        return t, np.append(rhos, last)
    if spacing in ("exponential", "beta"):
        ramp = np.linspace(0, 1, n)
        if spacing == "exponential":
            rhos = rho[-1] * (rho[0] / rho[-1]) ** ramp
        else:  # quantiles of Beta(0.6, 0.6)
            rhos = rho[0] + np.array([beta_quantile(1 - r) for r in ramp]) * (rho[-1] - rho[0])
        return timesteps_from_rho(rhos, table), np.append(rhos, last)
    kept = total
    if config.get("lambda_min_clipped") is not None and not single:
        kept = int(np.sum(-np.log(rho) >= config["lambda_min_clipped"]))
    offset = config["steps_offset"]
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
            return t, np.append(np.exp(np.interp(t, np.arange(total), np.log(rho))), last)
    t = t[::-1].astype(int)
    return t.astype(float), np.append(rho[t], last)
