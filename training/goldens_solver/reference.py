"""Schedules and solvers in float64, straight from the papers: the oracle of the crate's planners.

Nothing here shares a formula's arrangement with the crate. The crate plans coefficients over (alpha, sigma); this works
on vectors, in the variance-exploding coordinates y = x / alpha, rho = sigma / alpha, where DDIM is Euler's method.
"""

import mpmath
import numpy as np

LEAST_ALPHA_CUMPROD = 2.0**-24  # diffusers' multistep solvers put this where a schedule ends in pure noise


def alphas_cumprod(config: dict) -> np.ndarray:
    n = config["num_train_timesteps"]
    match config["beta_schedule"]:
        case "linear":  # Ho et al. 2020
            betas = np.linspace(config["beta_start"], config["beta_end"], n)
        case "scaled_linear":  # Rombach et al. 2022
            betas = np.linspace(config["beta_start"] ** 0.5, config["beta_end"] ** 0.5, n) ** 2
        case "squaredcos_cap_v2":  # Nichol & Dhariwal 2021, Eq. (17)
            f = np.cos((np.arange(n + 1) / n + 0.008) / 1.008 * np.pi / 2) ** 2
            betas = np.minimum(1 - f[1:] / f[:-1], 0.999)
    table = np.exp(np.cumsum(np.log1p(-betas)))
    if config["rescale_betas_zero_snr"]:  # Lin et al. 2023, Algorithm 1
        root = np.sqrt(table)
        root = (root - root[-1]) * root[0] / (root[0] - root[-1])
        table = root**2
    return table


def rho_of(alpha_cumprod):
    return np.sqrt((1 - alpha_cumprod) / alpha_cumprod)


def timesteps_from_rho(rho: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Where on the table, by linear interpolation of the timestep over ln rho."""
    return np.interp(np.log(rho), np.log(rho_of(table)), np.arange(len(table)))


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


class Gaussian:
    """The exact network for data ~ N(mean, deviation²): it knows the timestep and its own table, nothing else."""

    mean = np.array([-0.8, 0.1, 1.3])
    deviation = 0.5

    def __init__(self, config: dict):
        self.prediction_type = config["prediction_type"]
        self.table = alphas_cumprod(config)

    def __call__(self, x: np.ndarray, t: float) -> np.ndarray:
        if t == int(t):
            alpha_cumprod = self.table[int(t)]
        else:
            table = np.where(self.table == 0, LEAST_ALPHA_CUMPROD, self.table)
            alpha_cumprod = 1 / (1 + np.exp(2 * np.interp(t, np.arange(len(table)), np.log(rho_of(table)))))
        alpha, sigma = np.sqrt(alpha_cumprod), np.sqrt(1 - alpha_cumprod)
        variance = self.deviation**2
        denoised = self.mean + alpha * variance / (alpha_cumprod * variance + 1 - alpha_cumprod) * (x - alpha * self.mean)
        epsilon = (x - alpha * denoised) / sigma
        match self.prediction_type:
            case "epsilon":
                return epsilon
            case "v_prediction":
                return alpha * epsilon - sigma * denoised
            case "sample":
                return denoised


def denoised_from(prediction_type: str, output: np.ndarray, x: np.ndarray, rho: float) -> np.ndarray:
    alpha, sigma = (0.0, 1.0) if np.isinf(rho) else (1 / np.sqrt(1 + rho**2), rho / np.sqrt(1 + rho**2))
    match prediction_type:
        case "epsilon":
            return x / alpha - rho * output
        case "v_prediction":
            return alpha * x - sigma * output
        case "sample":
            return output


def sample(config: dict, solver: str, spacing: str, n: int, x: np.ndarray, eta: float = 0.0, noise=None):
    """Timesteps and the final sample."""
    model = Gaussian(config)
    t, rhos = grid(config, solver, spacing, n)
    previous = None  # (rho, denoised) of the last evaluation
    for i in range(len(t)):
        rho, rho_next = rhos[i], rhos[i + 1]
        denoised = denoised_from(config["prediction_type"], model(x, t[i]), x, rho)
        alpha_next = 1 / np.sqrt(1 + rho_next**2)
        if solver == "ddim":  # Song et al. 2020, Eq. (12) with (16)
            if np.isinf(rho):
                epsilon, tau = x, eta * alpha_next * rho_next
            else:
                epsilon = (x * np.sqrt(1 + rho**2) - denoised) / rho
                jump = 1 - (1 + rho_next**2) / (1 + rho**2)
                tau = eta * alpha_next * rho_next / (rho / np.sqrt(1 + rho**2)) * np.sqrt(jump)
            x = alpha_next * denoised + np.sqrt(alpha_next**2 * rho_next**2 - tau**2) * epsilon
            if eta > 0:
                x = x + tau * noise[i]
        elif rho_next == rho:
            pass  # a step of no length
        else:  # Lu et al. 2022, section 4.1: d(y/rho) = denoised d(1/rho), denoised linear in lambda = -ln rho
            final = i + 1 == len(t)
            lower = config.get("euler_at_final", False) or (config.get("lower_order_final", True) and len(t) < 15)
            slope = np.zeros_like(x)
            h = np.inf if rho_next == 0 else np.log(rho / rho_next)
            if previous is not None and not (final and (lower or rho_next == 0)):
                slope = (denoised - previous[1]) / np.log(previous[0] / rho)
            y = x * np.sqrt(1 + rho**2)
            shrink = rho_next / rho
            # Integral of e^lambda (denoised + slope · (lambda - lambda_s)); the midpoint rule takes the slope's part at h / 2.
            if config.get("solver_type", "midpoint") == "heun":
                of_slope = 0.0 if np.isinf(h) else h - (1 - shrink)
            else:
                of_slope = 0.0 if np.isinf(h) else h / 2 * (1 - shrink)
            y = shrink * y + (1 - shrink) * denoised + of_slope * slope
            x = y * alpha_next
        previous = (rho, denoised)
    return t, x
