"""Fixtures that several test files share: click tracks of known tempo, audio files, the data of ../shared."""

from __future__ import annotations

import logging
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import soundfile
from browser import Page, start_chromium, tidy
from clicks import make_clicks
from fake_estimator import FakeEstimator
from hypothesis import HealthCheck, settings

import tempocli.estimator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parents[1]
MODEL = ROOT / "models" / "tempo.onnx"
COMPARE_MODEL = ROOT / "models" / "compare.onnx"
SHARED_DATA = ROOT.parent / "shared" / "data"

# Speed is for benchmarks; on a busy machine an example may take any time, and so may the drawing of it.
settings.register_profile("tempo", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tempo")

# A shell starts what runs in the background deaf to Ctrl-C, and so would be the commands that tests start.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _no_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the configuration file and variables of whoever runs the tests away from them."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("TEMPO_")]:
            patch.delenv(name)
        patch.setenv("XDG_CONFIG_HOME", str(tmp_path_factory.mktemp("config")))
        yield


@pytest.fixture(autouse=True)
def _log_level() -> Iterator[None]:
    """Undo what -v and -q of a command that a test ran in this process have set."""
    logger = logging.getLogger("tempocli")
    level = logger.level
    yield
    logger.setLevel(level)


@pytest.fixture(scope="session")
def click_track() -> Callable[..., NDArray[np.float32]]:
    """`click_track(bpm, duration=20.0, sample_rate=22050, start=0.25)` -> mono float32 samples."""
    return make_clicks


@pytest.fixture
def write_wav(tmp_path: Path) -> Callable[..., Path]:
    """`write_wav(samples, sample_rate=22050, name="audio.wav", subtype="PCM_16")` -> its path."""

    def write(
        samples: NDArray[np.float32],
        sample_rate: int = 22050,
        *,
        name: str = "audio.wav",
        subtype: str = "PCM_16",
    ) -> Path:
        path = tmp_path / name
        soundfile.write(path, samples, sample_rate, subtype=subtype)
        return path

    return write


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str], str]:
    """`write(name, text)` -> the path of a text file."""

    def write(name: str, text: str) -> str:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return str(path)

    return write


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder ../shared/data, which holds dev.csv; tests that need it are skipped where it is absent."""
    if not (SHARED_DATA / "dev.csv").is_file():
        pytest.skip("needs ../shared/data/dev.csv, which is not here")
    return SHARED_DATA


@pytest.fixture(scope="session")
def model_path() -> Path:
    """The model that ships, models/tempo.onnx."""
    if not MODEL.is_file():
        pytest.skip("needs models/tempo.onnx, which is not here")
    return MODEL


@pytest.fixture(scope="session")
def compare_path() -> Path:
    """The comparator that ships, models/compare.onnx."""
    if not COMPARE_MODEL.is_file():
        pytest.skip("needs models/compare.onnx, which is not here")
    return COMPARE_MODEL


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> type[FakeEstimator]:
    monkeypatch.setattr(tempocli.estimator, "Estimator", FakeEstimator)
    return FakeEstimator


@pytest.fixture
def music(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fake: type[FakeEstimator]) -> Path:
    """The current folder, with a folder of files whose names are their tempi."""
    (tmp_path / "music" / "old").mkdir(parents=True)
    for name in ("100.wav", "120.mp3", "old/90.flac"):
        (tmp_path / "music" / name).touch()
    for name in ("128.wav", "silent.wav", "broken.wav", "bug.wav"):
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def chromium(model_path: Path) -> Iterator[Any]:
    """A browser without a window."""
    driver = start_chromium()
    yield driver
    driver.quit()


@pytest.fixture
def page(chromium: Any) -> Iterator[Page]:
    yield Page(chromium)
    tidy(chromium)
