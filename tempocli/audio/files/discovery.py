"""Find the audio files of a list of files and folders, one at a time, in a fixed order."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from fnmatch import translate
from typing import TYPE_CHECKING

from tempocli.audio.formats import AUDIO_EXTENSIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path


@dataclass(frozen=True)
class Selection:
    """Patterns that select the files of a folder.

    Patterns are shell patterns (``*``, ``?``, ``[...]``) and ignore case. A pattern with a slash is matched
    against the path relative to the searched folder, where ``*`` also matches slashes. A pattern without a
    slash is matched against the name.

    Attributes
    ----------
    include : tuple of str
        Patterns of files to take; if empty, files are selected by extension.
    exclude : tuple of str
        Patterns of files and whole folders to leave out; overrides `include`.
    """

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    _wanted: list[re.Pattern[str]] = field(init=False, repr=False, compare=False)
    _unwanted: list[re.Pattern[str]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_wanted", [_compile(pattern) for pattern in self.include])
        object.__setattr__(self, "_unwanted", [_compile(pattern) for pattern in self.exclude])

    def takes(self, relative: str) -> bool:
        """Return whether a file is selected, by its path relative to the searched folder."""
        if _matches(self._unwanted, relative):
            return False
        if self.include:
            return _matches(self._wanted, relative)
        return os.path.splitext(relative)[1].lower() in AUDIO_EXTENSIONS

    def enters(self, relative: str) -> bool:
        """Return whether a folder is searched, by its path relative to the searched folder."""
        return not _matches(self._unwanted, relative)


_EVERYTHING = Selection()


def find_files(paths: Iterable[str | Path], selection: Selection = _EVERYTHING) -> Iterator[str]:
    """List the audio files that `paths` stand for.

    A file stands for itself, whatever its name; a folder for the audio files in it and below it, by
    extension or as `selection` says, sorted by name, without hidden ones. Symbolic links are followed,
    but no folder is entered twice. A link that leads nowhere, and a folder that holds no audio or cannot
    be listed, stand for themselves, so that `estimate_files` reports them like every other input that
    failed. No more is kept in memory than the names of the folders on the way to the current file and the
    identities of those that were entered.

    Parameters
    ----------
    paths : iterable of str or Path
        Files and folders, which need not exist.
    selection : Selection
        Which files of folders are wanted.

    Yields
    ------
    str
        Paths that begin with the one they were found under.
    """
    for each in paths:
        path = os.fspath(each)
        if not os.path.isdir(path):
            yield path
            continue
        files = _walk(path, selection)
        first = next(files, None)
        yield path if first is None else first
        yield from files


def _walk(top: str, selection: Selection) -> Iterator[str]:
    seen: set[tuple[int, int]] = set()
    # What is still to come, in reverse; a stack of our own, because trees may be deeper than Python's.
    waiting = [("", True)]
    while waiting:
        relative, is_folder = waiting.pop()
        path = os.path.join(top, relative) if relative else top
        if not is_folder:
            yield path
        elif not relative or selection.enters(relative):
            entries = _list(path, relative, seen, selection)
            if entries is None:
                yield path
            else:
                waiting.extend(reversed(entries))


def _list(
    path: str, relative: str, seen: set[tuple[int, int]], selection: Selection
) -> list[tuple[str, bool]] | None:
    """List what a folder holds for us, sorted; nothing when it was entered before, None when it cannot be."""
    try:
        status = os.stat(path)
        identity = (status.st_dev, status.st_ino)
        if identity in seen:
            return []
        seen.add(identity)
        with os.scandir(path) as listing:
            found = [
                (os.path.join(relative, entry.name), _is(entry.is_dir))
                for entry in listing
                if not entry.name.startswith(".") and (_is(entry.is_dir) or _may_be_a_file(entry))
            ]
    except OSError:
        return None
    return sorted(entry for entry in found if entry[1] or selection.takes(entry[0]))


def _is(kind: Callable[[], bool]) -> bool:
    # A link to itself, or into an unreadable folder, raises; the folder that contains it is still listed.
    try:
        return kind()
    except OSError:
        return False


def _may_be_a_file(entry: os.DirEntry[str]) -> bool:
    # A broken link is a missing file, which is reported and not left out.
    return _is(entry.is_file) or (entry.is_symlink() and not os.path.exists(entry.path))


def _compile(pattern: str) -> re.Pattern[str]:
    # A pattern of a folder's path may be written with a slash at its start or end.
    return re.compile(translate(pattern.strip("/") or pattern), re.IGNORECASE)


def _matches(patterns: list[re.Pattern[str]], relative: str) -> bool:
    name = os.path.basename(relative)
    return any(pattern.match(relative) or pattern.match(name) for pattern in patterns)
