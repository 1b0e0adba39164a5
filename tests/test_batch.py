"""Files are found in a settled order and estimated in it; what kills a worker costs one file."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
import pytest
from fake_estimator import SLOW_SECONDS, FakeEstimator, make_estimate
from hypothesis import given
from hypothesis import strategies as st

from tempocli.batch import Selection, estimate_files, find_files
from tempocli.batch import pool as pool_module
from tempocli.batch.merging import MergingEncoder
from tempocli.errors import TempoError
from tempocli.estimator import Estimator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tempocli.schema import FileResult


def touch(folder: Path, *names: str) -> list[str]:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return [str(folder / name) for name in names]


class TestFindFiles:
    def found(self, folder: Path, **selection: tuple[str, ...]) -> list[str]:
        return [os.path.relpath(path, folder) for path in find_files([folder], Selection(**selection))]

    def test_files_stand_for_themselves(self, tmp_path: Path) -> None:
        touch(tmp_path, "notes.txt")
        paths = [str(tmp_path / "notes.txt"), "missing.wav", "-"]
        assert list(find_files(paths)) == paths

    def test_folders_are_searched_in_order(self, tmp_path: Path) -> None:
        touch(
            tmp_path,
            "b/2.mp3",
            "b/10.FLAC",
            "a.wav",
            "c.txt",
            ".hidden.wav",
            ".git/x.wav",
            "b/._2.mp3",
            "z.ogg",
        )
        assert self.found(tmp_path) == ["a.wav", "b/10.FLAC", "b/2.mp3", "z.ogg"]

    def test_relative_folders_give_relative_paths(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        touch(tmp_path, "music/a.wav")
        monkeypatch.chdir(tmp_path)
        assert list(find_files(["music", "."])) == ["music/a.wav", "./music/a.wav"]

    def test_loops_of_links_end(self, tmp_path: Path) -> None:
        touch(tmp_path, "a/song.wav")
        (tmp_path / "a" / "loop").symlink_to(tmp_path)
        (tmp_path / "again").symlink_to(tmp_path / "a")
        assert list(find_files([tmp_path])) == [str(tmp_path / "a" / "song.wav")]

    def test_links_that_lead_nowhere_are_reported_and_cost_no_other_file(self, tmp_path: Path) -> None:
        touch(tmp_path, "song.wav")
        (tmp_path / "itself.wav").symlink_to("itself.wav")
        (tmp_path / "dangling.wav").symlink_to(tmp_path / "nowhere.wav")
        (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
        assert self.found(tmp_path) == ["dangling.wav", "itself.wav", "song.wav"]

    def test_links_to_files_and_folders_are_followed(self, tmp_path: Path) -> None:
        touch(tmp_path, "real/song.wav")
        (tmp_path / "music").mkdir()
        (tmp_path / "music" / "folder").symlink_to(tmp_path / "real")
        (tmp_path / "music" / "link.wav").symlink_to(tmp_path / "real" / "song.wav")
        assert self.found(tmp_path / "music") == ["folder/song.wav", "link.wav"]

    def test_only_regular_files_are_taken_from_folders(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe.wav")
        (tmp_path / "folder.wav").mkdir()
        touch(tmp_path, "song.wav")
        assert self.found(tmp_path) == ["song.wav"]

    def test_a_folder_without_audio_stands_for_itself(self, tmp_path: Path) -> None:
        touch(tmp_path, "a/notes.txt", "b/song.wav")
        assert list(find_files([tmp_path / "a", tmp_path / "b"])) == [
            str(tmp_path / "a"),
            str(tmp_path / "b" / "song.wav"),
        ]

    def test_names_need_not_be_utf8(self, tmp_path: Path) -> None:
        raw = os.fsencode(tmp_path) + b"/caf\xe9\n.wav"
        with open(raw, "wb"):
            pass
        assert [os.fsencode(path) for path in find_files([tmp_path])] == [raw]

    def test_is_lazy(self) -> None:
        def paths() -> Iterator[str]:
            yield "first.wav"
            raise AssertionError("read too far")

        assert next(find_files(paths())) == "first.wav"

    def test_folders_below_are_read_when_their_turn_comes(self, tmp_path: Path) -> None:
        touch(tmp_path, "a/1.wav", "b/2.wav")
        files = find_files([tmp_path])
        assert next(files).endswith("1.wav")
        touch(tmp_path, "b/3.wav")
        assert [os.path.basename(path) for path in files] == ["2.wav", "3.wav"]

    @pytest.mark.slow
    def test_trees_may_be_deeper_than_pythons_stack(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        depth = 1200
        for _ in range(depth):  # one by one, for a path of that length is refused
            os.mkdir("a")
            os.chdir("a")
        touch(tmp_path, "z.wav")
        try:
            assert list(find_files([tmp_path]))[-1] == str(tmp_path / "z.wav")
        finally:
            for _ in range(depth):  # pytest's own way to delete it is not up to it
                os.chdir("..")
                os.rmdir("a")

    def test_patterns(self, tmp_path: Path) -> None:
        touch(tmp_path, "a/Live/1.mp3", "a/2.MP3", "a/2.wav", "b/3.mp3", "b/take.bin")
        assert self.found(tmp_path, include=("*.mp3",)) == ["a/2.MP3", "a/Live/1.mp3", "b/3.mp3"]
        assert self.found(tmp_path, exclude=("live", "3.*")) == ["a/2.MP3", "a/2.wav"]
        assert self.found(tmp_path, include=("*.bin", "a/*.wav")) == ["a/2.wav", "b/take.bin"]
        assert self.found(tmp_path, exclude=("a/live/",)) == ["a/2.MP3", "a/2.wav", "b/3.mp3"]

    def test_patterns_are_for_folders_only(self, tmp_path: Path) -> None:
        song = touch(tmp_path, "song.wav")
        assert list(find_files(song, Selection(exclude=("*",)))) == song

    @given(st.lists(st.sampled_from(["a", "a/b", "c.wav", "a/d.wav", "a/b/c.wav"]), max_size=4))
    def test_exclude_wins(self, patterns: list[str]) -> None:
        selection = Selection(include=tuple(patterns), exclude=tuple(patterns))
        assert not any(selection.takes(name) for name in patterns)

    @pytest.mark.slow
    def test_memory_does_not_grow_with_the_number_of_files(self, tmp_path: Path) -> None:
        # 100,000 paths: one folder of 1,000, reached by 100 names of a list.
        touch(tmp_path, *(f"{number:04d}.wav" for number in range(1000)))
        tracemalloc.start()
        try:
            count = sum(1 for _ in find_files(str(tmp_path) for _ in range(100)))
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert count == 100_000
        assert peak < 3_000_000


def bpms(results: list[FileResult]) -> list[float | None]:
    return [result.estimate and result.estimate.bpm for result in results]


class TestEstimateFiles:
    @pytest.mark.parametrize("jobs", [1, 4])
    def test_keeps_the_order(self, tmp_path: Path, jobs: int) -> None:
        names = [f"{bpm}{'late' if bpm % 3 == 0 else ''}.wav" for bpm in range(100, 130)]
        results = list(estimate_files(FakeEstimator(), touch(tmp_path, *names), jobs=jobs))
        assert bpms(results) == list(range(100, 130))
        assert [os.path.basename(result.path) for result in results] == names

    def test_unreadable_inputs_become_errors(self, tmp_path: Path) -> None:
        files = touch(tmp_path, "99.wav", "broken.wav", "101.wav")
        (tmp_path / "folder").mkdir()
        files[2:2] = [str(tmp_path / "gone.wav"), str(tmp_path / "folder"), "null\0"]
        results = list(estimate_files(FakeEstimator(), files, jobs=2))
        assert [result.error for result in results][:4] == [
            None,
            "not audio",
            "No such file or directory",
            "no audio files in this folder",
        ]
        assert results[4].error
        assert bpms(results) == [99, None, None, None, None, 101]

    @pytest.mark.parametrize(
        ("name", "reason"),
        [
            ("crash.wav", "its decoder crashed (SIGSEGV)"),
            ("killed.wav", "its worker was killed (SIGKILL), as the system does when memory runs out"),
            ("exit.wav", "its decoder ended the process (exit status 7)"),
            ("memory.wav", "too little memory"),
            ("bug.wav", "internal error: ZeroDivisionError: a bug (please report this)"),
        ],
    )
    def test_what_harms_a_worker_costs_one_file(self, tmp_path: Path, name: str, reason: str) -> None:
        files = touch(tmp_path, "90.wav", name, "91.wav", f"again {name}", "92.wav")
        results = list(estimate_files(FakeEstimator(), files, jobs=2))
        assert bpms(results) == [90, None, 91, None, 92]
        assert [result.error for result in results] == [None, reason, None, reason, None]
        assert results[1].fingerprint is not None

    @pytest.mark.slow
    def test_a_file_that_hangs_is_given_up(self, tmp_path: Path) -> None:
        files = touch(tmp_path, "90.wav", "hang.wav", "91.wav")
        results = list(estimate_files(FakeEstimator(), files, jobs=1, timeout=3))
        assert [result.error for result in results] == [None, "took longer than 3 s", None]

    def test_looks_ahead_no_further_than_it_must(self) -> None:
        taken = []

        def files() -> Iterator[str]:
            for number in range(1000):
                taken.append(number)
                yield f"missing{number}"

        results = estimate_files(FakeEstimator(), files(), jobs=2)
        assert not taken
        for _ in range(10):
            next(results)
        time.sleep(0.5)
        assert len(taken) <= 10 + 1 + 2 * pool_module._AHEAD
        results.close()

    @pytest.mark.slow
    def test_memory_does_not_grow_with_the_number_of_files(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """100,000 paths, through all but the processes."""

        class WorkerHandle:
            def __init__(self, *_: object, **__: object) -> None:
                pass

            def process(self, path: str, part: object) -> object:
                return Done(FileResult(path, error="x"))

            def close(self) -> None:
                pass

        from tempocli.batch import worker_handle as seat_module
        from tempocli.batch.worker import Done
        from tempocli.schema import FileResult

        monkeypatch.setattr(seat_module, "WorkerHandle", WorkerHandle)
        tracemalloc.start()
        try:
            files = (f"/music/{number}.wav" for number in range(100_000))
            count = sum(1 for _ in estimate_files(FakeEstimator(), files, jobs=2))
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert count == 100_000
        assert peak < 1_000_000

    def test_workers_work_at_the_same_time(self, tmp_path: Path) -> None:
        """Each of four files waits until the others, too, are being read."""
        files = touch(tmp_path, *(f"{number} meet 4.wav" for number in range(100, 104)))
        results = list(estimate_files(FakeEstimator(), files, jobs=4))
        assert [result.error for result in results] == [None] * 4

    def test_the_session_encodes_for_the_workers(self, tmp_path: Path) -> None:
        results = list(estimate_files(FakeEstimator(), touch(tmp_path, "remote.wav", "90.wav"), jobs=2))
        assert bpms(results) == [42.0 + 82.0, 90]

    def test_a_failing_session_is_no_failure_of_a_file(self, tmp_path: Path) -> None:
        class Failing(FakeEstimator):
            def encode(self, windows: object) -> object:
                raise RuntimeError("out of GPU memory")

        with pytest.raises(RuntimeError, match="GPU memory"):
            list(estimate_files(Failing(), touch(tmp_path, "remote.wav"), jobs=2))

    def test_a_failing_list_is_raised(self, tmp_path: Path) -> None:
        def files() -> Iterator[str]:
            yield from touch(tmp_path, "90.wav")
            raise OSError(5, "Input/output error", "list")

        results = estimate_files(FakeEstimator(), files())
        assert next(results).estimate
        with pytest.raises(OSError, match="list"):
            next(results)

    def test_the_log_of_a_worker_is_heard(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.WARNING, "tempocli"):
            list(estimate_files(FakeEstimator(), touch(tmp_path, "damaged.wav")))
        assert [record.getMessage() for record in caplog.records] == ["damaged.wav: damaged"]

    def test_stopping_ends_with_what_is_under_way(self, tmp_path: Path) -> None:
        files = touch(tmp_path, *(f"{number}late.wav" for number in range(50)))
        stop = threading.Event()
        results = []
        for result in estimate_files(FakeEstimator(), files, jobs=2, stop=stop):
            results.append(result.path)
            stop.set()
        assert 1 <= len(results) < 50
        assert results == files[: len(results)]

    def test_closing_ends_the_workers_at_once(self, tmp_path: Path) -> None:
        results = estimate_files(FakeEstimator(), touch(tmp_path, "90.wav", "slow.wav"), jobs=1)
        next(results)
        start = time.monotonic()
        results.close()
        assert time.monotonic() - start < SLOW_SECONDS / 2

    def test_stamps_tell_files_apart(self, tmp_path: Path) -> None:
        (tmp_path / "1.wav").write_bytes(b"abc")
        paths = [str(tmp_path / "1.wav"), "missing.wav"]
        first, second = estimate_files(FakeEstimator(), paths)
        assert first.fingerprint is not None
        assert (first.fingerprint.size, first.fingerprint.sha256) == (3, None)
        assert first.fingerprint.mtime_ns == os.stat(tmp_path / "1.wav").st_mtime_ns
        assert second.fingerprint is None
        hashed = next(iter(list(estimate_files(FakeEstimator(), paths, hashed=True))))
        assert hashed.fingerprint is not None
        assert hashed.fingerprint.sha256 == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

    def test_a_dash_is_standard_input_only_where_it_is_given(self) -> None:
        given = list(estimate_files(FakeEstimator(), ["-"], stdin=BytesIO(b"77")))
        assert [result.estimate for result in given] == [make_estimate(77.0, model="fake")]
        (missing,) = estimate_files(FakeEstimator(), ["-"])
        assert missing.error == "No such file or directory"

    def test_nothing_gives_nothing(self) -> None:
        assert list(estimate_files(FakeEstimator(), [], jobs=4)) == []

    @pytest.mark.slow
    def test_workers_that_cannot_start_end_the_batch(self, tmp_path: Path) -> None:
        class Unable(FakeEstimator):
            def portable(self) -> object:
                return Unportable()

        with pytest.raises(TempoError, match="cannot be started"):
            list(estimate_files(Unable(), touch(tmp_path, "90.wav")))


class Unportable:
    def connect(self, encode: object) -> object:
        sys.exit(1)


@pytest.mark.slow
class TestRealModel:
    def test_a_batch_is_the_same_as_one_by_one(
        self, model_path: Path, click_track: Callable[..., np.ndarray], write_wav: Callable[..., Path]
    ) -> None:
        estimator = Estimator(model_path, device="cpu")
        tracks = [(70.0, 8.0), (101.3, 15.0), (128.0, 60.0), (90.0, 2.0), (174.0, 25.0)]
        files = [str(write_wav(click_track(bpm, length), name=f"{bpm}.wav")) for bpm, length in tracks]
        alone = [estimator.estimate(path) for path in files]
        for jobs in (1, 3):
            assert [result.estimate for result in estimate_files(estimator, files, jobs=jobs)] == alone

    def test_windows_of_many_files_in_one_call_give_the_same_tempi(
        self, model_path: Path, click_track: Callable[..., np.ndarray]
    ) -> None:
        estimator = Estimator(model_path, device="cpu")
        merged = estimator.portable(encodes_here=True).connect(MergingEncoder(estimator.encode).encode)
        tracks = [click_track(bpm, 20.0) for bpm in (70.0, 101.3, 128.0, 174.0)] * 2
        alone = [estimator.estimate_array(track, 22050) for track in tracks]
        with ThreadPoolExecutor(4) as threads:
            together = list(threads.map(lambda track: merged.estimate_array(track, 22050), tracks))
        for one, other in zip(alone, together, strict=True):
            assert other.bpm == pytest.approx(one.bpm, abs=1e-4)
            assert other.confidence == pytest.approx(one.confidence, abs=1e-4)


class TestMergingEncoder:
    def test_what_waits_is_encoded_together(self) -> None:
        sizes = []
        first = threading.Event()

        def encode(windows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            sizes.append(len(windows))
            first.wait(60)
            return windows + 1.0, windows * 2.0

        merging = MergingEncoder(encode)
        data = [np.full((2, 3), float(number)) for number in range(6)]
        with ThreadPoolExecutor(6) as threads:
            answers = [threads.submit(merging.encode, each) for each in data]
            while len(merging._waiting) < 5:
                time.sleep(0.01)
            first.set()
            for each, answer in zip(data, answers, strict=True):
                logits, embedding = answer.result(60)
                assert (logits == each + 1.0).all()
                assert (embedding == each * 2.0).all()
        assert sizes == [2, 10]

    def test_neighbours_that_are_taken_as_one_are_of_one_file(self) -> None:
        def encode(windows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            # Two neighbours as one, as the comparison takes them.
            pairs = [windows[start : start + 2].mean(axis=0) for start in range(0, len(windows), 2)]
            return np.repeat(pairs, 2, axis=0)[: len(windows)], windows

        merging = MergingEncoder(encode)
        requests = [_request(number) for number in (3, 1, 2, 5)]
        for value, request in enumerate(requests):
            request.windows = np.full(request.windows.shape, float(value)) + np.arange(len(request.windows))[
                :, None
            ].astype(float)
        merging._run(requests)
        for request in requests:
            assert request.answer is not None
            logits, embeddings = request.answer
            assert (logits == encode(request.windows)[0]).all()
            assert (embeddings == request.windows).all()

    def test_a_call_is_bounded(self) -> None:
        merging = MergingEncoder(lambda windows: (windows, windows))
        with merging._change:
            merging._waiting = [_request(200), _request(100), _request(100)]
        assert [len(request.windows) for request in merging._take()] == [200]
        assert [len(request.windows) for request in merging._take()] == [100, 100]

    def test_a_failure_reaches_all_who_wait(self) -> None:
        def encode(windows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            raise RuntimeError("no memory")

        with pytest.raises(RuntimeError, match="no memory"):
            MergingEncoder(encode).encode(np.zeros((1, 1)))


def _request(size: int) -> object:
    from tempocli.batch.merging import _Request

    return _Request(np.zeros((size, 1)))
