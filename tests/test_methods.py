"""Tempo by comparison with references, and by both methods."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner

from tempocli.batch import estimate_files
from tempocli.cli import cli
from tempocli.errors import ModelError
from tempocli.estimator import Estimator
from tempocli.inference.priors import OctavePrior
from tempocli.inference.references.patterns import PATTERNS, Reference, synthesise
from tempocli.inference.registry import list_models

if TYPE_CHECKING:
    from collections.abc import Callable

SAMPLE = Path(__file__).resolve().parents[1] / "docs" / "sample.ogg"
SAMPLE_BPM = 112.0
RATE = 22050


@pytest.fixture(scope="module")
def compare(compare_path: Path) -> Estimator:
    return Estimator(method="compare", device="cpu")


@pytest.fixture(scope="module")
def both(compare_path: Path, model_path: Path) -> Estimator:
    return Estimator(method="both", device="cpu")


@pytest.mark.parametrize("bpm", [61.3, 93.7, 128.0, 152.9])
def test_clicks(compare: Estimator, click_track: Callable[..., np.ndarray], bpm: float) -> None:
    found = compare.estimate_array(click_track(bpm, 30.0), RATE).bpm
    # Bare clicks have no octave of their own: a slow one may be heard as every other eighth note.
    assert min(abs(found / bpm - 1.0), abs(found / bpm - 2.0)) < 0.005


def test_the_sample_song(compare: Estimator) -> None:
    estimate = compare.estimate(SAMPLE)
    assert estimate.bpm == pytest.approx(SAMPLE_BPM, abs=0.05)
    assert estimate.model == "compare"
    assert estimate.candidates[0].bpm == estimate.bpm
    assert 0.0 < estimate.confidence <= 1.0
    assert estimate.by_method == ()
    assert len(estimate.curve) >= 2


@pytest.fixture(scope="module")
def periodicity() -> Estimator:
    return Estimator(method="periodicity")


@pytest.mark.parametrize("seconds", [0.0, 0.5, 0.89])
def test_too_short(compare: Estimator, seconds: float) -> None:
    estimate = compare.estimate_array(np.zeros(int(seconds * RATE), np.float32), RATE)
    assert (estimate.bpm, estimate.reason) == (None, "too short")


def test_both_is_the_default(both: Estimator) -> None:
    assert Estimator(device="cpu").settings() == both.settings()


def test_periodicity_alone(periodicity: Estimator) -> None:
    estimate = periodicity.estimate(SAMPLE)
    octaves = np.log2(estimate.bpm / SAMPLE_BPM)
    assert octaves == pytest.approx(round(octaves), abs=0.002)
    assert (estimate.model, periodicity.device) == ("periodicity", "cpu")
    assert estimate.by_method == ()
    assert 0.0 <= estimate.confidence <= 1.0


def test_periodicity_opens_no_session(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a session was opened")

    monkeypatch.setattr("tempocli.inference.classifier.open_session", refuse)
    monkeypatch.setattr("tempocli.inference.comparator.open_session", refuse)
    estimator = Estimator(method="periodicity")
    assert estimator.analyse(SAMPLE).embedding.shape == (0,)
    with pytest.raises(AssertionError, match="session"):
        Estimator(device="cpu")


@pytest.mark.slow
@pytest.mark.parametrize("method", ["classify", "compare", "both", "periodicity"])
def test_a_tempo_outside_the_range_is_answered_by_its_octave_or_not_at_all(
    method: str, compare_path: Path, model_path: Path
) -> None:
    fast = Estimator(method=method, device="cpu", min_bpm=200, max_bpm=240).estimate(SAMPLE)
    assert fast.bpm == pytest.approx(2 * SAMPLE_BPM, abs=0.1)
    assert all(200 <= candidate.bpm <= 240 for candidate in fast.candidates)
    outside = Estimator(method=method, device="cpu", min_bpm=120, max_bpm=140).estimate(SAMPLE)
    assert (outside.bpm, outside.reason) == (None, "no tempo between 120 and 140 BPM")
    assert (outside.candidates, outside.tempo_sections, outside.confidence) == ((), (), 0.0)


def test_silence(compare: Estimator) -> None:
    assert compare.estimate_array(np.zeros(20 * RATE, np.float32), RATE).reason == "silence"


def test_noise_has_no_pulse(compare: Estimator) -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, 40 * RATE).astype(np.float32)
    assert compare.estimate_array(noise, RATE).reason == "no steady pulse"


def test_both_reports_both(both: Estimator) -> None:
    estimate = both.estimate(SAMPLE)
    assert estimate.bpm == pytest.approx(SAMPLE_BPM, abs=0.05)
    assert estimate.model == "tempo+compare"
    assert dict(estimate.by_method).keys() == {"classify", "compare"}
    assert all(bpm == pytest.approx(SAMPLE_BPM, abs=0.05) for _, bpm in estimate.by_method)


def test_a_prior_counts_once(compare_path: Path, model_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(OctavePrior, "of", lambda self, bpms: bpms**-20.0)
    estimate = Estimator(method="both", device="cpu").estimate(SAMPLE)
    # The comparator alone now takes everything for slow; together, the prior is the other one's.
    assert dict(estimate.by_method)["compare"] < 0.6 * SAMPLE_BPM
    assert estimate.bpm == pytest.approx(SAMPLE_BPM, abs=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["compare", "both", "periodicity"])
def test_worker_processes_estimate_the_same(
    method: str, request: pytest.FixtureRequest, click_track: Callable[..., np.ndarray], tmp_path: Path
) -> None:
    estimator: Estimator = request.getfixturevalue(method)
    files = [str(SAMPLE), str(tmp_path / "clicks.wav")]
    soundfile.write(files[1], click_track(101.3, 20.0), RATE)
    alone = [estimator.estimate(path) for path in files]
    assert alone[0].model == estimator.model_name
    for jobs in (1, 2):
        assert [each.estimate for each in estimate_files(estimator, files, jobs=jobs)] == alone


def test_settings_name_method_and_models(compare: Estimator, both: Estimator) -> None:
    sums = {entry.name: entry.sha256[:16] for entry in list_models()}
    plain = Estimator(method="classify", device="cpu", min_bpm=60).settings()
    assert plain["model"]["sha256"] == sums["tempo"]
    assert (plain["method"], plain["min_bpm"], plain["max_bpm"], plain["top"]) == ("classify", 60, 300, 5)
    assert compare.settings()["model"]["sha256"] == sums["compare"]
    assert compare.settings()["model"]["references"] == "built-in 1"
    assert Estimator(method="periodicity").settings()["model"]["name"] == "periodicity"
    members = both.settings()["model"]["members"]
    assert [member["sha256"] for member in members] == [sums["tempo"], sums["compare"]]
    assert all(json.loads(json.dumps(each.settings())) == each.settings() for each in (compare, both))


@pytest.mark.slow
def test_settings_follow_the_contents_of_own_references(compare_path: Path, tmp_path: Path) -> None:
    def settings(seconds: float) -> dict[str, Any]:
        loop = synthesise(Reference("kick-hat", 90.0), sample_rate=RATE, n_samples=round(seconds * RATE))
        soundfile.write(tmp_path / "90bpm.wav", loop, RATE)
        return Estimator(method="compare", references=tmp_path, device="cpu").settings()

    assert settings(16 / 3) == settings(16 / 3) != settings(8 / 3)


def test_a_batch_by_another_method_is_not_gone_on_with(
    compare_path: Path, model_path: Path, tmp_path: Path
) -> None:
    command = ["estimate", str(SAMPLE), "-o", str(tmp_path / "out.csv"), "--resume"]
    assert CliRunner().invoke(cli, command).exit_code == 0
    refused = CliRunner().invoke(cli, [*command, "--method", "compare"])
    assert refused.exit_code == 1
    assert "method both, now compare" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1


def test_a_range_holds_for_comparison(compare_path: Path, click_track: Callable[..., np.ndarray]) -> None:
    estimator = Estimator(method="compare", device="cpu", min_bpm=150, max_bpm=300)
    assert estimator.estimate_array(click_track(90.0, 30.0), RATE).bpm == pytest.approx(180.0, rel=0.01)


@pytest.mark.slow
def test_own_references(compare_path: Path, tmp_path: Path, click_track: Callable[..., np.ndarray]) -> None:
    for bpm in (70.0, 110.0, 170.0):
        samples = synthesise(
            Reference("kick-hat", bpm), sample_rate=RATE, n_samples=round(8 * 60 / bpm * RATE)
        )
        soundfile.write(tmp_path / f"mine {bpm:.0f}bpm.wav", samples, RATE)
    estimator = Estimator(method="compare", references=tmp_path, device="cpu")
    assert estimator.estimate_array(click_track(122.0, 30.0), RATE).bpm == pytest.approx(122.0, rel=0.01)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"method": "guess"}, "none of both, classify, compare, periodicity"),
        ({"method": "classify", "references": "."}, "no use"),
        ({"method": "periodicity", "references": "."}, "no use"),
        ({"method": "periodicity", "model": "tempo"}, "has no model"),
    ],
)
def test_wrong_settings(settings: dict[str, str], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Estimator(**settings)


def test_a_model_of_the_other_method_is_refused(compare_path: Path, model_path: Path) -> None:
    with pytest.raises(ModelError):
        Estimator("tempo", method="compare")
    with pytest.raises(ModelError):
        Estimator("compare", method="classify")


@pytest.mark.slow
def test_both_on_the_command_line(compare_path: Path, model_path: Path) -> None:
    result = CliRunner().invoke(cli, ["estimate", "--method", "both", "--format", "json", str(SAMPLE)])
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    schema = json.loads((SAMPLE.parent / "estimate.schema.json").read_text())
    pytest.importorskip("jsonschema").validate(document, schema)
    assert document["results"][0]["by_method"].keys() == {"classify", "compare"}


def test_references_without_comparison_are_wrong_usage(tmp_path: Path) -> None:
    command = ["estimate", "--method", "classify", "--references", str(tmp_path), str(SAMPLE)]
    result = CliRunner().invoke(cli, command)
    assert result.exit_code == 2
    assert "--references needs --method" in result.stderr


def test_a_model_for_the_baseline_is_wrong_usage() -> None:
    result = CliRunner().invoke(cli, ["estimate", "--method", "periodicity", "--model", "tempo", str(SAMPLE)])
    assert result.exit_code == 2
    assert "--method periodicity has no --model" in result.stderr


@pytest.mark.slow
def test_what_is_exported_can_be_compared_with(compare_path: Path, tmp_path: Path) -> None:
    folder = tmp_path / "references"
    export = ["references", "export", str(folder), "--bpm", "84", "--bpm", "112", "--bpm", "150"]
    assert CliRunner().invoke(cli, export).exit_code == 0
    assert len(list(folder.iterdir())) == 3 * len(PATTERNS)
    again = ["estimate", "--method", "compare", "--references", str(folder), str(SAMPLE)]
    result = CliRunner().invoke(cli, again)
    assert result.exit_code == 0, result.output
    assert float(result.stdout) == pytest.approx(SAMPLE_BPM, abs=0.1)
