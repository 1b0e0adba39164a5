"""The five losses between two views: by hand, by their laws, and as lightly computes them."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra 'train' (torch)")

from tempocli.errors import DataError  # noqa: E402
from tempocli.training.contrastive.build import build_learner  # noqa: E402
from tempocli.training.contrastive.losses import (  # noqa: E402
    barlow_twins,
    byol,
    clustering,
    nt_xent,
    vicreg,
)
from tempocli.training.contrastive.network import ContrastiveConfig  # noqa: E402
from tempocli.training.contrastive.recipe import ContrastiveRecipe  # noqa: E402
from tempocli.training.contrastive.sampler import Views  # noqa: E402
from tempocli.training.contrastive.task import ContrastiveTask  # noqa: E402
from tempocli.training.contrastive.teacher import Prototypes  # noqa: E402
from tempocli.training.recipe import find_recipe, read_recipe  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

WEIGHTS = {"invariance": 25.0, "variance": 25.0, "covariance": 1.0}
SYMMETRIC: dict[str, Callable[[Any, Any], Any]] = {
    "nt_xent": lambda a, b: nt_xent(a, b, temperature=0.1),
    "byol": byol,
    "barlow_twins": lambda a, b: barlow_twins(a, b, off_diagonal=5e-3),
    "vicreg": lambda a, b: vicreg(a, b, **WEIGHTS),
}
TAUGHT = {"byol": {"same_track": 0.0, "byol": 1.0}, "clustering": {"same_track": 0.0, "clustering": 1.0}}


def views(n: int = 16, dim: int = 8, *, seed: int = 0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    a, b = (torch.randn(n, dim, generator=generator, dtype=torch.float64) for _ in range(2))
    return a.requires_grad_(), (a.detach() + 0.5 * b).requires_grad_()


@pytest.mark.parametrize("name", SYMMETRIC)
def test_the_order_of_views_does_not_matter(name: str) -> None:
    a, b = views()
    loss = SYMMETRIC[name]
    if name == "byol":
        assert loss(a, b).item() == pytest.approx(loss(b, a).item())
        return
    assert loss(a, b).item() == pytest.approx(loss(b, a).item())


@pytest.mark.parametrize("name", SYMMETRIC)
def test_the_order_of_tracks_does_not_matter(name: str) -> None:
    a, b = views()
    order = torch.randperm(len(a), generator=torch.Generator().manual_seed(1))
    assert SYMMETRIC[name](a[order], b[order]).item() == pytest.approx(SYMMETRIC[name](a, b).item())


@pytest.mark.parametrize("name", SYMMETRIC)
def test_gradients(name: str) -> None:
    a, b = views(6, 4)
    if name == "byol":
        target = b.detach()
        assert torch.autograd.gradcheck(lambda one: byol(one, target), (a,))
        byol(a, b).backward()
        assert b.grad is None
        return
    assert torch.autograd.gradcheck(SYMMETRIC[name], (a, b), atol=1e-4)


@pytest.mark.parametrize("name", SYMMETRIC)
def test_views_that_agree_are_better(name: str) -> None:
    a, b = views()
    assert SYMMETRIC[name](a, a.detach()) < SYMMETRIC[name](a, b.flip(0))


@pytest.mark.parametrize("loss", [SYMMETRIC["barlow_twins"], SYMMETRIC["vicreg"]])
def test_bad_shapes(loss: Callable[[Any, Any], Any]) -> None:
    a, b = views()
    with pytest.raises(ValueError, match="views of the shapes"):
        loss(a, b[:, :3])
    with pytest.raises(ValueError, match="two tracks or more"):
        loss(a[:1], b[:1])


def test_barlow_twins_by_hand() -> None:
    a, b = (view.detach().numpy() for view in views())
    x, y = ((view - view.mean(axis=0)) / np.sqrt(view.var(axis=0) + 1e-5) for view in (a, b))
    c = x.T @ y / len(x)
    diagonal = np.square(np.diag(c) - 1.0).sum()
    others = np.square(c - np.diag(np.diag(c))).sum()
    loss = barlow_twins(torch.from_numpy(a), torch.from_numpy(b), off_diagonal=0.01)
    assert loss.item() == pytest.approx(diagonal + 0.01 * others)


def test_collapse_is_punished() -> None:
    constant = torch.ones(16, 8, dtype=torch.float64)
    assert vicreg(constant, constant, **WEIGHTS).item() == pytest.approx(25.0 * (1.0 - 0.01))
    assert barlow_twins(constant, constant, off_diagonal=0.0).item() == pytest.approx(8.0)


def test_byol_is_the_distance_of_unit_vectors() -> None:
    a, b = (view.detach() for view in views())
    unit = [torch.nn.functional.normalize(view, dim=1) for view in (a, b)]
    assert byol(a, b).item() == pytest.approx((unit[0] - unit[1]).square().sum(dim=1).mean().item())
    assert byol(a, 3.0 * a).item() == pytest.approx(0.0, abs=1e-12)
    assert byol(a, -a).item() == pytest.approx(4.0)


def test_clustering_by_hand() -> None:
    student, teacher = (view.detach().numpy() for view in views(5, 6))
    centre = np.linspace(-1.0, 1.0, 6)
    total = 0.0
    for one, other in zip(student, teacher, strict=True):
        wanted = np.exp((other - centre) / 0.05)
        wanted /= wanted.sum()
        found = np.exp(one / 0.1)
        total -= float(wanted @ np.log(found / found.sum()))
    loss = clustering(
        *(torch.from_numpy(each) for each in (student, teacher, centre)),
        temperature=0.1,
        teacher_temperature=0.05,
    )
    assert loss.item() == pytest.approx(total / 5)


@pytest.mark.filterwarnings("ignore")  # of lightly and what it imports
def test_as_lightly_computes_them() -> None:
    lightly = pytest.importorskip("lightly.loss", reason="lightly is not installed")
    a, b = (view.detach().float() for view in views(32, 16))
    assert nt_xent(a, b, temperature=0.1).item() == pytest.approx(
        lightly.NTXentLoss(temperature=0.1)(a, b).item(), rel=1e-5
    )
    assert barlow_twins(a, b, off_diagonal=5e-3).item() == pytest.approx(
        lightly.BarlowTwinsLoss(lambda_param=5e-3)(a, b).item(), rel=1e-5
    )
    assert vicreg(a, b, **WEIGHTS).item() == pytest.approx(
        lightly.VICRegLoss(lambda_param=25.0, mu_param=25.0, nu_param=1.0)(a, b).item(), rel=1e-5
    )
    assert byol(a, b).item() == pytest.approx(
        2.0 + 2.0 * lightly.NegativeCosineSimilarity()(a, b).item(), rel=1e-5
    )
    dino = lightly.DINOLoss(
        output_dim=16, warmup_teacher_temp_epochs=1, warmup_teacher_temp=0.04, teacher_temp=0.04
    )
    found = clustering(a, b, torch.zeros(16), temperature=0.1, teacher_temperature=0.04)
    assert found.item() == pytest.approx(dino([b], [b, a], epoch=5).item(), rel=1e-4)


def recipe(losses: dict[str, float], **settings: Any) -> ContrastiveRecipe:
    network = ContrastiveConfig(n_frames=64, n_mels=20, channels=(8, 8), embedding_dim=16, projection_dim=8)
    return ContrastiveRecipe(
        name="x", stores={"music": 1.0}, network=network, losses=losses, clusters=12, steps=10, **settings
    )


def task_of(recipe: ContrastiveRecipe) -> ContrastiveTask:
    task = ContrastiveTask.__new__(ContrastiveTask)
    task._recipe = recipe
    return task


def batch(n: int = 6) -> Views:
    generator = np.random.default_rng(0)
    first = generator.normal(1.0, 1.0, (n, 64, 20)).astype(np.float32)
    return Views(first, first + generator.normal(0.0, 0.1, first.shape).astype(np.float32))


@pytest.mark.parametrize("name", ["same_track", "byol", "clustering", "barlow_twins", "vicreg"])
def test_each_loss_can_be_learned(name: str) -> None:
    losses = {"same_track": 0.0} | {name: 1.0}
    # A teacher that stays as it is: as it moves and its clusters get sharper, the loss may rise. It rises at
    # first, too, until the centre is that of the teacher's logits.
    made = replace(recipe(losses), momentum=1.0)
    torch.manual_seed(0)
    network, task = build_learner(made), task_of(made)
    optimiser = torch.optim.Adam([each for each in network.parameters() if each.requires_grad], 1e-2)
    values = []
    for _ in range(80):
        loss, logged = task.loss(network.train(), batch(), 9, "cpu")
        assert set(logged) == {"loss", name}
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        values.append(loss.item())
    assert all(map(math.isfinite, values))
    assert values[-1] < max(values[:40])


@pytest.mark.parametrize("name", TAUGHT)
def test_the_teacher_follows_and_is_not_trained(name: str) -> None:
    made = recipe(TAUGHT[name])
    network = build_learner(made)
    teacher: Any = network.teacher
    assert all(not each.requires_grad for each in teacher.average.parameters())
    before = teacher.average.embedding.weight.clone()
    with torch.no_grad():
        network.embedding.weight.add_(1.0)
    teacher.follow(network, 0.75)
    torch.testing.assert_close(teacher.average.embedding.weight, before + 0.25)
    loss, _ = task_of(made).loss(network.train(), batch(), 0, "cpu")
    loss.backward()
    assert all(each.grad is None for each in teacher.average.parameters())
    assert network.embedding.weight.grad.abs().sum() > 0.0
    if name == "clustering":
        assert teacher.centre.abs().sum() > 0.0


def test_logits_of_clusters_are_cosines() -> None:
    torch.manual_seed(0)
    prototypes = Prototypes(4, 6)
    views = torch.randn(3, 4)
    logits = prototypes(views)
    torch.testing.assert_close(prototypes(7.0 * views), logits)
    unit = prototypes.weight / prototypes.weight.norm(dim=1, keepdim=True)
    torch.testing.assert_close(prototypes(unit).diagonal(), torch.ones(6))


def test_two_teachers_are_refused() -> None:
    with pytest.raises(DataError, match="two losses with a teacher: byol and clustering"):
        build_learner(recipe({"byol": 1.0, "clustering": 1.0}))


def test_without_a_loss_nothing_is_trained() -> None:
    made = recipe({"same_track": 0.0})
    with pytest.raises(DataError, match="gives no loss a weight"):
        task_of(made).loss(build_learner(made), batch(), 0, "cpu")


@pytest.mark.parametrize("name", ["nt-xent", "byol", "clustering", "barlow-twins", "vicreg"])
def test_the_recipes_differ_in_the_loss_only(name: str) -> None:
    one, other = (
        read_recipe(find_recipe(f"contrastive-{each}"), ContrastiveRecipe) for each in ("nt-xent", name)
    )
    same = {"name": "x", "losses": {}, "network": one.network}
    assert replace(one, **same) == replace(other, **same)
    projection = {"projection_dim": 1, "projection_norm": False}
    assert replace(one.network, **projection) == replace(other.network, **projection)
