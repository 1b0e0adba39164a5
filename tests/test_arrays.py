"""Arrays wherever a file can be given: the same answers as for files, and one error for what is none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from fake_estimator import FakeEstimator

from tempocli.audio import load_audio
from tempocli.audio.parts import source_blocks
from tempocli.batch import process_files
from tempocli.beats.tracker import BeatTracker
from tempocli.embedding.embedder import Embedder
from tempocli.embedding.segmentation.segmenter import Segmenter
from tempocli.errors import AudioError
from tempocli.estimator import Estimator
from tempocli.schema import Part

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

NOISE = np.random.default_rng(0).uniform(-0.5, 0.5, 30_000).astype(np.float32)


@pytest.fixture(scope="module")
def estimator(model_path: Path) -> Estimator:
    return Estimator(model_path, method="classify", device="cpu")


class Tensor:
    """What other libraries give: no array, but it can be converted to one."""

    def __init__(self, samples: NDArray[Any]) -> None:
        self._samples = samples

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        if self._samples is NOISE:
            return NOISE
        raise TypeError("it is on the GPU")


def read(source: Any, rate: Any = None, part: Part | None = None, *, wanted: int = 8000) -> NDArray[Any]:
    return np.concatenate(list(source_blocks(source, rate, part, wanted_rate=wanted)))


def test_a_tensor_is_taken_as_the_array_that_it_is() -> None:
    np.testing.assert_array_equal(read(Tensor(NOISE), 8000), NOISE)


@pytest.mark.parametrize("wanted", [8000, 11025])
def test_a_part_of_an_array_is_that_of_a_file(write_wav: Callable[..., Path], wanted: int) -> None:
    path = write_wav(NOISE, 8000)
    samples = load_audio(path, sample_rate=8000)
    part = Part(0.5, 1.25)
    np.testing.assert_array_equal(
        read(samples, 8000, part, wanted=wanted), read(path, None, part, wanted=wanted)
    )


@pytest.mark.parametrize(
    ("source", "rate", "message"),
    [
        ([0.0, 0.5], 22050, "a list is not an array of samples: convert it with numpy.asarray"),
        ((0.0, 0.5), 22050, "a tuple is not an array"),
        (NOISE, None, "its sample rate is not given"),
        ([0.0, 0.5], None, "its sample rate is not given"),
        (NOISE, "44100", "its sample rate is of type str, not a number"),
        (NOISE.reshape(2, -1), 22050, "more channels than samples: transpose it"),
        (Tensor(NOISE[1:]), 22050, "a Tensor cannot be converted to a numpy array: it is on the GPU"),
        (None, None, "a NoneType is neither a path, a binary stream nor an array of samples"),
        (3.5, 22050, "a float is neither a path"),
        ({"samples": NOISE}, 22050, "a dict is neither a path"),
    ],
)
def test_what_cannot_be_used_has_one_clear_error(source: Any, rate: Any, message: str) -> None:
    with pytest.raises(AudioError, match=message) as caught:
        read(source, rate)
    assert "\n" not in str(caught.value)


def test_a_part_beyond_the_end_of_an_array() -> None:
    with pytest.raises(AudioError, match="array"):
        read(NOISE, 8000, Part(10.0))


def test_a_file_has_its_own_sample_rate(write_wav: Callable[..., Path]) -> None:
    with pytest.raises(ValueError, match="arrays only"):
        read(write_wav(NOISE, 8000), 8000)


@pytest.mark.slow
def test_all_calls_take_arrays(estimator: Estimator, click_track: Callable[..., NDArray[Any]]) -> None:
    clicks = click_track(120.0, 30.0)
    expected = estimator.estimate_array(clicks, 22050)
    assert expected.bpm == pytest.approx(120.0, abs=0.05)
    assert estimator.estimate(clicks, 22050) == expected
    analysis = estimator.analyse_array(clicks, 22050)
    assert analysis.estimate == estimator.analyse(clicks, 22050).estimate == expected
    assert len(analysis.embeddings) == len(analysis.times) > 1
    np.testing.assert_allclose(analysis.embeddings.mean(axis=0), analysis.embedding)
    assert list(analysis.tempograms) == ["classify"]
    np.testing.assert_allclose(analysis.tempograms["classify"], analysis.tempogram, atol=1e-6)
    part = estimator.analyse(clicks, 22050, start=10.0, duration=15.0)
    assert part.start == 10.0
    assert part.times[0] > 10.0
    tracker, embedder = BeatTracker(), Embedder()
    assert tracker.track(clicks, 22050) == tracker.track_array(clicks, 22050)
    np.testing.assert_array_equal(
        embedder.embed(clicks, 22050).vector, embedder.embed_array(clicks, 22050).vector
    )


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 3])
def test_many_sources_in_order(
    estimator: Estimator, click_track: Callable[..., NDArray[Any]], write_wav: Callable[..., Path], jobs: int
) -> None:
    path = write_wav(click_track(90.0, 15.0), 22050)
    sources: list[Any] = [click_track(120.0, 15.0), path, [1.0, 2.0], "missing.wav", click_track(140.0, 15.0)]
    results = list(estimator.estimate_many(iter(sources), 22050, jobs=jobs))
    assert [result.path for result in results] == ["array 0", str(path), "array 2", "missing.wav", "array 4"]
    assert results[1].estimate == estimator.estimate(path)
    assert results[4].estimate == estimator.estimate(sources[4], 22050)
    assert [result.error is None for result in results] == [True, True, False, False, True]
    assert "a list is not an array" in str(results[2].error)


def test_many_sources_need_a_thread(estimator: Estimator) -> None:
    with pytest.raises(ValueError, match="jobs"):
        estimator.estimate_many([], jobs=0)


@pytest.mark.parametrize("wrong", [NOISE, 5, None, [1.0]], ids=["array", "number", "none", "list"])
def test_a_batch_of_files_takes_no_arrays(wrong: Any) -> None:
    with pytest.raises(
        AudioError, match=r"neither a path nor an input; arrays go to Estimator\.estimate_many"
    ):
        list(process_files(FakeEstimator(), [wrong]))


@pytest.mark.slow
def test_a_segmenter_has_the_same_errors() -> None:
    for call in (Segmenter().segment, BeatTracker().track, Embedder().embed):
        for wrong in ([0.0, 0.5], NOISE.reshape(2, -1), 5, NOISE.astype("U1")):
            with pytest.raises(AudioError):
                call(wrong, 22050)
