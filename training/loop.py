"""The training loop of both networks: processes, clock, learning rate, progress lines, checkpoints.

A stage gives its modules and a function from a random generator to the loss of one batch; all else is here.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from training import checkpoint, parallel, schedule, settings


@dataclass
class Job:
    """What the parent hands to each process."""

    stage: str
    root: Path
    config: dict
    shared: parallel.Shared
    barrier: object
    step: int
    spent: float
    images_seen: int
    seconds: float

    @property
    def checkpoint(self) -> Path:
        return self.root / f"{self.stage}.ckpt"


def launch(
    stage: str, options: argparse.Namespace, config: dict, modules: list[nn.Module], work: Callable, arguments: tuple
) -> Job:
    """Runs `work(rank, job, *arguments)` in one process a core; the result is in the job's shared tensors."""
    shared = parallel.Shared(parallel.flat_size(modules), options.threads)
    barrier = torch.multiprocessing.get_context("spawn").Barrier(options.threads)
    job = Job(stage, options.root, config, shared, barrier, step=0, spent=0.0, images_seen=0, seconds=0.0)
    if (state := checkpoint.load(job.checkpoint)) is not None:
        for name in ("weights", "average", "first_moment", "second_moment"):
            getattr(shared, name).copy_(state[name])
        job.step, job.spent, job.images_seen = state["step"], state["spent"], state["images_seen"]
    else:
        parallel.gather(shared.weights, modules)
        parallel.gather(shared.average, modules)
    if options.until:
        job.seconds = job.spent + schedule.seconds_until(options.until)
    else:
        job.seconds = 60 * (options.minutes or config["minutes"])
    torch.multiprocessing.spawn(work, (job, *arguments), nprocs=options.threads, start_method="spawn")
    return job


def random_of_step(seed: int, rank: int, step: int) -> np.random.Generator:
    """Every draw of a step comes from (seed, rank, step), so a run that is resumed draws what it would have drawn."""
    generator = np.random.default_rng([seed, rank, step])
    torch.manual_seed(int(generator.integers(2**62)))
    return generator


def save(job: Job, step: int, spent: float, images_seen: int) -> None:
    checkpoint.save(
        job.checkpoint,
        weights=job.shared.weights,
        average=job.shared.average,
        first_moment=job.shared.first_moment,
        second_moment=job.shared.second_moment,
        step=step,
        spent=spent,
        images_seen=images_seen,
    )


def run(
    rank: int,
    job: Job,
    modules: list[nn.Module],
    batch_loss: Callable[[np.random.Generator, int], torch.Tensor],
) -> None:
    """One process, until the time is up. Rank 0 also writes the progress lines and the checkpoints.

    `batch_loss(random, size)` is the mean loss over `size` pictures.
    """
    config = job.config
    worker = parallel.Worker(
        job.shared, rank, job.barrier, modules, betas=(0.9, 0.99), weight_decay=config["weight_decay"]
    )
    step, seen = job.step, job.images_seen
    worker.restore(step)
    size = config["batch_size"] // worker.processes
    clock = schedule.Clock(job.seconds, job.spent)
    next_line, next_save = clock.spent + 30, clock.spent + 120
    running, window, window_start = 0.0, 0, clock.spent
    stop = False
    while not stop:
        loss = batch_loss(random_of_step(config["seed"], rank, step), size)
        loss.backward()
        rate = schedule.warm_up(step, config["warmup_steps"])
        rate *= schedule.constant_then_linear(clock.fraction, config["decay_from"])
        stop = clock.fraction >= 1
        orders = (config["learning_rate"] * rate, stop or clock.spent > next_save, stop)
        decay = min(config["ema_decay"], (1 + step) / (10 + step))
        mean_loss, (learning_rate, saving, stop) = worker.step(loss.item(), orders, config["clip"], decay)
        running, window = running + mean_loss, window + 1
        step, seen = step + 1, seen + size * worker.processes

        if rank == 0 and clock.spent > next_line:
            speed = window * size * worker.processes / (clock.spent - window_start)
            settings.report(
                job.root,
                job.stage,
                f"step {step} images {seen} loss {running / window:.4f} {speed:.1f} img/s lr {learning_rate:.1e}",
            )
            running, window, window_start = 0.0, 0, clock.spent
            next_line = clock.spent + 60
        if saving:
            if rank == 0:
                save(job, step, clock.spent, seen)
            job.barrier.wait()  # nobody writes while rank 0 reads
            next_save = clock.spent + 60 * config["checkpoint_minutes"]
    if rank == 0:
        settings.report(job.root, job.stage, f"done: {seen} images in {clock.spent / 60:.1f} min")
