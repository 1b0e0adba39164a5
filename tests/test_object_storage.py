"""Files behind URLs, by the real packages against servers of this machine: http, s3, gs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from servers import Storage, gcs_storage, http_storage, s3_storage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[1]
# What each needs; asked without an import, for the servers and clients are processes of their own.
PACKAGES = {
    "http": ["fsspec", "aiohttp"],
    "s3": ["s3fs", "moto", "flask", "flask_cors"],
    "gs": ["gcsfs", "gcp_storage_emulator"],
}


def skip_without(*packages: str) -> None:
    for package in packages:
        if find_spec(package) is None:
            pytest.skip(f"needs the package {package} (extra test-storage), which is not here")


@pytest.fixture(scope="module", params=PACKAGES)
def storage(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Storage]:
    skip_without("fsspec", "pyarrow", *PACKAGES[request.param])
    if request.param == "http":
        with http_storage(tmp_path_factory.mktemp("served")) as storage:
            yield storage
    else:
        with s3_storage() if request.param == "s3" else gcs_storage() as storage:
            yield storage


def python(storage: Storage, *args: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run Python where the storage is found; a process of its own, for clients leave threads behind."""
    environment = os.environ | storage.environment
    environment |= {"PYTHONPATH": str(ROOT), "RAY_worker_niceness": "0"}
    return subprocess.run(
        [sys.executable, *args],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )


def run_code(storage: Storage, code: str, *args: str, cwd: Path) -> Any:
    done = python(storage, "-c", f"import json, sys\n{code}", *args, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


LOCATE = """
from tempocli.batch import Selection
from tempocli.batch.engines.ray.storage import locate
def found(**selection):
    return [each.path for each, _ in locate([sys.argv[1]], Selection(**selection))]
print(json.dumps([found(), found(exclude=("b",)), found(include=("*.txt",))]))
"""

FETCH = """
from pathlib import Path
from tempocli.batch.engines.ray.storage import fetch, remote_fingerprint
from tempocli.errors import AudioError
path, is_copy = fetch(sys.argv[1])
data = Path(path).read_bytes()
Path(path).unlink()
try:
    fetch(sys.argv[1] + ".gone")
except AudioError as error:
    reason = error.reason
fingerprint = remote_fingerprint(sys.argv[1], None)
size_and_time = fingerprint and [fingerprint.size, fingerprint.mtime_ns]
print(json.dumps([data.decode(), path[-4:], is_copy, size_and_time, reason]))
"""


class TestReading:
    def test_folders_are_searched(self, storage: Storage, tmp_path: Path) -> None:
        names = ["a.wav", "b/10.FLAC", "b/2 2.mp3", "c.txt", ".hidden.wav", "b/.x/3.wav"]
        for name in names:
            storage.put(f"searched/{name}", b"abc")
        top = f"{storage.url}/searched"
        everything, without_b, text = run_code(storage, LOCATE, f"{top}/", cwd=tmp_path)
        space = "%20" if top.startswith("http") else " "
        assert everything == [f"{top}/{name}".replace(" ", space) for name in names[:3]]
        assert without_b == [f"{top}/a.wav"]
        assert text == [f"{top}/c.txt"]

    def test_files_are_fetched(self, storage: Storage, tmp_path: Path) -> None:
        storage.put("fetched/a.wav", b"abcd")
        url = f"{storage.url}/fetched/a.wav"
        data, suffix, is_copy, fingerprint, reason = run_code(storage, FETCH, url, cwd=tmp_path)
        assert (data, suffix, is_copy) == ("abcd", ".wav", True)
        assert reason.startswith("cannot be fetched: FileNotFoundError")
        # A web server need not say when a file was changed.
        assert (
            fingerprint is None if url.startswith("http") else fingerprint[0] == 4 and fingerprint[1] > 1.6e18
        )


@pytest.mark.usefixtures("model_path")
def test_the_command_reads_and_writes_there(
    storage: Storage, tmp_path: Path, click_track: Callable[..., np.ndarray], write_wav: Callable[..., Path]
) -> None:
    """By Ray, twice, the second time to add a file; the same results as of local files."""
    skip_without("ray")
    (tmp_path / "music" / "b").mkdir(parents=True)
    for name, bpm in (("1.wav", 70.0), ("b/2.wav", 100.0), ("b/3.wav", 130.0), ("broken.wav", 0.0)):
        data = write_wav(click_track(bpm, 5.0)).read_bytes() if bpm else b"RIFF"
        (tmp_path / "music" / name).write_bytes(data)
        storage.put(f"music/{name}", data)
    can_be_written = not storage.url.startswith("http")
    output = f"{storage.url}/out.parquet" if can_be_written else "out.parquet"
    command = ["-m", "tempocli", "estimate", "--engine", "ray", "-o", output, "--top", "2"]
    first = python(storage, *command, f"{storage.url}/music", cwd=tmp_path)
    assert (first.returncode, first.stdout) == (3, ""), first.stderr
    assert "tempo: 4 files, 1 failed, in " in first.stderr
    again = python(storage, *command, f"{storage.url}/music", cwd=tmp_path)
    assert again.returncode == 1
    assert "has results already; add to them by --resume" in again.stderr
    storage.put("music/z.wav", (tmp_path / "music" / "1.wav").read_bytes())
    (tmp_path / "music" / "z.wav").write_bytes((tmp_path / "music" / "1.wav").read_bytes())
    more = python(storage, *command, f"{storage.url}/music", "--resume", cwd=tmp_path)
    assert more.returncode == 3, more.stderr
    assert "tempo: 1 file, 4 more done earlier (1 of them failed), in " in more.stderr
    python(storage, *command[:3], "music", "-o", "local.jsonl", "--top", "2", cwd=tmp_path)
    local = [json.loads(line) for line in (tmp_path / "local.jsonl").read_text().splitlines()]
    rows = run_code(storage, READ, output, cwd=tmp_path)
    assert [row["path"].rpartition("music/")[2] for row in rows] == [row["path"][6:] for row in local]
    for row, same in zip(rows, local, strict=True):
        for key in ("bpm", "confidence", "candidates", "reason", "duration", "error", "settings"):
            assert row[key] == same[key]


READ = """
from io import BytesIO
from fsspec.core import url_to_fs
from pyarrow.parquet import read_table
system, folder = url_to_fs(sys.argv[1])
assert not system.exists(f"{folder}/_lists")
shards = [BytesIO(system.cat_file(name)) for name in system.glob(f"{folder}/*.parquet")]
rows = [row for shard in shards for row in read_table(shard, use_threads=False).to_pylist()]
print(json.dumps(sorted(rows, key=lambda row: row["position"])))
"""
