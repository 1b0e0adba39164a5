"""Ray: a lost node loses nothing, and the results are those of one machine; URLs are read as files are."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from commands import tempo
from fake_estimator import FakeEstimator, make_estimate

from tempocli.batch import Selection
from tempocli.batch.engines.ray import Job, Work, chunk, engine
from tempocli.batch.engines.summary import BatchSummary
from tempocli.batch.worker import Done
from tempocli.errors import AudioError, DataError, TempoError
from tempocli.inference.options import EstimatorOptions
from tempocli.output.formats import Layout
from tempocli.schema import AudioInput, FileResult, Part

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np

pytest.importorskip("pyarrow")

pytestmark = pytest.mark.slow
fsspec = pytest.importorskip("fsspec")

ROOT = Path(__file__).resolve().parents[1]
# Ray's workers are nice by default: on a busy machine they would never come to anything.
ENVIRONMENT = os.environ | {
    "PYTHONPATH": str(ROOT),
    "RAY_worker_niceness": "0",
    "RAY_DATA_DISABLE_PROGRESS_BARS": "1",
}


def table(path: Path) -> list[dict[str, Any]]:
    from pyarrow.parquet import read_table

    rows: list[dict[str, Any]] = read_table(path).to_pylist()
    return rows


def program(*args: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *map(str, args)],
        cwd=cwd,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=560,
        check=False,
    )


@pytest.fixture
def folder(
    tmp_path: Path, click_track: Callable[..., np.ndarray], write_wav: Callable[..., Path], model_path: Path
) -> Path:
    """A folder "music" of many short files, some of them broken, in the current folder."""
    data = [write_wav(click_track(bpm, 5.0)).read_bytes() for bpm in (70.0, 100.0, 130.0)]
    (tmp_path / "music").mkdir()
    for number in range(160):
        broken = number % 20 == 7
        (tmp_path / "music" / f"{number:03d}.wav").write_bytes(b"RIFF" if broken else data[number % 3])
    return tmp_path


class TestRay:
    @pytest.fixture(autouse=True)
    def _needs_ray(self) -> None:
        # Asked without an import, which would bring its warnings and threads here.
        import importlib.util

        if importlib.util.find_spec("ray") is None:
            pytest.skip("needs ray, which is not here")

    def test_a_lost_node_loses_nothing(self, folder: Path) -> None:
        done = program(ROOT / "tests" / "ray_cluster.py", "music", "out", cwd=folder)
        assert done.returncode == 0, done.stderr
        said = json.loads(done.stdout.splitlines()[-1])
        assert (said["n"], sum(said["reasons"].values()), said["alive"]) == (160, 8, 2)
        assert said["killed"], "no node was lost"
        local = program("-m", "tempocli", "estimate", "music", "-o", "local.parquet", "-q", cwd=folder)
        assert local.returncode == 3
        rows = sorted(table(folder / "out"), key=lambda row: row["position"])
        assert [row.pop("position") for row in rows] == list(range(160))
        assert rows == table(folder / "local.parquet")
        assert not (folder / "out" / "_lists").exists()

    def test_the_command(self, folder: Path) -> None:
        from tempocli.batch.engines.ray.storage import locked

        for path in sorted((folder / "music").iterdir())[20:]:
            path.unlink()
        command = ["-m", "tempocli", "estimate", "music", "--engine", "ray", "-o", "out.parquet"]
        first = program(*command, cwd=folder)
        assert (first.returncode, first.stdout) == (3, ""), first.stderr
        assert "tempo: 20 files, 1 failed, in " in first.stderr
        assert len(table(folder / "out.parquet")) == 20
        with locked(str(folder / "out.parquet")):
            second = program(*command, "--resume", cwd=folder)
        assert second.returncode == 1
        assert second.stderr == "tempo: out.parquet: another run is writing it\n"
        again = program(*command, cwd=folder)
        assert again.returncode == 1
        assert "has results already; add to them by --resume" in again.stderr
        (folder / "music" / "more.wav").write_bytes((folder / "music" / "000.wav").read_bytes())
        more = program(*command, "--resume", cwd=folder)
        assert more.returncode == 3, more.stderr
        assert "tempo: 1 file, 20 more done earlier (1 of them failed), in " in more.stderr
        assert [row["path"] for row in table(folder / "out.parquet")][-1] == "music/more.wav"
        other = program(*command, "--resume", "--top", "1", cwd=folder)
        assert other.returncode == 1
        assert "made with other settings" in other.stderr

    def test_an_index_is_the_same_as_without_ray(self, folder: Path) -> None:
        import numpy as np

        from tempocli.embedding.index.library import Library

        for path in sorted((folder / "music").iterdir())[20:]:
            path.unlink()
        command = ["-m", "tempocli", "index", "music", "-o"]
        on_ray = program(*command, "ray.tempo", "--engine", "ray", cwd=folder)
        assert (on_ray.returncode, on_ray.stdout) == (3, ""), on_ray.stderr
        assert on_ray.stderr.count("007.wav: ") == 1
        local = program(*command, "local.tempo", "-q", cwd=folder)
        assert local.returncode == 3
        ours, theirs = (Library(str(folder / name)) for name in ("ray.tempo", "local.tempo"))
        assert len(ours.tracks) == 19
        assert ours.entries.keys() == theirs.entries.keys()
        for key, entry in ours.entries.items():
            assert (entry.bpm, entry.error) == (theirs.entries[key].bpm, theirs.entries[key].error)
        for entry in ours.tracks:
            expected = theirs.parts_of(theirs.entries[entry.key])
            for name, part in ours.parts_of(entry).items():
                np.testing.assert_array_equal(part, expected[name])
        again = program(*command, "ray.tempo", "--engine", "ray", cwd=folder)
        assert again.returncode == 3
        assert (folder / "ray.tempo" / "tracks-0.jsonl").read_bytes().count(b"\n") == 20

    def test_a_profile_counts_as_without_ray(self, folder: Path) -> None:
        import tempocli
        from tempocli.decoding.profiles.profile import CURVE_BPMS, Profile, ProfileModel
        from tempocli.embedding.index.library import Library

        for path in sorted((folder / "music").iterdir())[6:]:
            path.unlink()
        curve = tuple(20.0 if 45.0 < bpm < 75.0 else 0.0 for bpm in CURVE_BPMS)
        profile = Profile(ProfileModel.of(tempocli.Estimator(device="cpu").spec), curve=curve)
        profile.save(folder / "slow.profile")
        command = ["-m", "tempocli", "estimate", "music", "--profile", "slow.profile", "-o"]
        on_ray = program(*command, "ray.parquet", "--engine", "ray", cwd=folder)
        assert on_ray.returncode == 0, on_ray.stderr
        assert program(*command, "local.parquet", "-q", cwd=folder).returncode == 0
        rows = sorted(table(folder / "ray.parquet"), key=lambda row: row.pop("position"))
        assert rows == table(folder / "local.parquet")
        assert {round(row["bpm"]) for row in rows} == {70, 50, 65}
        assert all(row["model_version"].endswith(f"+profile-{profile.digest}") for row in rows)
        command = ["-m", "tempocli", "estimate", "music", "--engine", "ray", "-o", "ray.parquet", "--resume"]
        other = program(*command, cwd=folder)
        assert other.returncode == 1
        assert "made with other settings" in other.stderr
        command = ["-m", "tempocli", "index", "music", "--profile", "slow.profile", "--engine", "ray"]
        indexed = program(*command, "-o", "l.tempo", cwd=folder)
        assert indexed.returncode == 0, indexed.stderr
        assert {round(each.bpm or 0.0) for each in Library(str(folder / "l.tempo")).tracks} == {70, 50, 65}


@pytest.mark.usefixtures("music")
class TestResume:
    """Tasks end in any order; here in one process and without Ray."""

    @pytest.fixture(autouse=True)
    def _runs_here(self, monkeypatch: pytest.MonkeyPatch) -> None:
        class WorkerHandle:
            def __init__(self, *_: object, **__: object) -> None:
                pass

            def process(self, path: str, part: Part | None = None) -> Done:
                bpm = float(Path(path).stem)
                estimate = make_estimate(bpm, confidence=0.12 if bpm < 30 else 0.9)
                return Done(FileResult(path, estimate=estimate))

        chunk._workplace.cache_clear()
        monkeypatch.setattr(chunk, "Estimator", FakeEstimator)
        monkeypatch.setattr(chunk, "WorkerHandle", WorkerHandle)
        monkeypatch.setattr(engine, "cluster", lambda _: nullcontext())
        monkeypatch.setattr(engine, "_CHUNKS", ((None, 2),))

    def run(
        self, monkeypatch: pytest.MonkeyPatch, files: list[str], *, lost: tuple[int, ...] = ()
    ) -> BatchSummary | None:
        """Estimate files, two a task, and interrupt the run when all but the lost tasks have ended."""

        def run(names: dict[str, int], work: Work, folder: str, done: object) -> None:
            for number, name in enumerate(names):
                if number not in lost:
                    chunk.estimate_list(name, folder, work)
            if lost:
                raise KeyboardInterrupt

        monkeypatch.setattr(engine, "_run", run)
        work = Work(EstimatorOptions(method="classify", device="cpu"), Layout(), 100.0)
        try:
            return engine._estimate(Job(files, "out", work, resume=True), None)
        except KeyboardInterrupt:
            return None

    @pytest.mark.parametrize("lost", [(0,), (1,), (0, 2), (3,)])
    def test_what_was_lost_takes_its_own_place(
        self, monkeypatch: pytest.MonkeyPatch, lost: tuple[int, ...]
    ) -> None:
        files = [f"{number}.wav" for number in range(100, 108)]
        self.run(monkeypatch, files, lost=lost)
        outcome = self.run(monkeypatch, [*files, "99.wav"])
        assert outcome is not None
        assert (outcome.n_done, outcome.n_earlier) == (9, 8 - 2 * len(lost))
        rows = sorted(table(Path("out")), key=lambda row: row["position"])
        assert [row["position"] for row in rows] == list(range(9))
        assert [row["path"] for row in rows] == [*files, "99.wav"]

    def test_fewer_files_than_before_leave_a_gap(self, monkeypatch: pytest.MonkeyPatch) -> None:
        files = [f"{number}.wav" for number in range(100, 106)]
        self.run(monkeypatch, files, lost=(1,))
        assert self.run(monkeypatch, files[:3])
        rows = sorted(table(Path("out")), key=lambda row: row["position"])
        assert [row["position"] for row in rows] == [0, 1, 2, 4, 5]

    def test_results_of_an_earlier_version_are_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from pyarrow.parquet import read_table, write_table

        assert self.run(monkeypatch, ["100.wav"])
        (shard,) = Path("out").glob("*.parquet")
        write_table(read_table(shard).drop_columns(["bpm_error", "steady", "tempo_sections"]), shard)
        before = shard.read_bytes()
        with pytest.raises(DataError, match="without the columns bpm_error, steady, tempo_sections; give"):
            self.run(monkeypatch, ["100.wav", "101.wav"])
        assert [each.read_bytes() for each in Path("out").glob("*.parquet")] == [before]

    def test_rows_say_what_is_known_of_the_tempo(self, monkeypatch: pytest.MonkeyPatch) -> None:
        outcome = self.run(monkeypatch, ["100.wav", "29.wav"])
        assert outcome is not None
        assert outcome.n_doubtful == 1
        first, second = sorted(table(Path("out")), key=lambda row: row["position"])
        assert (first["bpm_error"], first["steady"], len(first["tempo_sections"])) == (0.012, True, 1)
        assert second["tempo_sections"][0]["confidence"] == 0.12

    def test_results_that_are_twice_are_noticed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        files = ["100.wav", "101.wav", "102.wav"]
        assert self.run(monkeypatch, files)
        shard = sorted(Path("out").glob("*.parquet"))[0]
        (Path("out") / "part-again.parquet").write_bytes(shard.read_bytes())
        with pytest.raises(TempoError, match="0 files are missing and 2 are there more than once"):
            self.run(monkeypatch, files)


@pytest.mark.usefixtures("music")
class TestUsage:
    @pytest.mark.parametrize(
        ("args", "complaint"),
        [
            (["music"], "give --output FOLDER"),
            (["music", "-o", "out.csv"], "give --output FOLDER"),
            (["-", "-o", "out.parquet"], "standard input"),
            (["music", "--write-tags", "-o", "out.parquet"], "tags"),
            (["music", "--verify-hash", "-o", "out.parquet"], "no use for --verify-hash"),
            (["music", "--verify-hash", "--resume", "-o", "out.parquet"], "no use for --verify-hash"),
            (["music", "--ray-address", "auto", "-o", "out.parquet", "--engine", "local"], "--engine ray"),
            (["s3://bucket/music", "--engine", "local"], "URLs need --engine ray"),
        ],
    )
    def test_wrong_usage(self, args: list[str], complaint: str) -> None:
        result = tempo("--engine", "ray", *args)
        assert (result.exit_code, result.stdout) == (2, "")
        assert complaint in " ".join(result.stderr.split())

    def test_the_summary_counts_doubtful_ones(self, monkeypatch: pytest.MonkeyPatch) -> None:
        outcome = BatchSummary(20, n_failed=1, n_doubtful=12, reasons=Counter({"not audio": 1}))
        monkeypatch.setattr("tempocli.batch.engines.ray.estimate_on_ray", lambda *_, **__: outcome)
        result = tempo("--engine", "ray", "music", "-o", "out.parquet")
        assert result.exit_code == 3
        assert result.stderr.splitlines()[1:] == [
            "tempo:   1 failed: not audio",
            "tempo:   12 doubtful (confidence under 0.3)",
        ]

    def test_an_interrupted_run_says_how_to_go_on(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def interrupt(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr("tempocli.batch.engines.ray.estimate_on_ray", interrupt)
        result = tempo("--engine", "ray", "music", "-o", "out.parquet")
        assert result.exit_code == 130
        assert result.stderr.splitlines() == [
            "tempo: what is done is kept in out.parquet: the same command with --resume goes on",
            "tempo: interrupted",
        ]

    def test_ray_sends_no_usage_statistics(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Not even if asked to; that is settled before Ray is imported, which fails here."""
        monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "1")
        monkeypatch.setitem(sys.modules, "ray", None)
        monkeypatch.setitem(sys.modules, "ray.data", None)
        tempo("--engine", "ray", "music", "-o", "out.parquet")
        assert os.environ["RAY_USAGE_STATS_ENABLED"] == "0"

    def test_says_which_extra_is_missing(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "ray", None)
        monkeypatch.setitem(sys.modules, "ray.data", None)
        result = tempo("--engine", "ray", "music", "-o", "out.parquet")
        assert result.exit_code == 1
        assert "tempo-estimate[ray]" in result.stderr


class TestStorage:
    @pytest.fixture
    def memory(self) -> Iterator[Any]:
        system = fsspec.filesystem("memory")
        system.store.clear()
        for name in ("b/2.mp3", "b/10.FLAC", "a.wav", "c.txt", ".hidden.wav", "b/.x/3.wav"):
            system.pipe_file(f"/music/{name}", b"abc")
        yield system
        system.store.clear()

    def found(self, name: str, **selection: tuple[str, ...]) -> list[str]:
        from tempocli.batch.engines.ray.storage import locate

        return [wanted.path for wanted, _ in locate([name], Selection(**selection))]

    def test_folders_of_urls_are_searched_as_others(self, memory: Any) -> None:
        names = ["memory:///music/a.wav", "memory:///music/b/10.FLAC", "memory:///music/b/2.mp3"]
        found = self.found("memory://music")
        assert [each.replace("memory:///", "memory://") for each in found] == [
            each.replace("memory:///", "memory://") for each in names
        ]
        assert len(self.found("memory://music", exclude=("b",))) == 1
        assert len(self.found("memory://music", include=("*.txt",))) == 1
        assert self.found("memory://music/c.txt") == ["memory://music/c.txt"]

    def test_paths_are_made_absolute(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        from tempocli.batch.engines.ray.storage import locate

        (tmp_path / "a.wav").touch()
        monkeypatch.chdir(tmp_path)
        assert list(locate(["."], Selection())) == [(AudioInput("./a.wav"), str(tmp_path / "a.wav"))]

    def test_files_are_fetched(self, memory: Any, tmp_path: Path) -> None:
        from tempocli.batch.engines.ray.storage import fetch, remote_fingerprint

        path, is_copy = fetch("memory://music/a.wav")
        assert is_copy
        assert Path(path).read_bytes() == b"abc"
        assert path.endswith(".wav")
        os.unlink(path)
        fingerprint = remote_fingerprint("memory://music/a.wav", None)
        assert fingerprint is not None
        assert fingerprint.size == 3
        (tmp_path / "b.wav").touch()
        assert fetch(f"file://{tmp_path}/b.wav") == (str(tmp_path / "b.wav"), False)
        with pytest.raises(AudioError, match="cannot be fetched"):
            fetch("memory://music/gone.wav")

    def test_an_object_may_have_the_name_of_a_folder(
        self, memory: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        listing = [
            {"name": "/music/a.wav", "type": "directory"},
            {"name": "/music/a.wav", "type": "file"},
            {"name": "/music", "type": "directory"},
        ]
        monkeypatch.setattr(type(memory), "ls", lambda *_, **__: listing)
        monkeypatch.setattr(Selection, "enters", lambda *_: False)
        assert self.found("memory://music") == ["memory:///music/a.wav"]

    def test_signed_urls_are_fetched_in_spite_of_their_length(self, memory: Any) -> None:
        from tempocli.batch.engines.ray.storage import fetch

        url = "memory://music/a.wav?signature=" + 300 * "x" + ".0"
        memory.pipe_file(url, b"abc")
        path, _ = fetch(url)
        assert path.endswith(".wav")
        os.unlink(path)

    def test_storage_that_cannot_be_reached_is_an_error_of_one_line(
        self, memory: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: object) -> bool:
            raise RuntimeError("no\ncredentials")

        monkeypatch.setattr(type(memory), "isdir", fail)
        with pytest.raises(TempoError, match=r"^memory://music: RuntimeError: no credentials$"):
            self.found("memory://music")

    def test_a_folder_is_kept_to_one_process(self, tmp_path: Path) -> None:
        from tempocli.batch.engines.ray.storage import locked

        folder = tmp_path / "out"
        for _ in range(2):
            with locked(str(folder)) as first, locked(f"file://{folder}") as second:
                assert (first, second) == (True, False)
        assert list(folder.iterdir()) == []

    def test_listings_are_not_remembered(self, memory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        """Or the results of other machines would not be seen."""
        from fsspec import core

        from tempocli.batch.engines.ray.storage import open_storage

        asked = []
        monkeypatch.setattr(core, "url_to_fs", lambda url, **options: asked.append(options) or (memory, url))
        open_storage("memory://music")
        assert asked == [{"use_listings_cache": False}]

    def test_packages_that_are_missing_are_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from tempocli.batch.engines.ray.storage import open_storage

        monkeypatch.setitem(sys.modules, "s3fs", None)
        with pytest.raises(TempoError, match=r"s3://bucket.*s3fs"):
            open_storage("s3://bucket/music")
        with pytest.raises(TempoError, match="nowhere"):
            open_storage("nowhere://music")
