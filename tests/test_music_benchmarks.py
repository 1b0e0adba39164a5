"""The scores of the benchmarks of the embedding, by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="needs scikit-learn")

from music import data, probing, scores

ROOT = Path(__file__).resolve().parents[1]


def test_average_precision_by_hand() -> None:
    targets = np.array([[1, 0], [0, 0], [1, 0], [0, 0]])
    ranked = np.array([[0.9, 0.1], [0.8, 0.1], [0.7, 0.1], [0.1, 0.1]])
    # Right at ranks 1 and 3: (1/1 + 2/3) / 2; the second tag has no file and is left out.
    assert scores.mean_average_precision(targets, ranked) == pytest.approx((1.0 + 2 / 3) / 2)


@pytest.mark.parametrize(
    ("found", "right", "score"),
    [
        ((0, False), (0, False), 1.0),
        ((7, False), (0, False), 0.5),
        ((5, True), (0, True), 0.5),
        ((9, True), (0, False), 0.3),
        ((0, False), (9, True), 0.3),
        ((0, True), (0, False), 0.2),
        ((3, True), (0, False), 0.0),
        ((2, False), (0, False), 0.0),
    ],
)
def test_scores_of_keys(found: tuple[int, bool], right: tuple[int, bool], score: float) -> None:
    assert scores.key_score(found, right) == score


@pytest.mark.parametrize("name", scores.KEY_PROFILES)
@pytest.mark.parametrize("tonic", [0, 5, 11])
def test_a_profile_finds_itself(name: str, tonic: int) -> None:
    for minor, profile in enumerate(scores.KEY_PROFILES[name]):
        chroma = np.roll(profile, tonic).astype(np.float32)
        assert scores.key_of(chroma, scores.KEY_PROFILES[name]) == (tonic, bool(minor))


def test_an_interval_holds_the_mean() -> None:
    low, high = scores.interval(np.array([0.0, 1.0] * 50))
    assert 0.38 < low < 0.45 < 0.55 < high < 0.62


def test_spellings_of_tags_are_joined() -> None:
    assert {data.joined(tag) for tag in ("Synths", " synth", "Synth")} == {"synth"}
    assert data.joined("Bass") == "bass"
    assert data.joined("Mysterious") == "mysterious"
    assert data.joined("Strings") == "string"
    assert data.parse_key("G# minor") == (8, True)


def test_probes_learn_what_is_there_and_nothing_else() -> None:
    rng = np.random.default_rng(0)
    targets = np.repeat([0, 1, 2], 20)
    told = (np.eye(3)[targets] * 3 + rng.normal(size=(60, 3))).astype(np.float32)
    noise = rng.normal(size=(60, 5)).astype(np.float32)
    assert (probing.predict_classes([told, noise], targets, "linear", seed=0) == targets).mean() > 0.8
    assert (probing.predict_classes([noise], targets, "linear", seed=0) == targets).mean() < 0.6
    assert probing.nearest_share([told], targets) > probing.nearest_share([noise], targets) + 0.2
    tags = (told[:, :2] > 1.0).astype(np.int64)
    assert scores.mean_average_precision(tags, probing.predict_tags([told], tags, "linear", seed=0)) > 0.9


def test_what_the_page_is_made_of() -> None:
    """The tables that the page names are those that the script makes."""
    page = (ROOT / "docs" / "embedding.md").read_text(encoding="utf-8")
    script = (ROOT / "docs" / "make_embedding.py").read_text(encoding="utf-8")
    for name in ("translation", "probes", "differences", "mlp", "nearest", "key"):
        assert f"<!-- {name} -->" in page
        assert f"<!-- end of {name} -->" in page
        assert json.dumps(name) in script
