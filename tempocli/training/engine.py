"""The training loop of every kind of network; an interrupted run resumes bit for bit."""

from __future__ import annotations

import copy
import json
import logging
import math
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor, nn

from tempocli.training.checkpoint import CHECKPOINT, load_checkpoint, save_checkpoint

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tempocli.training.recipe import Recipe

log = logging.getLogger(__name__)

HISTORY = "history.jsonl"


class Task(Protocol):
    """A training task: batches, a loss, a validation score."""

    def batch(self, step: int) -> Any:
        """Return the batch of a step; it depends only on the recipe's seed and the step."""
        ...

    def loss(self, network: Any, batch: Any, step: int, device: str) -> tuple[Tensor, dict[str, float]]:
        """Compute the loss of a batch, and the values to log."""
        ...

    def validate(self, network: Any, device: str) -> dict[str, float]:
        """Score the averaged network on held-out data."""
        ...


def fit(
    make_network: Callable[[], nn.Module],
    task: Task,
    recipe: Recipe,
    out: Path,
    *,
    device: str = "cpu",
    threads: int = 1,
    report: Callable[[int, dict[str, float]], None] = lambda step, values: None,
) -> Path:
    """Train a network, resuming from the checkpoint in `out` if there is one.

    A resumed run gives the same weights as an uninterrupted one, bit for bit: every random draw depends only
    on the recipe's seed and the step.

    Parameters
    ----------
    make_network : callable
        Builds the network with initial weights that depend on the seed.
    task : Task
    recipe : Recipe
    out : Path
        Folder for the checkpoint and the log; created if missing.
    device : str
        ``"cpu"`` or ``"cuda"``.
    threads : int
        CPU threads of torch; on contended cores one is faster than two.
    report : callable
        Called with the step and its losses.

    Returns
    -------
    Path
        The checkpoint.

    Raises
    ------
    DataError
        If the checkpoint cannot be read, or was made with another recipe.
    """
    out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(threads)
    torch.manual_seed(recipe.seed)
    network = make_network().to(device)
    average = copy.deepcopy(network).eval()
    optimiser = torch.optim.AdamW(
        [parameter for parameter in network.parameters() if parameter.requires_grad],
        lr=recipe.learning_rate,
        weight_decay=recipe.weight_decay,
    )
    first = _resume(out / CHECKPOINT, recipe, network, average, optimiser, device)
    _cut_history(out / HISTORY, first)
    with ThreadPoolExecutor(1) as pool, (out / HISTORY).open("a", encoding="utf-8") as history:
        coming = pool.submit(task.batch, first)
        for step in range(first, recipe.steps):
            began = time.perf_counter()
            batch = coming.result()
            coming = pool.submit(task.batch, step + 1)
            torch.manual_seed(recipe.seed * 1_000_003 + step)  # so that dropout depends only on the step
            for group in optimiser.param_groups:
                group["lr"] = _one_cycle(step / recipe.steps) * recipe.learning_rate
            loss, values = task.loss(network.train(), batch, step, device)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(network.parameters(), 2.0)
            optimiser.step()
            _update_average(average, network, min(recipe.ema, (1 + step) / (10 + step)))
            if (step + 1) % recipe.validate_every == 0 or step + 1 == recipe.steps:
                values |= task.validate(average, device)
            values["seconds"] = time.perf_counter() - began
            history.write(json.dumps({"step": step + 1, **values}) + "\n")
            history.flush()
            if (step + 1) % recipe.checkpoint_every == 0 or step + 1 == recipe.steps:
                save_checkpoint(out / CHECKPOINT, recipe, step + 1, network, average, optimiser)
            report(step + 1, values)
    return out / CHECKPOINT


def _cut_history(path: Path, step: int) -> None:
    """Remove the lines logged after the checkpoint; their steps are repeated."""
    if path.is_file():
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        path.write_text("".join(line for line in lines if _step_of(line) <= step), encoding="utf-8")


def _step_of(line: str) -> float:
    try:
        return float(json.loads(line)["step"]) if line.endswith("\n") else math.inf
    except ValueError:  # truncated by a kill, then continued by the next run
        return math.inf


def _one_cycle(progress: float) -> float:
    """Return the learning-rate factor: linear warm-up for a tenth of the steps, then cosine decay to 0."""
    if progress < 0.1:
        return 0.04 + 0.96 * progress / 0.1
    return 0.5 + 0.5 * math.cos(math.pi * (progress - 0.1) / 0.9)


@torch.no_grad()
def _update_average(average: nn.Module, network: nn.Module, decay: float) -> None:
    for old, new in zip(average.parameters(), network.parameters(), strict=True):
        old.lerp_(new, 1.0 - decay)
    for kept, fresh in zip(average.buffers(), network.buffers(), strict=True):
        if kept.dtype.is_floating_point:
            kept.lerp_(fresh, 1.0 - decay)
        else:
            kept.copy_(fresh)


def _resume(
    path: Path,
    recipe: Recipe,
    network: nn.Module,
    average: nn.Module,
    optimiser: torch.optim.Optimizer,
    device: str,
) -> int:
    if not path.is_file():
        return 0
    state = load_checkpoint(path, recipe, device)
    network.load_state_dict(state["network"])
    average.load_state_dict(state["average"])
    optimiser.load_state_dict(state["optimiser"])
    log.info("resuming at step %d", state["step"])
    return int(state["step"])
