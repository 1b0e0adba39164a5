"""Labels of composed music, and the semi-supervised contrastive loss."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs the extra 'train'")

from tempocli.errors import DataError  # noqa: E402
from tempocli.features.front_end import FrontEnd  # noqa: E402
from tempocli.training.contrastive.build import build_learner  # noqa: E402
from tempocli.training.contrastive.labels import (  # noqa: E402
    Labels,
    agreement,
    is_labelled,
    labels_of,
    n_targets,
    targets,
)
from tempocli.training.contrastive.losses import nt_xent, predicted_labels, shared_labels  # noqa: E402
from tempocli.training.contrastive.network import ContrastiveConfig  # noqa: E402
from tempocli.training.contrastive.recipe import ContrastiveRecipe  # noqa: E402
from tempocli.training.contrastive.sampler import ExcerptSampler  # noqa: E402
from tempocli.training.contrastive.task import ContrastiveTask  # noqa: E402
from tempocli.training.data.store import Clip, StoreWriter  # noqa: E402


def views(n: int = 6, dim: int = 8) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn(n, dim, generator=generator, dtype=torch.float64) for _ in range(2))
    return a.requires_grad_(), b.requires_grad_()


def test_without_agreement_it_is_nt_xent() -> None:
    a, b = views()
    found = shared_labels(a, b, torch.zeros(12, 12, dtype=torch.float64), temperature=0.1)
    torch.testing.assert_close(found, nt_xent(a, b, temperature=0.1), rtol=1e-12, atol=0.0)


def test_by_hand() -> None:
    a, b = (each.detach() for each in views(4))
    weights = torch.rand(8, 8, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    unit = [each / each.norm() for each in (*a, *b)]
    total = 0.0
    for i in range(8):
        cosines = [float(unit[i] @ unit[j]) / 0.2 for j in range(8)]
        others = sum(np.exp(cosines[k]) for k in range(8) if k != i)
        positives = {j: 1.0 if j == (i + 4) % 8 else float(weights[i, j]) for j in range(8) if j != i}
        total -= sum(w * np.log(np.exp(cosines[j]) / others) for j, w in positives.items()) / sum(
            positives.values()
        )
    found = shared_labels(a, b, weights, temperature=0.2)
    assert float(found) == pytest.approx(total / 8, rel=1e-10)


def test_gradients() -> None:
    a, b = views(3, 4)
    weights = torch.tensor(np.kron(np.ones((2, 2)), [[0, 1, 0.5], [1, 0, 0], [0.5, 0, 0]]))
    assert torch.autograd.gradcheck(lambda a, b: shared_labels(a, b, weights, temperature=0.5), (a, b))


def test_labelled_pairs_come_closer() -> None:
    a, b = (each.detach() for each in views(4))
    weights = torch.zeros(8, 8, dtype=torch.float64)
    for i in (0, 1, 4, 5):
        for j in (0, 1, 4, 5):
            weights[i, j] = 1.0
    apart = shared_labels(a, b, weights, temperature=0.1)
    a[1], b[1], b[0] = a[0], a[0], a[0]
    assert shared_labels(a, b, weights, temperature=0.1) < apart


@pytest.mark.parametrize("shape", [(5, 6), (6, 6), (24, 24)])
def test_bad_shapes(shape: tuple[int, int]) -> None:
    a, b = views()
    with pytest.raises(ValueError, match="do not match"):
        shared_labels(a, b, torch.zeros(shape), temperature=0.1)


def clip(**fields: object) -> Clip:
    return Clip(
        **({"name": "x", "start": 0, "length": 9, "bpm": None, "style": "audio", "group": "x"} | fields)
    )


def test_labels_of_clips() -> None:
    assert labels_of(clip(), 1.0) == Labels()
    made = clip(bpm=100.0, style="mma:lib:HipHopSusPlus1", programs=[3, 128], beats=[(0.0, 1), (0.6, 3)])
    assert labels_of(made, 1.2) == Labels("HipHop", frozenset({3, 128}), 120.0, 3)
    assert labels_of(clip(style="groove:funk"), 1.0).style == "funk"
    assert labels_of(clip(style="midi"), 1.0).style == ""


def test_agreement() -> None:
    some = [
        Labels("funk", frozenset({1, 2}), 100.0, 4),
        Labels("funk", frozenset({2, 3, 4}), 103.9, 3),
        Labels("", frozenset(), 104.1, 4),
        Labels(),
    ]
    expected = {
        "style": [1, 0, 0, 0],
        "programs": [0.4, 0, 0, 0],
        "tempo": [1, 0, 1, 0],
        "metre": [0, 1, 0, 0],
    }
    pairs = [(0, 1), (0, 2), (1, 2), (2, 3)]
    for kind, values in expected.items():
        found = agreement(some, [kind])
        assert np.array_equal(found, found.T)
        assert [found[pair] for pair in pairs] == pytest.approx(values)
    together = agreement(some, list(expected))
    assert together[0, 1] == pytest.approx((1 + 0.4 + 1) / 4)


@pytest.mark.parametrize("kinds", [[], ["genre"]])
def test_unknown_labels_are_refused(kinds: list[str]) -> None:
    with pytest.raises(DataError, match="choose some of style, programs, tempo, metre"):
        agreement([Labels()], kinds)


def test_the_share_of_labelled_clips_grows() -> None:
    clips = [clip(group=f"g{index}") for index in range(2000)]
    chosen = {share: {c.group for c in clips if is_labelled(c, share)} for share in (0.0, 0.05, 0.2, 1.0)}
    assert chosen[0.0] < chosen[0.05] < chosen[0.2] < chosen[1.0]
    assert len(chosen[1.0]) == 2000
    assert 300 < len(chosen[0.2]) < 500


def test_a_run_with_labels(tmp_path) -> None:
    generator = np.random.default_rng(0)
    with StoreWriter(tmp_path / "music", FrontEnd(n_mels=20)) as writer:
        for index in range(12):
            frames = generator.uniform(0.0, 3.0, (300, 20)).astype(np.float32)
            writer.add(f"{index}", frames, bpm=120.0, style="x", group=f"{index}", programs=(index % 2, 5))
    network = ContrastiveConfig(n_frames=64, n_mels=20, channels=(8, 8), embedding_dim=16, projection_dim=8)
    settings = {"name": "x", "stores": {"music": 1.0}, "network": network, "tracks": 6, "held_out": 4}
    losses = {"same_track": 0.0, "same_labels": 1.0}
    recipe = ContrastiveRecipe(**settings, losses=losses, labels=("programs", "tempo"))
    batch = ExcerptSampler(tmp_path, recipe).batch(0)
    assert batch.agreement is not None
    others = batch.agreement[~np.eye(len(batch.agreement), dtype=bool)]
    assert set(others) == {np.float32(0.75), np.float32(1.0)}
    plain = ExcerptSampler(tmp_path, ContrastiveRecipe(**settings)).batch(0)
    assert np.array_equal(batch.a, plain.a)
    # Both views of a labelled track are stretched alike, so that its tempo is theirs.
    stretched = ContrastiveRecipe(**settings, losses=losses, labels=("tempo",), max_stretch=0.4)
    both = ExcerptSampler(tmp_path, stretched).batch(0).agreement
    assert both is not None
    assert (np.diag(both, 6) == 1.0).all()
    assert not both.all()
    assert plain.agreement is None
    none = ExcerptSampler(tmp_path, ContrastiveRecipe(**settings, labels=("tempo",), labelled=0.0)).batch(0)
    assert none.agreement is not None
    assert not none.agreement.any()
    task = ContrastiveTask(tmp_path, recipe)
    loss, values = task.loss(build_learner(recipe), batch, 0, "cpu")
    assert loss.isfinite()
    assert set(values) == {"loss", "same_labels"}
    bare = ContrastiveRecipe(**settings, losses=losses)
    task, network = ContrastiveTask(tmp_path, bare), build_learner(bare)
    with pytest.raises(DataError, match="names no labels"):
        task.loss(network, plain, 0, "cpu")


@pytest.mark.parametrize("name", ["labelled", "labelled_tracks"])
def test_a_share_that_is_none(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} is not between 0 and 1"):
        ContrastiveRecipe(name="x", stores={"music": 1.0}, **{name: 1.2})


def test_a_share_of_the_batch_is_labelled(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    with StoreWriter(tmp_path / "music", FrontEnd(n_mels=20)) as writer:
        for index in range(60):
            bpm = 100.0 if index < 12 else None
            writer.add(f"{index}", np.ones((300, 20), np.float32), bpm=bpm, style="audio", group=f"{index}")
    settings = {"stores": {"music": 1.0}, "tracks": 8, "held_out": 4, "labels": ("tempo",)}
    sampler = ExcerptSampler(tmp_path, ContrastiveRecipe(name="x", **settings, labelled_tracks=0.5))
    drawn: list[Clip] = []
    monkeypatch.setattr(sampler, "_views", lambda tracks, _: drawn.extend(clip for _, clip in tracks))
    for step in range(5):
        drawn.clear()
        sampler.batch(step)
        assert len({clip.name for clip in drawn}) == 8
        assert all(clip.bpm for clip in drawn[:4])


def test_targets() -> None:
    kinds = ["metre", "tempo", "programs"]
    known, unknown = targets([Labels("", frozenset({0, 128}), 31.0, 3), Labels()], kinds)
    assert len(known) == n_targets(kinds)
    assert np.flatnonzero(known).tolist() == [1, 6, 6 + 30, 6 + 30 + 128]
    assert np.isnan(unknown).all()
    (some,) = targets([Labels(bpm=500.0)], kinds)
    assert np.isnan(some[:6]).all()
    assert np.flatnonzero(some[6:36]).tolist() == [29]
    assert np.isnan(some[36:]).all()


def test_prediction_by_hand() -> None:
    logits = torch.tensor([[0.0, 2.0], [1.0, 1.0], [5.0, 5.0]])
    wanted = torch.tensor([[1.0, 0.0], [float("nan"), 1.0], [float("nan"), float("nan")]])
    losses = [np.log(2.0), np.log(1.0 + np.exp(2.0)), np.log(1.0 + np.exp(-1.0))]
    assert float(predicted_labels(logits, wanted)) == pytest.approx(sum(losses) / 2, rel=1e-6)
    assert float(predicted_labels(logits, torch.full((3, 2), float("nan")))) == 0.0
    with pytest.raises(ValueError, match="do not match"):
        predicted_labels(logits, wanted[:2])


def test_labels_can_be_learned(tmp_path) -> None:
    generator = np.random.default_rng(0)
    with StoreWriter(tmp_path / "music", FrontEnd(n_mels=20)) as writer:
        for index in range(12):
            frames = generator.uniform(0.0, 3.0, (300, 20)).astype(np.float32)
            frames[:, : 10 * (index % 2)] *= 0.1
            writer.add(f"{index}", frames, bpm=None, style="x", group=f"{index}", programs=(index % 2,))
    network = ContrastiveConfig(n_frames=64, n_mels=20, channels=(8, 8), embedding_dim=16, projection_dim=8)
    settings = {"name": "x", "stores": {"music": 1.0}, "network": network, "tracks": 6, "held_out": 4}
    losses = {"same_track": 0.0, "predicted_labels": 1.0}
    recipe = ContrastiveRecipe(**settings, losses=losses, labels=("programs",))
    torch.manual_seed(0)
    task, learner = ContrastiveTask(tmp_path, recipe), build_learner(recipe).train()
    optimiser = torch.optim.Adam(learner.parameters(), 1e-2)
    values = []
    for step in range(60):
        loss, _ = task.loss(learner, task.batch(step), step, "cpu")
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        values.append(loss.item())
    assert np.mean(values[-5:]) < 0.1 * values[0]
    bare = ContrastiveRecipe(**settings, losses=losses)
    with pytest.raises(DataError, match="names no labels"):
        ContrastiveTask(tmp_path, bare).loss(build_learner(bare), task.batch(0), 0, "cpu")
