"""Read lists of local audio files: M3U, M3U8, PLS and CUE."""

from __future__ import annotations

import io
import os
import re
import stat
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from typing import TYPE_CHECKING

from tempocli.audio.files.cue import read_cue
from tempocli.audio.files.entries import entry
from tempocli.schema import AudioInput

if TYPE_CHECKING:
    from collections.abc import Iterator

# A hundred thousand paths; longer lists have --files-from, which reads line by line. A CUE sheet of a CD has
# some kilobytes.
MAX_LIST_BYTES = 8 * 2**20
MAX_CUE_BYTES = 2**20
_PLS_FILE = re.compile(r"\s*file(\d{1,9})\s*=(.*)", re.IGNORECASE | re.ASCII | re.DOTALL)


class _UnreadableError(Exception):
    """A list that cannot be used; the message is the reason."""


def read_list(path: str, *, quiet: bool = False) -> Iterator[AudioInput]:
    """Yield the inputs that a list names, in the order of the list.

    The files are not opened. An entry that is not a local file (a URL, a folder, another list) becomes an
    input with a refusal; so does the list itself if it cannot be read or is empty.

    Parameters
    ----------
    path : str
        The list; its extension, one of `LIST_EXTENSIONS`, determines the format.
    quiet : bool
        Whether to log no notes.
    """
    folder = os.path.dirname(path)
    extension = os.path.splitext(path)[1].lower()
    try:
        text = _text(path, MAX_CUE_BYTES if extension == ".cue" else MAX_LIST_BYTES)
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        yield AudioInput(path, refusal=getattr(error, "strerror", None) or str(error))
        return
    except _UnreadableError as error:
        yield AudioInput(path, refusal=str(error))
        return
    if extension == ".cue":
        inputs = read_cue(text, folder, path, quiet=quiet)
    else:
        names = _pls(text) if extension == ".pls" else _m3u(text)
        inputs = (entry(name, folder) for name in names)
    first = next(inputs, None)
    yield AudioInput(path, refusal="a list that names no audio") if first is None else first
    yield from inputs


def _text(path: str, max_bytes: int) -> str:
    """Read a list; bytes that are not UTF-8 become surrogates, as in paths."""
    # Opening a FIFO without a writer would block.
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    with open(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise _UnreadableError("a list of files must be a regular file")
        data = file.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise _UnreadableError(f"a list may have {max_bytes >> 20} MiB at most")
    if data.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        text = data.decode("utf-16", "replace")
    else:
        text = data.decode("utf-8", "surrogateescape").removeprefix("\ufeff")
    if "\0" in text:
        raise _UnreadableError("not a list of files: it is not text")
    return text


def _m3u(text: str) -> Iterator[str]:
    for line in io.StringIO(text, newline=None):
        name = line.strip()
        if name and not name.startswith("#"):
            yield name


def _pls(text: str) -> Iterator[str]:
    found = (_PLS_FILE.fullmatch(line) for line in io.StringIO(text, newline=None))
    numbered = [(int(each[1]), each[2].strip()) for each in found if each is not None]
    for _, name in sorted(numbered, key=lambda each: each[0]):
        if name:
            yield name
