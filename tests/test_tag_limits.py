"""Files whose tags cost too much, or on which mutagen fails: each is told of alone, and the rest goes on."""

from __future__ import annotations

import io
import json
import os
import struct
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile
from bombs import compressed_tag, tag_of_pictures
from clicks import make_clicks
from commands import tempo

from tempocli.audio import tags
from tempocli.batch.tag_worker import TagWorker
from tempocli.errors import TagError

if TYPE_CHECKING:
    from collections.abc import Iterator

pytest.importorskip("mutagen")

RATE = 24000
MEGABYTE = 1 << 20


@pytest.fixture(scope="module")
def mp3() -> bytes:
    buffer = io.BytesIO()
    soundfile.write(buffer, make_clicks(120.0, 2.0, RATE), RATE, format="MP3")
    return buffer.getvalue()


@pytest.fixture
def worker() -> Iterator[TagWorker]:
    with TagWorker(timeout=2.0, max_memory=100 * MEGABYTE) as worker:
        yield worker


def good_song(path: Path, mp3: bytes) -> str:
    path.write_bytes(mp3)
    tags.write_tempo(str(path), 120.0)
    return str(path)


@pytest.mark.slow
def test_works_as_tags_do(tmp_path: Path, mp3: bytes) -> None:
    song = tmp_path / "song.mp3"
    song.write_bytes(mp3)
    with TagWorker() as worker:
        assert worker.read_tempo(str(song)) is None
        assert worker.tag_text(str(song), 127.6) == "128"
        worker.write_tempo(str(song), 127.6)
        assert worker.read_tempo(str(song)) == "128"
        with pytest.raises(TagError, match="No such file"):
            worker.read_tempo(str(tmp_path / "none.mp3"))


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is watched on Linux alone")
def test_a_compressed_tag_costs_no_more_than_the_limit(tmp_path: Path, mp3: bytes, worker: TagWorker) -> None:
    bomb = compressed_tag(tmp_path / "bomb.mp3", 600 * MEGABYTE, mp3)
    with pytest.raises(TagError, match=r"its tags: needs more than 0\.10\d* GB of memory"):
        worker.read_tempo(str(bomb))
    assert worker.read_tempo(good_song(tmp_path / "good.mp3", mp3)) == "120"


@pytest.mark.slow
def test_a_tag_of_many_pictures_costs_no_more_than_its_time(
    tmp_path: Path, mp3: bytes, worker: TagWorker
) -> None:
    bomb = tag_of_pictures(tmp_path / "bomb.mp3", 50_000, mp3)
    with pytest.raises(TagError, match="its tags: took longer than 2 s"):
        worker.read_tempo(str(bomb))
    assert worker.read_tempo(good_song(tmp_path / "good.mp3", mp3)) == "120"


@pytest.mark.slow
@pytest.mark.usefixtures("music")
def test_a_batch_goes_on_behind_it(tmp_path: Path, mp3: bytes) -> None:
    bomb = tag_of_pictures(tmp_path / "100.mp3", 50_000, mp3)
    good = tmp_path / "128.mp3"
    good.write_bytes(mp3)
    tagged = good_song(tmp_path / "90.mp3", mp3)
    arguments = ["--write-tags", "--skip-tagged", "--timeout", "3", "--format", "jsonl"]
    result = tempo(str(bomb), str(good), tagged, *arguments)
    assert result.exit_code == 3
    assert f"{bomb}: tag not written: its tags: took longer than 3 s" in result.stderr
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [row["path"] for row in rows] == [str(bomb), str(good)]  # the third is tagged
    assert tags.read_tempo(str(good)) == "128"
    assert tags.read_tempo(tagged) == "120"


def test_sizes_that_mutagen_cannot_write_again(tmp_path: Path) -> None:
    path = tmp_path / "song.wav"
    soundfile.write(path, np.zeros(RATE), RATE)
    data = bytearray(path.read_bytes())
    data[4:8] = struct.pack("<I", 0xFFFFFFFF)
    path.write_bytes(data)
    with pytest.raises(TagError, match="it is damaged"):
        tags.write_tempo(str(path), 120.0)
    assert path.read_bytes() == data
    assert [each.name for each in tmp_path.iterdir()] == ["song.wav"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs FIFOs")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "song.mp3")
    with pytest.raises(TagError, match="not a regular file"):
        tags.read_tempo(str(tmp_path / "song.mp3"))
