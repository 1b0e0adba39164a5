"""Fitting of probes: they learn what is there, nothing where nothing is, and say how good they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="needs the extra 'probe' (scikit-learn)")

from tempocli.errors import DataError
from tempocli.training.probe.fit import Fitted, fit_probe
from tempocli.training.probe.labels import read_labels

pytestmark = pytest.mark.slow
DIM = 12


def made(labels: list[str], *, strength: float, seed: int = 0) -> list[np.ndarray]:
    """Return vectors in two parts; those of a label lie around a centre of its own."""
    rng = np.random.default_rng(seed)
    centres = {name: rng.normal(size=DIM) for name in sorted(set(labels))}
    vectors = np.stack([strength * centres[label] + rng.normal(size=DIM) for label in labels])
    noise = 100.0 * rng.normal(size=(len(labels), 5))
    return [vectors.astype(np.float32), noise.astype(np.float32)]


def fit(labels: list[str], groups: list[str] | None = None, **settings: float) -> Fitted:
    blocks = made(labels, **settings)
    sets = [frozenset({label}) for label in labels]
    names = sorted(set(labels))
    return fit_probe(blocks, sets, names, groups or [str(k) for k in range(len(labels))], single=True)


def test_structure_is_found_and_probabilities_are_calibrated() -> None:
    labels = [name for name in ("calm", "dark", "happy") for _ in range(40)]
    fitted = fit(labels, strength=1.0)
    assert fitted.score > 0.8
    assert fitted.interval[0] < fitted.score < fitted.interval[1]
    assert fitted.chance == pytest.approx(1 / 3)
    assert fitted.is_better_than_chance
    assert fitted.calibration_error < 0.12
    assert set(fitted.by_label) == {"calm", "dark", "happy"}
    logits = fitted.linear.logits(np.concatenate(made(labels, strength=1.0), axis=1).astype(np.float64))
    found = [sorted(set(labels))[place] for place in logits.argmax(axis=1)]
    assert np.mean([a == b for a, b in zip(found, labels, strict=True)]) > 0.85


def test_labels_at_random_are_no_better_than_chance() -> None:
    rng = np.random.default_rng(3)
    labels = [str(rng.choice(["a", "b"])) for _ in range(80)]
    fitted = fit(labels, strength=0.0)
    assert not fitted.is_better_than_chance
    assert fitted.score < 0.65


def test_two_labels_have_probabilities_that_add_up() -> None:
    labels = ["a"] * 20 + ["b"] * 30
    fitted = fit(labels, strength=2.0)
    assert fitted.linear.weights.shape == (DIM + 5, 2)
    assert fitted.score > 0.9


def test_a_group_is_never_split() -> None:
    """Tracks of an album are copies: split between training and testing, they would look perfect."""
    rng = np.random.default_rng(2)
    albums = [str(k) for k in range(24) for _ in range(3)]
    labels = ["a" if int(album) % 2 else "b" for album in albums]
    centres = {album: rng.normal(size=DIM) for album in dict.fromkeys(albums)}
    vectors = np.stack([centres[album] + 0.01 * rng.normal(size=DIM) for album in albums]).astype(np.float32)
    sets = [frozenset({label}) for label in labels]
    leaking = fit_probe([vectors], sets, ["a", "b"], [str(k) for k in range(72)], single=True)
    honest = fit_probe([vectors], sets, ["a", "b"], albums, single=True)
    assert leaking.score > 0.95
    assert honest.score < 0.85


def test_several_labels_a_track() -> None:
    rng = np.random.default_rng(1)
    vectors = rng.normal(size=(90, DIM)).astype(np.float32)
    tags = [("up", 0), ("slow", 1)]
    sets = [frozenset(name for name, place in tags if vector[place] > 0.3) for vector in vectors]
    fitted = fit_probe([vectors], sets, ["slow", "up"], [str(k) for k in range(90)], single=False)
    assert fitted.score > fitted.chance + 0.3
    assert min(fitted.by_label.values()) > 0.6
    assert fitted.calibration_error < 0.15


def test_too_few_groups_are_refused() -> None:
    labels = ["a", "b"] * 20
    with pytest.raises(DataError, match="3 groups, and 5 are needed"):
        fit(labels, [str(k % 3) for k in range(40)], strength=1.0)


def table(folder: Path, text: str) -> Path:
    path = folder / "labels.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_tables_are_read(tmp_path: Path) -> None:
    rows = [f"{k}.wav,{'calm' if k % 2 else 'happy'},album{k % 4}" for k in range(20)]
    rows += ["rare.wav,odd,x", "none.wav,,x"]
    labels = read_labels(table(tmp_path, "path,label,group\n" + "\n".join(rows)))
    assert (labels.single, labels.names, labels.dropped) == (True, ["calm", "happy"], {"odd": 1})
    assert len(labels.paths) == 20
    assert labels.paths[3] == str(tmp_path / "3.wav")
    assert labels.groups[5] == "album1"
    many = read_labels(
        table(tmp_path, "path,labels\n" + "".join(f"{k}.wav,a; b;\n{k}x.wav,b\n" for k in range(9)))
    )
    assert (many.single, many.names) == (False, ["a"])  # all tracks have b
    elsewhere = read_labels(
        table(tmp_path, "path,mood\n" + "".join(f"{k},{k % 2}\n" for k in range(20))),
        column="mood",
        home=Path("/music"),
    )
    assert elsewhere.paths[0] == "/music/0"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no tracks"),
        ("path,label\n", "has no tracks"),
        ("file,label\na,b\n", "needs the columns path and label; it has file, label"),
        ("path,mood\na,b\n", "needs the columns path and label; it has path, mood"),
        ("path,label\n,b\n", "line 2 has no path"),
        ("path,label\na.wav,b\na.wav,c\n", "line 3 names a.wav again"),
        ("path,label\na.wav,b\n", "too little to learn from: 0 labels have 8 tracks and more"),
        ('path,label\n"a.wav,b\n', "not a CSV in UTF-8"),
        ("path,label\n" + "".join(f"{k},a\n" for k in range(50)), "too little to learn from"),
    ],
)
def test_bad_tables_are_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message.replace("(", r"\(")):
        read_labels(table(tmp_path, text))


def test_a_missing_table_and_bytes_that_are_no_text(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No such file"):
        read_labels(tmp_path / "missing.csv")
    (tmp_path / "b.csv").write_bytes(b"path,label\n\xff\xfe,x\n")
    with pytest.raises(DataError, match="not a CSV in UTF-8"):
        read_labels(tmp_path / "b.csv")
