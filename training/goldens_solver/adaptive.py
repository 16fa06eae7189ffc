"""DPM-Solver-12 and -23 in float64: Lu et al. 2022, appendix C, which choose their steps by an estimate of their error.

In the paper's terms: the variance-preserving x, lambda = ln(alpha / sigma) and estimates of the noise. What the paper
does not have is a budget: the most evaluations that a run may take.
"""

import numpy as np

from .inputs import START
from .network import Mixture
from .schedule import is_flow, nonzero_rhos, s_of, timesteps_from_rho

FIRST_STEP, SAFETY = 0.05, 0.9
BUDGETS = (1, 2, 3, 5, 8, 20, 60, 500)
TIGHTER = ({"atol": 1e-3, "rtol": 0.01}, {"atol": 1e-4, "rtol": 1e-3}, {"rtol": 0.5})


def alpha(lam: float) -> float:
    return 1 / np.sqrt(1 + np.exp(-2 * lam))


def sigma(lam: float) -> float:
    return 1 / np.sqrt(1 + np.exp(2 * lam))


class Network:
    """Estimates of the noise, and when they were asked for."""

    def __init__(self, config: dict):
        self.model, self.flow = Mixture(config), is_flow(config)
        self.rhos = nonzero_rhos(config)
        self.times: list[float] = []

    def __call__(self, x: np.ndarray, lam: float) -> np.ndarray:
        rho = np.exp(-lam)
        t = len(self.rhos) * s_of(rho) if self.flow else timesteps_from_rho(rho, self.rhos)
        self.times.append(float(t))
        return (x - alpha(lam) * self.model.estimate(x, rho, float(t))) / sigma(lam)


def first(x, e, s, t):
    """DPM-Solver-1, which is DDIM."""
    return alpha(t) / alpha(s) * x - sigma(t) * np.expm1(t - s) * e


def second(x, e, e_1, s, t, r_1):
    """DPM-Solver-2, with the estimate e_1 at r_1 of the step."""
    return first(x, e, s, t) - sigma(t) * np.expm1(t - s) / (2 * r_1) * (e_1 - e)


def third(net: Network, x, e, e_1, s, t):
    """DPM-Solver-3, with e_1 at a third of the step."""
    h, r_1, r_2 = t - s, 1 / 3, 2 / 3
    middle = s + r_2 * h
    bend = sigma(middle) * r_2 / r_1 * (np.expm1(r_2 * h) / (r_2 * h) - 1)
    e_2 = net(first(x, e, s, middle) - bend * (e_1 - e), middle)
    return first(x, e, s, t) - sigma(t) / r_2 * (np.expm1(h) / h - 1) * (e_2 - e)


def between(net: Network, x, e, s, t, r_1):
    """The estimate at r_1 of the step."""
    middle = s + r_1 * (t - s)
    return net(first(x, e, s, middle), middle)


def pair(net: Network, order: int, x, e, s, t):
    """The samples at t of the order below, and of the order."""
    if order == 2:
        return first(x, e, s, t), second(x, e, between(net, x, e, s, t, 1 / 2), s, t, 1 / 2)
    e_1 = between(net, x, e, s, t, 1 / 3)
    return second(x, e, e_1, s, t, 1 / 3), third(net, x, e, e_1, s, t)


def sample(config: dict, order: int, evaluations: int, x: np.ndarray, atol: float = 0.0078, rtol: float = 0.05):
    """The run's evaluations, whether each of its attempts was accepted, and its final sample, at timestep 0's level.

    Where an attempt would leave nothing of the budget, DDIM goes the rest of the way. It counts as accepted.
    """
    net = Network(config)
    s, end = -np.log(net.rhos[-1]), -np.log(net.rhos[0])
    accepted: list[bool] = []
    before, e, h = x, None, min(FIRST_STEP, end - s)
    while s < end:
        left = evaluations - len(net.times)
        kept = e is not None  # of the attempt before, which was rejected
        e = e if kept else net(x, s)
        if left - (order - kept) < 1:
            accepted.append(True)
            return net.times, accepted, first(x, e, s, end)
        t = end if h == end - s else s + h
        lower, higher = pair(net, order, x, e, s, t)
        delta = np.maximum(atol, rtol * np.maximum(np.abs(lower), np.abs(before)))
        error = np.sqrt(np.mean(((higher - lower) / delta) ** 2))
        accepted.append(bool(error <= 1))
        if accepted[-1]:
            x, before, s, e = higher, lower, t, None
        h = min(SAFETY * h * max(error, 1e-12) ** (-1 / order), end - s)
    return net.times, accepted, x


def rows(configs: dict):
    for name, config in configs.items():
        for order in (2, 3):
            for options in ({}, *TIGHTER):
                for evaluations in (500,) if options else BUDGETS:
                    times, accepted, final = sample(config, order, evaluations, START, **options)
                    yield {
                        "config": name, "options": {"order": order, **options}, "evaluations": evaluations,
                        "used": len(times), "accepted": accepted, "timesteps": np.round(times, 10).tolist(),
                        "final": final.tolist(),
                    }  # fmt: skip
