"""Data parallelism for one machine without a GPU: one process a core, one thread a process.

Threads inside one process meet at a barrier in every convolution, and such a barrier spins; on a machine that does
other work at the same time this cost a factor of six. Processes meet only after a whole backward pass.

All parameters live in one flat tensor in shared memory, and each process's gradients in another. After the backward
pass each process averages, clips and applies the gradients of its own stretch of the flat tensor, moments and moving
average included.
"""

import torch
from torch import nn


class Shared:
    """The flat tensors, made once by the parent."""

    def __init__(self, size: int, processes: int):
        self.weights = torch.zeros(size).share_memory_()
        self.average = torch.zeros(size).share_memory_()
        self.first_moment = torch.zeros(size).share_memory_()
        self.second_moment = torch.zeros(size).share_memory_()
        self.gradients = torch.zeros(processes, size).share_memory_()
        self.square_norms = torch.zeros(processes, dtype=torch.float64).share_memory_()
        self.losses = torch.zeros(processes, dtype=torch.float64).share_memory_()
        self.orders = torch.zeros(3, dtype=torch.float64).share_memory_()


def view_of(flat: torch.Tensor, offset: int, parameter: torch.Tensor) -> torch.Tensor:
    """A stretch of `flat` with the parameter's shape; convolution weights are laid out channels last, which is quicker."""
    stretch = flat[offset : offset + parameter.numel()]
    if parameter.dim() == 4:
        out, into, height, width = parameter.shape
        return stretch.view(out, height, width, into).permute(0, 3, 1, 2)
    return stretch.view(parameter.shape)


def flat_size(modules: list[nn.Module]) -> int:
    return sum(parameter.numel() for module in modules for parameter in module.parameters())


def each_view(flat: torch.Tensor, modules: list[nn.Module]):
    """(parameter, its view in `flat`), in the order of the modules' own parameters()."""
    offset = 0
    for module in modules:
        for parameter in module.parameters():
            yield parameter, view_of(flat, offset, parameter)
            offset += parameter.numel()


@torch.no_grad()
def gather(flat: torch.Tensor, modules: list[nn.Module]) -> None:
    """Modules' parameters -> flat."""
    for parameter, view in each_view(flat, modules):
        view.copy_(parameter)


@torch.no_grad()
def scatter(flat: torch.Tensor, modules: list[nn.Module]) -> None:
    """flat -> modules' parameters."""
    for parameter, view in each_view(flat, modules):
        parameter.copy_(view)


class Worker:
    """One process's part: its modules read the shared weights, and `step` updates its stretch of them."""

    def __init__(self, shared: Shared, rank: int, barrier, modules: list[nn.Module], **adamw):
        self.shared, self.rank, self.barrier = shared, rank, barrier
        self.processes, size = shared.gradients.shape
        for (parameter, view), (_, gradient) in zip(
            each_view(shared.weights, modules), each_view(shared.gradients[rank], modules), strict=True
        ):
            parameter.data, parameter.grad = view, gradient
        start, end = size * rank // self.processes, size * (rank + 1) // self.processes
        self.stretch = slice(start, end)
        self.weights = nn.Parameter(shared.weights[self.stretch])
        self.optimizer = torch.optim.AdamW([self.weights], fused=True, **adamw)

    def restore(self, step: int) -> None:
        """Puts the shared moments where AdamW keeps its own; `step` is how often it was called before."""
        self.optimizer.state[self.weights] = {
            "step": torch.tensor(float(step)),
            "exp_avg": self.shared.first_moment[self.stretch],
            "exp_avg_sq": self.shared.second_moment[self.stretch],
        }

    @torch.no_grad()
    def step(self, loss: float, orders: tuple[float, bool, bool], clip: float, average_decay: float):
        """After backward: one update by the mean gradient. Returns the mean loss and (learning rate, save?, stop?).

        The orders are those of rank 0, whatever the others say: each process has its own clock, and one that alone
        thought the time was up would leave the rest waiting at a barrier for ever.
        """
        shared = self.shared
        shared.losses[self.rank] = loss
        if self.rank == 0:
            shared.orders.copy_(torch.tensor(orders, dtype=torch.float64))
        self.barrier.wait()  # all gradients are there
        learning_rate, save, stop = shared.orders.tolist()
        gradient = shared.gradients[:, self.stretch].mean(dim=0)
        shared.square_norms[self.rank] = gradient.square().sum().double()
        self.barrier.wait()  # all gradients are read, all norms are there
        shared.gradients[self.rank].zero_()
        norm = shared.square_norms.sum().sqrt().item()
        self.weights.grad = gradient.mul_(min(1.0, clip / (norm + 1e-6)))
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
        self.optimizer.step()
        shared.average[self.stretch].lerp_(self.weights.detach(), 1 - average_decay)
        mean_loss = shared.losses.mean().item()
        self.barrier.wait()  # all weights are new
        return mean_loss, (learning_rate, bool(save), bool(stop))
