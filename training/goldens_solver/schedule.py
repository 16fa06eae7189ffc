"""Noise schedules in float64, straight from the papers."""

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
