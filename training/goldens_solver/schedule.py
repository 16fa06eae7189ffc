"""Noise schedules in float64, straight from the papers."""

import numpy as np

# diffusers' multistep solvers put this where a schedule ends in pure noise.
LEAST_ALPHA_CUMPROD = 2.0**-24


def is_flow(config: dict) -> bool:
    return config.get("_class_name", "").startswith("FlowMatch") or config.get("prediction_type") == "flow_prediction"


def flow_s(config: dict, t):
    """Of flow matching: Esser et al. 2024, Eq. (23). Training timestep 0 is one N-th of the way to pure noise."""
    u = (np.asarray(t) + 1) / config["num_train_timesteps"]
    shift = config.get("shift", config.get("flow_shift", 1.0))
    return shift * u / (1 + (shift - 1) * u)


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


def s_of(rho):
    """The s of flow matching: X = (1 - s) x_0 + s epsilon = y / (1 + rho)."""
    rho = np.asarray(rho, dtype=float)
    return np.where(np.isinf(rho), 1.0, rho / (1 + np.where(np.isinf(rho), 0.0, rho)))


def rho_of_s(s):
    with np.errstate(divide="ignore"):
        return s / (1 - np.asarray(s, dtype=float))


def training_rhos(config: dict) -> np.ndarray:
    """rho of every training timestep; the last may be infinite."""
    if is_flow(config):
        return rho_of_s(flow_s(config, np.arange(config["num_train_timesteps"])))
    with np.errstate(divide="ignore"):
        return rho_of(alphas_cumprod(config))


def nonzero_rhos(config: dict) -> np.ndarray:
    """The same with a little signal where there is none."""
    rho = training_rhos(config)
    return np.where(np.isinf(rho), rho_of(LEAST_ALPHA_CUMPROD), rho)


def timesteps_from_rho(rho: np.ndarray, training: np.ndarray) -> np.ndarray:
    """Where among the training timesteps, by linear interpolation of the timestep over ln rho."""
    return np.interp(np.log(rho), np.log(training), np.arange(len(training)))
