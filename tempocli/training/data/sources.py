"""Download of the training data of the shipped models: Debian packages, unpacked into folders."""

from __future__ import annotations

import shutil
import subprocess
import tomllib
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from tempocli.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator

_ARCHIVES = (".pk3", ".zip")
_MUSIC = (".flac", ".mp3", ".ogg", ".opus", ".wav")


def song_packages() -> list[str]:
    """List the Debian packages of MIDI songs, whose tempo was set by their composers."""
    table = tomllib.loads(Path(__file__).with_name("sources.toml").read_text(encoding="utf-8"))
    return [str(name) for name in table["songs"]]


def music_list() -> Path:
    """Return the list of unlabelled recordings of the tempo models, one per line as PACKAGE/PATH."""
    return Path(__file__).with_name("music.txt")


def embedding_music_list() -> Path:
    """Return the list of unlabelled recordings of the music embedding, one per line as PACKAGE/PATH."""
    return Path(__file__).with_name("embedding_music.txt")


def sounds_list() -> Path:
    """Return the list of recordings that are no music, one per line as PACKAGE/PATH."""
    return Path(__file__).with_name("sounds.txt")


def packages_of(listed: Path) -> list[str]:
    """List the Debian packages of a list of recordings."""
    return sorted({path.split("/")[0] for path in listed.read_text(encoding="utf-8").splitlines()})


def fetch(folder: Path, packages: list[str]) -> Iterator[str]:
    """Download Debian packages and unpack each into its own folder; existing folders are kept.

    Parameters
    ----------
    folder : Path
        Created if missing.
    packages : list of str

    Yields
    ------
    str
        Each package when it is available.

    Raises
    ------
    DataError
        If the system is not Debian or similar, or a package cannot be downloaded or unpacked.
    """
    for program in ("apt-get", "dpkg-deb"):
        if shutil.which(program) is None:
            raise DataError(f"{program}: not found; the packages come from Debian, or a system like it")
    folder.mkdir(parents=True, exist_ok=True)
    for package in packages:
        if not (folder / package).is_dir():
            _fetch(folder, package)
        yield package


def _fetch(folder: Path, package: str) -> None:
    # Unpacked into a temporary folder and then moved, so that an existing folder is always complete.
    partial = folder / f".{package}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir()
    try:
        _run(["apt-get", "-qq", "download", package], partial)
        (archive,) = partial.glob("*.deb")
        _run(["dpkg-deb", "-x", archive.name, "."], partial)
        archive.unlink()
        for path in sorted(path for path in partial.rglob("*") if path.suffix in _ARCHIVES):
            _unpack(path)
            path.unlink()
        partial.rename(folder / package)
    except (ValueError, OSError, zipfile.BadZipFile) as error:
        raise DataError(f"{package}: cannot be unpacked ({error})") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _unpack(path: Path) -> None:
    """Unpack the music of an archive into a folder beside it."""
    with zipfile.ZipFile(path) as packed:
        music = [name for name in packed.namelist() if name.lower().endswith(_MUSIC)]
        packed.extractall(path.with_name(f"{path.name}.d"), music)


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise DataError(f"{' '.join(command)}: {said[-1] if said else 'failed'}")
