"""Every method beyond DDIM and DPM-Solver++(2M) in float64, from its paper.

As in reference.py everything is in y = x / alpha and rho = sigma / alpha; the weights of polynomials are numerical
integrals, where the crate has closed forms. `lam` is lambda = -ln rho.
"""

import numpy as np

from .grid import grid
from .network import Mixture
from .schedule import is_flow, nonzero_rhos, s_of, timesteps_from_rho

NODES, WEIGHTS = np.polynomial.legendre.leggauss(40)


def integral(f, a: float, b: float) -> float:
    return (b - a) / 2 * float(np.sum(WEIGHTS * f((a + b) / 2 + (b - a) / 2 * NODES)))


def lagrange(nodes: list[float], j: int):
    others = [node for k, node in enumerate(nodes) if k != j]
    return lambda u: np.prod([(u - node) / (nodes[j] - node) for node in others], axis=0) * np.ones_like(u)


class Run:
    """A run under way: evaluates the network, and remembers when and how often."""

    def __init__(self, config: dict, noise: np.ndarray):
        self.config, self.noise = config, noise
        self.rhos = nonzero_rhos(config)
        self.model = Mixture(config)
        self.times: list[float] = []
        self.stages: list[int] = []

    def time_of(self, rho: float) -> float:
        """What the network is told."""
        if is_flow(self.config):
            return float(len(self.rhos) * s_of(rho))
        return float(timesteps_from_rho(np.array(rho), self.rhos))

    def evaluate(self, y: np.ndarray, rho: float, t: float | None = None) -> tuple[np.ndarray, np.ndarray]:
        """The estimates of the clean sample and of the noise."""
        t = self.time_of(rho) if t is None else t
        self.times.append(float(t))
        x = y / np.sqrt(1 + rho**2)
        denoised = self.model.estimate(x, rho, t)
        return denoised, (y - denoised) / rho

    def drawn(self) -> np.ndarray:
        """The noise of the evaluation just done."""
        return self.noise[len(self.times) - 1]


def budget(evaluations: int, per_step: int, clean: bool) -> list[int]:
    """Whole steps, then what remains, then one evaluation for a step to a clean sample."""
    stages, left = [], evaluations - (1 if clean else 0)
    while left > 0:
        stages.append(min(per_step, left))
        left -= stages[-1]
    return stages + ([1] if clean else [])


def dpm_multistep(run: Run, t, rhos, y, o):
    """Lu et al. 2022: polynomials in lambda of epsilon (plain) or of the denoised sample (++)."""
    data, order, eta = o["data"], o["order"], o.get("eta", 0.0)
    short = run.config.get("lower_order_final", True) and len(t) < 15
    known: list[tuple[float, np.ndarray]] = []
    for i in range(len(t)):
        run.stages.append(1)
        rho, to = rhos[i], rhos[i + 1]
        denoised, epsilon = run.evaluate(y, rho, t[i])
        known.insert(0, (-np.log(rho), denoised if data else epsilon))
        p = min(order, i + 1)
        if i == len(t) - 1 and (short or to in (0, rho) or run.config.get("euler_at_final", False)):
            p = 1
        elif i == len(t) - 2 and short:
            p = min(p, 2)
        if to == rho:
            continue
        if to == 0:
            y = denoised if data else y - rho * epsilon
            continue
        lam, end = -np.log(rho), -np.log(to)
        if data:  # d(y rho^-(1 + eta)) has denoised times this; the rest of the noise is drawn anew
            kernel = lambda u: (1 + eta) * to ** (1 + eta) * np.exp((1 + eta) * u)  # noqa: E731
            y_0 = (to / rho) ** (1 + eta) * y
        else:
            kernel = lambda u: -np.exp(-u)  # noqa: E731
            y_0 = y
        moment = [integral(lambda u, k=k: kernel(u) * (u - lam) ** k, lam, end) for k in range(3)]
        change = moment[0] * known[0][1]
        if p == 2:
            slope = (known[0][1] - known[1][1]) / (known[0][0] - known[1][0])
            half = moment[0] * (end - lam) / 2
            change = change + (moment[1] if o.get("solver_type") == "heun" else half) * slope
        elif p == 3:
            (l0, m0), (l1, m1), (l2, m2) = known[:3]
            first, second = (m0 - m1) / (l0 - l1), (m1 - m2) / (l1 - l2)
            curvature = (first - second) / (l0 - l2)  # the divided difference, half of the second derivative
            change = change + moment[1] * (first + (l0 - l1) * curvature)
            change = change + moment[2] / 2 * curvature  # the authors' code: half of what the polynomial has
        y = y_0 + change
        if eta > 0:
            y = y + o.get("s_noise", 1.0) * to * np.sqrt(1 - (to / rho) ** (2 * eta)) * run.drawn()
    return y


def singlestep_update(data: bool, heun: bool, y, lams, values, end: float):
    """From the first of the values, at lams[0], to lambda = end."""
    lam = lams[0]
    h = end - lam
    if np.isinf(h):
        return values[0] if data else y - np.exp(-lam) * values[0]
    kernel = (lambda u: np.exp(u - end)) if data else (lambda u: -np.exp(-u))
    moment = [integral(lambda u, k=k: kernel(u) * (u - lam) ** k, lam, end) for k in range(3)]
    y_0 = np.exp(lam - end) * y if data else y
    slopes = [(value - values[0]) / (at - lam) for at, value in zip(lams[1:], values[1:], strict=True)]
    change = moment[0] * values[0]
    if len(slopes) == 1:
        change = change + (moment[1] if heun else moment[0] * h / 2) * slopes[0]
    if len(slopes) == 2 and not heun:
        change = change + moment[1] * slopes[1]
    elif len(slopes) == 2:
        a, b = lams[1] - lam, lams[2] - lam  # the polynomial through all three
        curvature = (slopes[1] - slopes[0]) / (b - a)
        change = change + moment[1] * (slopes[0] - a * curvature) + moment[2] * curvature
    return y_0 + change


def dpm_singlestep(run: Run, t, rhos, y, o):
    """Lu et al. 2022, Algorithms 1 and 2, over the levels of the grid."""
    run.stages = budget(len(t), o["order"], rhos[-1] == 0)
    with np.errstate(divide="ignore"):
        lams = -np.log(rhos)
    heun = o.get("solver_type") == "heun"
    first = 0
    for stages in run.stages:
        start, values = y, []
        for k in range(first, first + stages):
            denoised, epsilon = run.evaluate(y, rhos[k], t[k])
            values.append(denoised if o["data"] else epsilon)
            if lams[k + 1] != lams[first]:
                y = singlestep_update(o["data"], heun, start, lams[first : k + 1], values, lams[k + 1])
        first += stages
    return y


def dpm_fast(run: Run, evaluations: int, y):
    """DPM-Solver-fast: Lu et al. 2022, section 3.4, with the paper's levels, in x."""
    whole, rest = divmod(evaluations, 3)
    run.stages = [3] * (whole - 1) + [2, 1] if rest == 0 else [3] * whole + [rest]
    lams = np.linspace(*(-np.log(run.rhos[[-1, 0]])), len(run.stages) + 1)
    alpha = lambda lam: 1 / np.sqrt(1 + np.exp(-2 * lam))  # noqa: E731
    sigma = lambda lam: alpha(lam) * np.exp(-lam)  # noqa: E731
    net = lambda x, lam: run.evaluate(x / alpha(lam), np.exp(-lam))[1]  # noqa: E731
    x = y * alpha(lams[0])
    for order, s, end in zip(run.stages, lams[:-1], lams[1:], strict=True):
        h = end - s
        e = net(x, s)
        ddim = lambda r, x=x, s=s, h=h, e=e: (  # noqa: E731
            alpha(s + r * h) / alpha(s) * x - sigma(s + r * h) * np.expm1(r * h) * e
        )
        if order == 1:
            x = ddim(1)
        elif order == 2:
            e_1 = net(ddim(0.5), s + h / 2)
            x = ddim(1) - sigma(end) * np.expm1(h) * (e_1 - e)
        else:
            r_1, r_2 = 1 / 3, 2 / 3
            e_1 = net(ddim(r_1), s + r_1 * h)
            correction = sigma(s + r_2 * h) * r_2 / r_1 * (np.expm1(r_2 * h) / (r_2 * h) - 1) * (e_1 - e)
            e_2 = net(ddim(r_2) - correction, s + r_2 * h)
            x = ddim(1) - sigma(end) / r_2 * (np.expm1(h) / h - 1) * (e_2 - e)
    return x / alpha(lams[-1])


def unipc(run: Run, t, rhos, y, o):
    """Zhao et al. 2023, Algorithms 1 and 2, B(h) with denoised samples."""
    order, bh1, corrects = o.get("order", 2), o.get("solver_type") == "bh1", o.get("corrector", True)
    lower = run.config.get("lower_order_final", True)
    n = len(t)

    def advance(y, i, to, others):
        """From level i to rho = to, with values at others = [(rho, value)]; values[i] is m_0."""
        rho, m_0 = rhos[i], values[i]
        if to == 0:
            return m_0
        h = np.log(rho / to)
        base = to / rho * y + (1 - to / rho) * m_0
        if not others:
            return base
        z = -h
        big_b = z if bh1 else np.expm1(z)
        r = np.array([np.log(rho / other) / h for other, _ in others])
        k = len(others)
        if k == 1:
            weights = [0.5]
        else:
            matrix = np.array([r**j for j in range(k)])
            right = [z * integral(lambda u, j=j: np.exp((1 - u) * z) * u**j, 0, 1) / big_b for j in range(1, k + 1)]
            # b_j = j! z phi_(j+1)(z) / B and phi_(j+1)(z) is the integral of e^((1 - u) z) u^j / j!
            weights = np.linalg.solve(matrix, right)
        for (_, value), r_k, weight in zip(others, r, weights, strict=True):
            base = base - big_b * weight * (value - m_0) / r_k
        return base

    values: list[np.ndarray] = []
    before = None  # the corrected sample one level before, and the order of the step from there
    for i in range(n):
        run.stages.append(1)
        values.append(run.evaluate(y, rhos[i], t[i])[0])
        if corrects and before is not None:
            start, p = before
            others = [(rhos[i - k], values[i - k]) for k in range(2, p + 1)] + [(rhos[i], values[i])]
            y = advance(start, i - 1, rhos[i], others)
        p = min(order, n - i) if lower else order
        if i == n - 1 and rhos[-1] in (0, rhos[i]):
            p = 1
        p = min(p, i + 1)
        before = (y, p)
        if rhos[i + 1] != rhos[i]:
            y = advance(y, i, rhos[i + 1], [(rhos[i - k], values[i - k]) for k in range(1, p)])
    return y


def deis(run: Run, t, rhos, y, o):
    """Zhang & Chen 2022: the Lagrange polynomial of epsilon in ln rho, rho or the timestep, integrated over rho."""
    variable, order = o["variable"], o.get("order", 4 if o["variable"] == "lms" else 3)
    short = run.config.get("lower_order_final", True) and len(t) < 15
    table = np.log(run.rhos)
    known: list[np.ndarray] = []
    for i in range(len(t)):
        run.stages.append(1)
        rho, to = rhos[i], rhos[i + 1]
        known.insert(0, run.evaluate(y, rho, t[i])[1])
        p = min(order, i + 1)
        if variable == "logrho":
            if i == len(t) - 1 and (short or to in (0, rho)):
                p = 1
            elif i == len(t) - 2 and short:
                p = min(p, 2)
        past = [rhos[i - k] for k in range(p)]
        match variable:
            case "logrho":
                nodes = [np.log(r) for r in past]
            case "tab":
                nodes = [run.time_of(r) for r in past]
            case _:
                nodes = past
        for j in range(p):
            basis = lagrange(nodes, j)
            if variable in ("rhoab", "lms"):
                weight = integral(basis, rho, to)
            elif p == 1:
                weight = to - rho
            elif variable == "logrho":
                weight = integral(lambda u, basis=basis: basis(u) * np.exp(u), np.log(rho), np.log(to))
            else:  # a smooth piece between every two training timesteps, and a flat one below the first
                low = max(to, np.exp(table[0]))
                cuts = [np.log(rho), *[u for u in table[::-1] if np.log(low) < u < np.log(rho)], np.log(low)]
                f = lambda u, basis=basis: basis(np.interp(u, table, np.arange(len(table)))) * np.exp(u)  # noqa: E731
                weight = sum(integral(f, a, b) for a, b in zip(cuts[:-1], cuts[1:], strict=True))
                weight += float(basis(np.array(0.0))) * (to - low)
            y = y + weight * known[j]
    return y


def pndm(run: Run, t, rhos, y, o):
    """Liu et al. 2022, Eqs. (9) to (14), with the paper's transfer in x and alphas_cumprod."""
    start, order = o["start"], o.get("order", o["most"])

    def transfer(x, e, rho, to):  # Eq. (9)
        a, b = 1 / (1 + rho**2), 1 / (1 + to**2)
        denominator = np.sqrt(a) * (np.sqrt((1 - b) * a) + np.sqrt((1 - a) * b))
        return x + (b - a) * (x / (np.sqrt(a) * (np.sqrt(a) + np.sqrt(b))) - e / denominator)

    def net(x, rho, t):
        return run.evaluate(x * np.sqrt(1 + rho**2), rho, t)[1]

    def rho_at(t):
        return float(np.exp(np.interp(t, np.arange(len(run.rhos)), np.log(run.rhos))))

    x = y / np.sqrt(1 + rhos[0] ** 2)
    past: list[np.ndarray] = []
    for i in range(len(t)):
        rho, to = rhos[i], rhos[i + 1]
        e = net(x, rho, t[i])
        past.insert(0, e)
        if start == "rk" and i < 3:
            run.stages.append(4)
            middle_t = (run.time_of(rho) + run.time_of(to)) / 2
            middle = rho_at(middle_t)
            e_2 = net(transfer(x, e, rho, middle), middle, middle_t)
            e_3 = net(transfer(x, e_2, rho, middle), middle, middle_t)
            e_4 = net(transfer(x, e_3, rho, to), to, t[i + 1])
            e = (e + 2 * e_2 + 2 * e_3 + e_4) / 6
        elif start == "improved-euler" and i == 0 and o["evaluations"] > 2:
            run.stages.append(2)
            e = (e + net(transfer(x, e, rho, to), to, t[i + 1])) / 2
        else:
            run.stages.append(1)
            k = min(order, i + 1)
            weights = {1: [1], 2: [3, -1], 3: [23, -16, 5], 4: [55, -59, 37, -9]}[k]
            e = sum(w * v for w, v in zip(weights, past, strict=False)) / sum(weights)
        x = transfer(x, e, rho, to)
    return x * np.sqrt(1 + rhos[-1] ** 2)


def runge_kutta(run: Run, t, rhos, y, o):
    """dy/drho = epsilon by explicit methods; the last step to a clean sample is Euler's. Karras et al., Algorithm 2."""
    for i, stages in enumerate(run.stages):
        rho, to, at_start = rhos[i], rhos[i + 1], t[i]
        if i > 0 and o.get("s_churn", 0.0) > 0 and o.get("s_tmin", 0.0) <= rho <= o.get("s_tmax", np.inf):
            rho_hat = rho + min(o["s_churn"] / len(run.stages), np.sqrt(2) - 1) * rho
            y = y + np.sqrt(rho_hat**2 - rho**2) * o.get("s_noise", 1.0) * run.drawn()
            rho, at_start = rho_hat, None
        h = to - rho
        at_end = t[i + 1] if i + 1 < len(t) else None
        k_1 = run.evaluate(y, rho, at_start)[1]
        if stages == 1:
            y = y + h * k_1
        elif stages == 2:
            y = y + h / 2 * (k_1 + run.evaluate(y + h * k_1, to, at_end)[1])
        elif stages == 3:
            k_2 = run.evaluate(y + h / 2 * k_1, rho + h / 2)[1]
            k_3 = run.evaluate(y - h * k_1 + 2 * h * k_2, to, at_end)[1]
            y = y + h / 6 * (k_1 + 4 * k_2 + k_3)
        else:
            k_2 = run.evaluate(y + h / 2 * k_1, rho + h / 2)[1]
            k_3 = run.evaluate(y + h / 2 * k_2, rho + h / 2)[1]
            k_4 = run.evaluate(y + h * k_3, to, at_end)[1]
            y = y + h / 6 * (k_1 + 2 * k_2 + 2 * k_3 + k_4)
    return y


def along_lines(run: Run, t, s, x):
    """Lipman et al. 2022, Liu et al. 2022: dX/ds = epsilon - x_0 for X = (1 - s) x_0 + s epsilon, by Euler and Heun.

    Starts and ends at the variance-preserving x.
    """
    size = np.hypot(s, 1 - s)

    def velocity(flowing, i):
        rho = np.inf if s[i] == 1 else s[i] / (1 - s[i])
        run.times.append(float(t[i]) if i < len(t) else run.time_of(rho))
        denoised = run.model.estimate(flowing / size[i], rho, run.times[-1])
        return (flowing - denoised) / s[i]

    flowing = x * size[0]
    for i, stages in enumerate(run.stages):
        h = s[i + 1] - s[i]
        slope = velocity(flowing, i)
        if stages == 2:
            slope = (slope + velocity(flowing + h * slope, i + 1)) / 2
        flowing = flowing + h * slope
    return flowing / size[-1]


def ancestral(run: Run, t, rhos, y, o):
    """k-diffusion: Euler, DPM2 and DPM-Solver++(2S) down to a lower level, then noise up to the next one.

    DPM-Solver++ SDE does so to its middle too.
    """
    eta, s_noise = o.get("eta", o["default_eta"]), o.get("s_noise", 1.0)

    def split(rho, to):
        """Where to go down to, and the deviation of the noise that leads up from there."""
        up = min(to, eta * np.sqrt(to**2 * (rho**2 - to**2) / rho**2))
        return np.sqrt(to**2 - up**2), up

    for i, stages in enumerate(run.stages):
        rho, to = rhos[i], rhos[i + 1]
        down, up = split(rho, to)
        denoised, epsilon = run.evaluate(y, rho, t[i])
        if stages == 1:
            y = denoised + down / rho * (y - denoised)
        elif o["kind"] == "dpmpp-sde":
            middle = np.sqrt(rho * to)
            below, above = split(rho, middle)
            half = below / rho * y + (1 - below / rho) * denoised + s_noise * above * run.drawn()
            y = down / rho * y + (1 - down / rho) * run.evaluate(half, middle)[0]
        else:
            middle = np.exp((np.log(rho) + np.log(down)) / 2)
            if o["kind"] == "dpm2":
                y = y + (down - rho) * run.evaluate(y + (middle - rho) * epsilon, middle)[1]
            else:
                half = middle / rho * y + (1 - middle / rho) * denoised
                y = down / rho * y + (1 - down / rho) * run.evaluate(half, middle)[0]
        if up > 0:
            y = y + s_noise * up * run.drawn()
    return y


def sa_solver(run: Run, t, rhos, y, o):
    """Xue et al. 2023: the polynomial through the denoised samples, in a reverse process with noise of rate tau."""
    order, eta, n = o.get("order", 2), o.get("eta", 1.0), len(t)
    lowers = run.config.get("lower_order_final", True)
    known: list[tuple[float, np.ndarray]] = []  # (lambda, denoised), the newest first
    before = None  # of the last step: what the corrector repeats

    def step(y, noise, tau, lam, end, nodes):
        rate = 1 + tau**2
        if np.isinf(end):
            return nodes[0][1]
        kernel = lambda u: rate * np.exp(rate * (u - end)) * np.exp(end - u)  # noqa: E731
        # In y = x / alpha: d(y e^(rate lambda)) has rate e^(rate lambda) denoised.
        whole = integral(lambda u: kernel(u) * np.exp(u - end), lam, end)
        at_lam = next(value for at, value in nodes if at == lam) if len(nodes) != 1 else nodes[0][1]
        if len(nodes) <= 2:
            change = whole * at_lam
            if len(nodes) == 2:  # the authors' second order: the slope as if the kernel were 1
                slope = (nodes[0][1] - nodes[1][1]) / (nodes[0][0] - nodes[1][0])
                change = change + rate * (end - lam) ** 2 / 2 * slope
        else:
            at = [node for node, _ in nodes]
            weights = [
                integral(lambda u, j=j: kernel(u) * np.exp(u - end) * lagrange(at, j)(u), lam, end) for j in range(len(nodes))
            ]
            change = sum(weight * value for weight, (_, value) in zip(weights, nodes, strict=True))
        spread = np.exp(-end) * np.sqrt(1 - np.exp(-2 * tau**2 * (end - lam)))
        return np.exp(-rate * (end - lam)) * y + change + spread * noise

    for i in range(n):
        run.stages.append(1)
        lam = -np.log(rhos[i])
        denoised = run.evaluate(y, rhos[i], t[i])[0]
        if before is not None and o.get("corrector", True):
            y_before, noise, tau, lam_before, count = before
            y = step(y_before, noise, tau, lam_before, lam, [(lam, denoised), *known][:count])
        known.insert(0, (lam, denoised))
        left = n - i if lowers else np.inf
        end = np.inf if rhos[i + 1] == 0 else -np.log(rhos[i + 1])
        count = 1 if np.isinf(end) else min(order, left, i + 1)
        tau = eta if 0.2 <= t[i] / len(run.rhos) <= 0.8 else 0.0
        noise = o.get("s_noise", 1.0) * run.drawn()
        before = (y, noise, tau, lam, int(min(order, left + 1, i + 2)))
        y = step(y, noise, tau, lam, end, known[:count]) if end != lam else y
    return y


def distilled(run: Run, t, rhos, y, o):
    """To the clean sample and back up with fresh noise: Song et al. 2023; Luo et al. 2023; Zheng et al. 2024."""
    for i in range(len(t)):
        run.stages.append(1)
        denoised, epsilon = run.evaluate(y, rhos[i], t[i])
        noise, to, last = o.get("s_noise", 1.0) * run.drawn(), rhos[i + 1], i + 1 == len(t)
        if o["kind"] == "consistency":
            y = denoised + np.sqrt(max(to**2 - run.rhos[0] ** 2, 0)) * noise
        elif o["kind"] == "lcm":
            s = 10 * t[i]
            x = y / np.sqrt(1 + rhos[i] ** 2)
            y = 0.5**2 / (s**2 + 0.5**2) * x + s / np.sqrt(s**2 + 0.5**2) * denoised + to * noise
        else:
            eta = o.get("eta", 0.3)
            below = to if last or eta == 0 else min(to, run.rhos[int(np.floor((1 - eta) * t[i + 1]))])
            y = denoised + below * epsilon + np.sqrt((to - below) * (to + below)) * noise
    return y


# name -> (method, evaluations a step, what the method is told)
METHODS = {
    "dpmpp-3m": (dpm_multistep, 1, {"data": True, "order": 3}),
    "dpm-2m": (dpm_multistep, 1, {"data": False, "order": 2}),
    "dpm-3m": (dpm_multistep, 1, {"data": False, "order": 3}),
    "dpmpp-2m-sde": (dpm_multistep, 1, {"data": True, "order": 2, "eta": 1.0}),
    "dpmpp-3m-sde": (dpm_multistep, 1, {"data": True, "order": 3, "eta": 1.0}),
    "dpm-2s": (dpm_singlestep, 1, {"data": False, "order": 2}),
    "dpm-3s": (dpm_singlestep, 1, {"data": False, "order": 3}),
    "dpmpp-2s": (dpm_singlestep, 1, {"data": True, "order": 2}),
    "dpmpp-3s": (dpm_singlestep, 1, {"data": True, "order": 3}),
    "dpm-fast": (dpm_fast, 1, {}),
    "unipc": (unipc, 1, {}),
    "deis": (deis, 1, {"variable": "logrho"}),
    "deis-rhoab": (deis, 1, {"variable": "rhoab"}),
    "deis-tab": (deis, 1, {"variable": "tab"}),
    "lms": (deis, 1, {"variable": "lms"}),
    "pndm": (pndm, 1, {"start": "rk", "most": 4}),
    "s-pndm": (pndm, 1, {"start": "improved-euler", "most": 2}),
    "plms": (pndm, 1, {"start": "improved-euler", "most": 4}),
    "ipndm": (pndm, 1, {"start": "plain", "most": 4}),
    "heun": (runge_kutta, 2, {}),
    "rhork-3": (runge_kutta, 3, {}),
    "rhork-4": (runge_kutta, 4, {}),
    "euler": (runge_kutta, 1, {}),
    "euler-a": (ancestral, 1, {"kind": "euler", "default_eta": 1.0}),
    "dpm2": (ancestral, 2, {"kind": "dpm2", "default_eta": 0.0}),
    "dpm2-a": (ancestral, 2, {"kind": "dpm2", "default_eta": 1.0}),
    "dpmpp-2s-a": (ancestral, 2, {"kind": "dpmpp-2s", "default_eta": 1.0}),
    "dpmpp-sde": (ancestral, 2, {"kind": "dpmpp-sde", "default_eta": 1.0}),
    "flow-euler": (along_lines, 1, {}),
    "flow-heun": (along_lines, 2, {}),
    "sa-solver": (sa_solver, 1, {}),
    "lcm": (distilled, 1, {"kind": "lcm"}),
    "tcd": (distilled, 1, {"kind": "tcd"}),
    "consistency": (distilled, 1, {"kind": "consistency"}),
}


def levels(config: dict, solver: str, spacing: str, evaluations: int) -> tuple[np.ndarray, np.ndarray, list[int]]:
    """The grid of the solver's steps, and the evaluations of each (filled in by methods of one evaluation)."""
    method, per_step, told = METHODS[solver]
    stages = budget(evaluations, per_step, ends_clean(config)) if counts_steps(method, per_step) else []
    count = len(stages) or evaluations
    if method is pndm:
        count = evaluations - {"rk": 9, "improved-euler": int(evaluations > 2), "plain": 0}[told["start"]]
    t, rhos = grid(config, "pndm" if method is pndm else solver, spacing, count)
    if method is distilled and told["kind"] != "consistency" and spacing == "trailing" and count <= 50:
        table = nonzero_rhos(config)
        learned = np.arange(50, 0, -1) * (len(table) // 50) - 1  # the timesteps of the distillation
        t = learned[[i * 50 // count for i in range(count)]].astype(float)
        rhos = np.append(table[t.astype(int)], rhos[-1])
    return t, rhos, stages


def ends_clean(config: dict) -> bool:
    return config.get("final_sigmas_type", "zero") == "zero"


def counts_steps(method, per_step: int) -> bool:
    return per_step > 1 or method in (runge_kutta, ancestral, along_lines)


def whole_steps(solver: str, t: np.ndarray, rhos: np.ndarray) -> tuple[list[int], int]:
    """Evaluations of each step, and of all, where a caller lists the levels."""
    method, per_step, _ = METHODS[solver]
    last = 1 if rhos[-1] == 0 else per_step
    stages = [per_step] * (len(t) - 1) + [last]
    return (stages if counts_steps(method, per_step) else []), sum(stages)


def sample(config: dict, solver: str, spacing: str, evaluations: int, x: np.ndarray, options: dict, noise: np.ndarray):
    """Timesteps and stages of the run, and its final sample."""
    config = with_options(config, options)
    if METHODS[solver][0] is not dpm_fast:
        on = levels(config, solver, spacing, evaluations)
        return sample_on(config, solver, *on, x, options | {"evaluations": evaluations}, noise)
    run = Run(config, noise)
    y = dpm_fast(run, evaluations, x * np.sqrt(1 + run.rhos[-1] ** 2))
    return run.times, run.stages, y / np.sqrt(1 + run.rhos[0] ** 2)


def with_options(config: dict, options: dict) -> dict:
    """The config with what the options replace of it."""
    config = config | {k: v for k, v in options.items() if k in ("lower_order_final", "euler_at_final")}
    if "final_sigmas" in options:
        zero = options["final_sigmas"] == "zero"
        config = config | {"final_sigmas_type": options["final_sigmas"], "set_alpha_to_one": zero}
    return config


def sample_on(config: dict, solver: str, t, rhos, stages: list[int], x: np.ndarray, options: dict, noise: np.ndarray):
    """The same on a grid."""
    method, _, told = METHODS[solver]
    run = Run(config, noise)
    run.stages = stages
    told = {"solver_type": config.get("solver_type")} | told | options
    if method is along_lines:
        return run.times, run.stages, along_lines(run, t, s_of(rhos), x)
    y = method(run, t, rhos, x * np.sqrt(1 + rhos[0] ** 2), told)
    return run.times, run.stages, y / np.sqrt(1 + rhos[-1] ** 2)
