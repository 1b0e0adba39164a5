"""``tempo evaluate`` on the files of a table: how they are estimated, and what is saved."""

from __future__ import annotations

import csv
import json
from dataclasses import asdict
from pathlib import Path

import pytest
from commands import evaluate as invoke
from commands import scores

from tempocli.errors import AudioError
from tempocli.schema import Candidate, Estimate, Outcome


class FakeEstimator:
    """Stands in for a model: the tempo of a file is its text."""

    device = "cpu"

    created = None

    def __init__(self, model=None, **settings):
        type(self).created = settings
        self.model_name = str(model)

    @classmethod
    def from_options(cls, options):
        return cls(options.model, **asdict(options.search))

    def portable(self):
        return self

    def connect(self, encode):
        return self

    def encode(self, windows):
        raise AssertionError("there is nothing to encode")

    def process(self, source):
        return Outcome(estimate=self.estimate(source))

    def estimate(self, source):
        path = Path(source)
        if not path.exists():
            raise AudioError(str(source), "no such file")
        bpm = float(path.read_text(encoding="utf-8"))
        candidates = (Candidate(bpm, 0.7, "1"), Candidate(bpm / 2, 0.2, "1/2"))
        return Estimate(
            bpm, 0.8, 0.9, candidates, None, 60.0, self.model_name, bpm_error=0.1, steady=bpm > 70.0
        )


@pytest.fixture
def tracks(tmp_path, write, monkeypatch):
    monkeypatch.setattr("tempocli.estimator.Estimator", FakeEstimator)
    (tmp_path / "a").mkdir()
    for name, bpm in (("one", 100.1), ("two", 62.5)):
        (tmp_path / "a" / f"{name}.wav").write_text(str(bpm), encoding="utf-8")
    return write("ref.csv", "path,bpm,bpm2\na/one.wav,100,\na/two.wav,125,62\n")


@pytest.mark.slow
def test_estimator_runs_on_files_beside_the_table(tracks, tmp_path):
    report = scores(tracks, "--jobs", "2")
    assert (FakeEstimator.created["min_bpm"], FakeEstimator.created["max_bpm"]) == (30, 300)
    assert report["accuracy1"]["value"] == pytest.approx(50.0)
    assert report["accuracy2"]["value"] == pytest.approx(100.0)
    assert report["p_score"]["value"] == pytest.approx(50.0)


@pytest.mark.slow
def test_saved_estimates_score_the_same(tracks, tmp_path):
    saved = tmp_path / "saved.csv"
    direct = scores(tracks, "--save", saved)
    with saved.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[0] == {
        "path": "a/one.wav",
        "bpm": "100.1",
        "bpm2": "50.05",
        "confidence": "0.8",
        "octave_confidence": "0.9",
        "bpm_error": "0.1",
        "steady": "true",
    }
    again = scores(tracks, "--estimates", saved)
    assert {**again, "estimates": None} == direct


@pytest.mark.slow
def test_a_missing_file_counts_as_missing_and_exits_3(tracks, tmp_path):
    (tmp_path / "a" / "two.wav").unlink()
    result = invoke(tracks, "--format", "json")
    assert result.exit_code == 3
    report = json.loads(result.stdout)
    assert (report["n"], report["n_missing"]) == (2, 1)
    assert report["relations"]["missing"]["value"] == pytest.approx(50.0)
    assert result.stderr.count("\n") == 1
    assert "two.wav" in result.stderr
    assert "no such file" in result.stderr


@pytest.mark.slow
@pytest.mark.usefixtures("fake")
def test_a_file_that_hangs_counts_as_missing_and_exits_3(write, tmp_path, monkeypatch):
    monkeypatch.setattr("tempocli.cli.commands.evaluate.TIMEOUT", 2.0)
    for name in ("hang.wav", "100.wav"):
        (tmp_path / name).touch()
    result = invoke(write("ref.csv", "path,bpm\nhang.wav,100\n100.wav,100\n"), "--format", "json")
    assert result.exit_code == 3
    assert json.loads(result.stdout)["n_missing"] == 1
    assert result.stderr.endswith("hang.wav: took longer than 2 s\n")


def test_save_fails_before_the_work_when_it_cannot_write(tracks, tmp_path, monkeypatch):
    monkeypatch.setattr(FakeEstimator, "estimate", lambda *_: pytest.fail("work was done in vain"))
    result = invoke(tracks, "--save", tmp_path / "nowhere" / "saved.csv")
    assert result.exit_code != 0
    assert not isinstance(result.exception, AssertionError)


@pytest.mark.slow
def test_a_real_model_on_clicks(click_track, write_wav, write):
    for bpm in (90, 128):
        write_wav(click_track(bpm, 15.0), name=f"{bpm}.wav")
    report = scores(write("ref.csv", "path,bpm\n90.wav,90\n128.wav,128\n"), "--device", "cpu")
    assert report["n_missing"] == 0
    assert report["accuracy2_1pct"]["value"] == pytest.approx(100.0)


@pytest.mark.slow
def test_several_references_are_scored_together(write, tracks, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "three.wav").write_text("90", encoding="utf-8")
    other = write("other/ref2.csv", "path,bpm\nthree.wav,90\n")
    report = scores(tracks, other)
    assert report["reference"] == [tracks, other]
    assert report["n"] == 3
    assert report["accuracy1"]["value"] == pytest.approx(200 / 3)
    saved = tmp_path / "saved.csv"
    again = scores(tracks, other, "--save", saved)
    assert {**scores(tracks, other, "--estimates", saved), "estimates": None} == again


def test_a_path_of_two_references_must_be_one_file(write, tracks, tmp_path):
    (tmp_path / "other").mkdir()
    other = write("other/ref2.csv", "path,bpm\na/one.wav,90\n")
    result = invoke(tracks, other, "--save", tmp_path / "saved.csv")
    assert result.exit_code == 1
    assert "a/one.wav is another file in" in result.stderr
    assert not (tmp_path / "saved.csv").exists()


@pytest.mark.slow
def test_the_range_reaches_the_estimator(tracks):
    report = scores(tracks, "--min-bpm", "60", "--max-bpm", "119")
    assert (FakeEstimator.created["min_bpm"], FakeEstimator.created["max_bpm"]) == (60.0, 119.0)
    assert report["accuracy1"]["value"] == pytest.approx(100.0)
