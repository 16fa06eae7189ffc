"""The training loop of both networks: devices through accelerate, clock, learning rate, averages, checkpoints.

A stage gives its model, a function that draws a batch from a random generator, and one that gives the batch's loss; all
else is here. The same command runs as one process, or as many under `accelerate launch` or `torchrun`. For a GPU batches
are drawn ahead by processes of their own: else it would wait for them most of the time.
"""

import argparse
import copy
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import broadcast, reduce
from torch import nn
from torch.utils.data import DataLoader, Dataset

from training import checkpoint, schedule, settings

AHEAD = 4  # batches that each drawing process has ready
MOST_BROKEN_STEPS = 5  # gradients in a row that are not finite, after which nothing will come of it


class Draws(Dataset):
    """The batch of each step, and the seed of what its loss draws.

    All of it comes from (seed, rank, step), so a run that is resumed draws what it would have drawn.
    """

    def __init__(self, draw: Callable[[np.random.Generator, int], Any], size: int, seed: int, rank: int):
        self.draw, self.size, self.seed, self.rank = draw, size, seed, rank

    def __getitem__(self, step: int) -> tuple[int, Any]:
        generator = np.random.default_rng([self.seed, self.rank, step])
        seed = int(generator.integers(2**62))
        return seed, self.draw(generator, self.size)


class Trainer:
    """One stage in one process: `run` trains `model` and leaves the moving average of its weights in it."""

    def __init__(self, stage: str, options: argparse.Namespace, config: dict):
        self.stage, self.options, self.config = stage, options, config
        self.accelerator = Accelerator(mixed_precision=config["mixed_precision"])
        self.device, self.main = self.accelerator.device, self.accelerator.is_main_process
        self.threads = max(1, options.threads // self.accelerator.num_processes)
        settings.seed_everything(config["seed"], self.threads)
        self.path = options.root / f"{stage}.ckpt"
        self.state = checkpoint.load(self.path)

    def report(self, text: str) -> None:
        if self.main:
            settings.report(self.options.root, self.stage, text)

    def clock(self) -> schedule.Clock | schedule.Steps:
        options, spent = self.options, self.state["spent"] if self.state else 0.0
        if options.steps:
            return schedule.Steps(options.steps, spent)
        if options.until:
            return schedule.Clock(spent + schedule.seconds_until(options.until), spent)
        return schedule.Clock(60 * (options.minutes or self.config["minutes"]), spent)

    def run(self, model: nn.Module, draw: Callable, batch_loss: Callable, initial: str | None = None) -> dict:
        """`draw(random, size)`: a batch, in memory; `batch_loss(model, batch)`: its mean loss, on the device.

        `initial` names where the weights start. Gives what a model's provenance says of the stage.
        """
        config, accelerator, clock = self.config, self.accelerator, self.clock()
        model.to(self.device)
        average = copy.deepcopy(model).requires_grad_(False)
        optimizer = torch.optim.AdamW(
            parameter_groups(model, config["weight_decay"]), lr=0.0, betas=(0.9, 0.99), fused=True
        )
        step, seen = 0, 0
        if self.state is not None:
            model.load_state_dict(self.state["model"])
            average.load_state_dict(self.state["average"])
            restore_moments(optimizer, self.state["optimizer"])
            step, seen, initial = self.state["step"], self.state["images_seen"], self.state["initial"]
        plain = model
        model, optimizer = accelerator.prepare(model, optimizer)
        size = config["batch_size"] // accelerator.num_processes
        batches = self.batches(Draws(draw, size, config["seed"], accelerator.process_index), step)
        parameters, averages = list(plain.parameters()), list(average.parameters())

        def save() -> None:
            if self.main:
                checkpoint.save(
                    self.path,
                    model=plain.state_dict(),
                    average=average.state_dict(),
                    optimizer=optimizer.state_dict(),
                    step=step,
                    spent=clock.spent,
                    images_seen=seen,
                    initial=initial,
                )

        model.train()
        next_line, next_save = clock.spent + config["report_seconds"] / 2, clock.spent + 120
        in_a_row = 0
        running, window, window_start = torch.zeros((), device=self.device), 0, clock.spent
        # Where all steps were made, another would be one too many.
        stop = self.options.steps is not None and step >= self.options.steps
        while not stop:
            seed, batch = next(batches)
            torch.manual_seed(seed)
            loss = batch_loss(model, batch)
            accelerator.backward(loss)
            rate, stop, line, saving = self.orders(clock, step, next_line, next_save)
            for group in optimizer.param_groups:
                group["lr"] = rate
            norm = accelerator.clip_grad_norm_(parameters, config["clip"])
            # A single step along what is no number would spoil the weights for good.
            in_a_row = 0 if norm.isfinite() else in_a_row + 1
            if in_a_row == MOST_BROKEN_STEPS:
                raise SystemExit(f"{self.stage}: {in_a_row} gradients in a row are not finite")
            if in_a_row == 0:
                optimizer.step()
            optimizer.zero_grad()
            decay = min(config["ema_decay"], (1 + step) / (10 + step))
            with torch.no_grad():
                torch._foreach_lerp_(averages, parameters, 1 - decay)
            running, window = running + loss.detach(), window + 1
            step, seen = step + 1, seen + size * accelerator.num_processes

            if line:
                mean = (reduce(running, "mean") / window).item()
                speed = window * size * accelerator.num_processes / (clock.spent - window_start)
                self.report(f"step {step} images {seen} loss {mean:.4f} {speed:.1f} img/s lr {rate:.1e}")
                running, window, window_start = torch.zeros_like(running), 0, clock.spent
                next_line = clock.spent + config["report_seconds"]
            if saving:
                save()
                next_save = clock.spent + 60 * config["checkpoint_minutes"]
        plain.load_state_dict(average.state_dict())
        plain.eval()
        self.report(f"done: {seen} images in {clock.spent / 60:.1f} min")
        return {"initial": initial, "steps": step, "images_seen": seen, "minutes": round(clock.spent / 60, 1)}

    def batches(self, draws: Draws, first: int):
        """From step `first` on, without an end."""
        if self.device.type == "cpu":
            return map(draws.__getitem__, itertools.count(first))
        workers = max(1, self.options.threads // self.accelerator.num_processes - 1)
        return iter(
            DataLoader(
                draws, batch_size=None, sampler=itertools.count(first), num_workers=workers, prefetch_factor=AHEAD,
                pin_memory=True,
            )
        )  # fmt: skip

    def orders(self, clock, step: int, next_line: float, next_save: float) -> tuple[float, bool, bool, bool]:
        """(learning rate, stop?, report?, save?) by the first process's clock: all must stop and meet at one step."""
        rate = self.config["learning_rate"] * schedule.warm_up(step, self.config["warmup_steps"])
        rate *= schedule.constant_then_linear(clock.fraction(step), self.config["decay_from"])
        stop = clock.fraction(step + 1) >= 1
        orders = [rate, stop, stop or clock.spent > next_line, stop or clock.spent > next_save]
        if self.accelerator.num_processes > 1:
            orders = broadcast(torch.tensor(orders, dtype=torch.float64, device=self.device)).tolist()
        return orders[0], bool(orders[1]), bool(orders[2]), bool(orders[3])


def restore_moments(optimizer: torch.optim.Optimizer, state: dict) -> None:
    """The fused AdamW walks through memory, so the moments must lie as their parameters do, whoever saved them."""
    optimizer.load_state_dict(state)
    for parameter, moments in optimizer.state.items():
        for name in ("exp_avg", "exp_avg_sq"):
            moments[name] = torch.empty_like(parameter).copy_(moments[name])


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict]:
    """No decay for vectors, nor for the word table, most of whose rows must stay what they are."""
    decayed, free = [], []
    for name, parameter in model.named_parameters():
        (free if parameter.dim() == 1 or "token_embedding" in name else decayed).append(parameter)
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": free, "weight_decay": 0.0}]
