"""The plugin of beets on a real library: ten files imported, tempi in its database and tags."""

from __future__ import annotations

import importlib.util
import json
import os
import sqlite3
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import soundfile
from songs import song

PLUGIN = Path(__file__).resolve().parents[1] / "plugins" / "beets"

pytest.importorskip("beets", reason="needs beets: pip install '.[test-beets]'")
mutagen = pytest.importorskip("mutagen")
pytestmark = pytest.mark.slow

TEMPI = (84, 90, 96, 104, 110, 118, 124, 128, 132, 140)
TAGGED, WRONG = 128, 61  # this song comes with a tag of this tempo
CONFIG: dict[str, Any] = {
    "library": "library.db",
    "directory": "library",
    "plugins": ["tempo"],
    "import": {"copy": True, "write": True, "quiet": True, "autotag": False, "log": "import.log"},
}


class Library:
    """A library of beets in a folder of its own, and its command line."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.folder = folder
        self.configure(**options)

    def configure(self, **options: Any) -> None:
        # JSON is YAML.
        (self.folder / "config.yaml").write_text(json.dumps(CONFIG | {"tempo": {"jobs": 2} | options}))

    def beet(self, *args: str, code: int = 0) -> str:
        """Run a command of beets; return what it says on both streams."""
        environment = os.environ | {"BEETSDIR": str(self.folder), "PYTHONUTF8": "1"}
        if importlib.util.find_spec("beetsplug.tempo") is None:
            paths = [str(PLUGIN), os.environ.get("PYTHONPATH", "")]
            environment["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
        done = subprocess.run(
            [sys.executable, "-m", "beets", *args],
            cwd=self.folder, env=environment, capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        assert done.returncode == code, done.stderr
        return done.stdout + done.stderr

    def fields(self) -> dict[str, tuple[int, float | None]]:
        """The tempo and its confidence of each title, as they are in the database."""
        query = """select items.title, items.bpm, item_attributes.value from items left join item_attributes
            on item_attributes.entity_id = items.id and item_attributes.key = 'bpm_confidence'"""
        database = sqlite3.connect(self.folder / "library.db")
        try:
            rows = database.execute(query).fetchall()
        finally:
            database.close()
        return {title: (bpm, None if value is None else float(value)) for title, bpm, value in rows}

    def tags(self) -> dict[str, list[str] | None]:
        """The tempo in the tags of the library's files, by title."""
        files = [mutagen.File(path) for path in (self.folder / "library").rglob("*.flac")]
        return {file["title"][0]: file.get("bpm") for file in files}


@pytest.fixture(scope="module")
def album(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten songs as FLAC, titled by their tempi."""
    folder = tmp_path_factory.mktemp("album")
    for number, bpm in enumerate(TEMPI, 1):
        path = folder / f"{number:02}.flac"
        pattern = "house" if number % 2 else "rock"
        soundfile.write(path, song(float(bpm), 40 + number, pattern=pattern, seconds=12.0), 22050)
        tags = mutagen.File(path)
        tags.update(
            {"title": f"{bpm}", "artist": "the drum machine", "album": "ten", "tracknumber": str(number)}
        )
        if bpm == TAGGED:
            tags["bpm"] = str(WRONG)
        tags.save()
    return folder


@pytest.fixture(scope="module")
def imported(album: Path, tmp_path_factory: pytest.TempPathFactory) -> Library:
    library = Library(tmp_path_factory.mktemp("beets"))
    library.beet("import", str(album))
    return library


@pytest.fixture
def plain(album: Path, tmp_path: Path) -> Library:
    """A library that was imported without tempi."""
    library = Library(tmp_path, auto=False)
    library.beet("import", str(album))
    return library


def test_an_import_stores_the_tempi_of_ten_files(imported: Library) -> None:
    fields = imported.fields()
    assert len(fields) == len(TEMPI)
    for bpm in set(TEMPI) - {TAGGED}:
        found, confidence = fields[str(bpm)]
        assert any(abs(found - bpm * factor) <= 1 for factor in (0.5, 1, 2)), (bpm, found)
        assert confidence is not None
        assert 0.5 <= confidence <= 1.0
    assert sum(abs(fields[str(bpm)][0] - bpm) <= 1 for bpm in TEMPI) >= 7, fields


def test_an_import_keeps_a_tempo_that_a_file_has(imported: Library) -> None:
    assert imported.fields()[str(TAGGED)] == (WRONG, None)


def test_what_is_imported_as_it_is_gets_its_tags_by_beet_write(imported: Library) -> None:
    assert imported.tags() == {str(bpm): [str(WRONG)] if bpm == TAGGED else None for bpm in TEMPI}
    imported.beet("write")
    assert imported.tags() == {title: [str(bpm)] for title, (bpm, _) in imported.fields().items()}


def test_the_confidence_can_be_searched_and_shown(imported: Library) -> None:
    assert len(imported.beet("ls", "bpm_confidence:0.5..1").splitlines()) == len(TEMPI) - 1
    assert imported.beet("ls", "bpm_confidence:..0.4") == ""
    (line,) = imported.beet("ls", "-f", "$bpm $bpm_confidence", "title:84").splitlines()
    bpm, confidence = line.split()
    assert int(bpm) > 0
    assert len(confidence) == len("0.99")


def test_without_auto_an_import_estimates_nothing_and_the_command_does(plain: Library) -> None:
    assert {bpm for bpm, _ in plain.fields().values()} == {0, WRONG}
    tags = plain.tags()
    assert plain.beet("tempo", "--pretend").count(" BPM (") == len(TEMPI) - 1
    assert {bpm for bpm, _ in plain.fields().values()} == {0, WRONG}, "--pretend changes nothing"
    plain.beet("tempo", "--nowrite", "title:84")
    fields = plain.fields()
    assert fields["84"][0] > 0
    assert fields["90"] == (0, None), "only what the query names"
    assert plain.tags() == tags, "--nowrite writes no tags"
    plain.beet("tempo", "--force", f"title:{TAGGED}")
    bpm, confidence = plain.fields()[str(TAGGED)]
    assert bpm != WRONG
    assert confidence is not None
    assert plain.tags()[str(TAGGED)] == [str(bpm)], "by default tags are written, as at import"


def test_what_is_unsure_is_not_stored(plain: Library) -> None:
    plain.configure(min_confidence=1.01)
    assert plain.beet("tempo", "title:84").count("too unsure") == 1
    assert plain.fields()["84"] == (0, None)


def test_a_range_of_tempi_is_kept(plain: Library) -> None:
    plain.configure(min_bpm=60, max_bpm=120, write=False)
    tags = plain.tags()
    plain.beet("tempo", "title:140")
    assert plain.fields()["140"][0] == 70
    assert plain.tags() == tags


def test_a_broken_file_is_named_and_the_others_get_their_tempi(plain: Library) -> None:
    broken = next((plain.folder / "library").rglob("01*.flac"))
    broken.write_bytes(b"fLaC" + bytes(1000))
    said = plain.beet("tempo", "title:84", ",", "title:90", code=1)
    assert f"{broken}: " in said
    assert "1 file could not be read" in said
    fields = plain.fields()
    assert fields["84"] == (0, None)
    assert fields["90"][0] > 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"min_bpm": 200, "max_bpm": 100}, "bpm"),
        ({"jobs": 0}, "jobs must be at least 1"),
        ({"min_confidence": "high"}, "tempo.min_confidence"),
    ],
)
def test_bad_options_are_one_line(plain: Library, options: dict[str, Any], said: str) -> None:
    plain.configure(**options)
    text = plain.beet("tempo", "title:84", code=1)
    assert said in text
    assert "Traceback" not in text
    assert plain.fields()["84"] == (0, None)


def test_the_distribution_has_only_the_plugin_and_fits_this_version() -> None:
    project = tomllib.loads((PLUGIN / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["tool"]["hatch"]["build"]["targets"]["wheel"]["only-include"] == ["beetsplug/tempo.py"]
    assert not (PLUGIN / "beetsplug" / "__init__.py").exists(), "it would hide the plugins of beets"
    assert any(name.startswith("tempo-estimate") for name in project["project"]["dependencies"])
