"""Open a path or a stream as a seekable file; check a path before it is opened."""

from __future__ import annotations

import os
import re
import shutil
import stat
import tempfile
from io import BufferedWriter, FileIO
from typing import TYPE_CHECKING, BinaryIO

from tempocli.audio.decoders.reasons import system_reason
from tempocli.errors import AudioError

if TYPE_CHECKING:
    from contextlib import ExitStack
    from pathlib import Path

_KINDS = {
    stat.S_IFDIR: "is a directory",
    stat.S_IFIFO: "not a regular file (FIFO)",
    stat.S_IFSOCK: "not a regular file (socket)",
    stat.S_IFCHR: "not a regular file (device)",
    stat.S_IFBLK: "not a regular file (device)",
}


def input_name(source: str | Path | BinaryIO) -> str:
    """Return the name of `source`, with control characters escaped; ``-`` for a stream without a name."""
    if isinstance(source, str | os.PathLike):
        return _printable(os.fspath(source))
    name = getattr(source, "name", None)
    # The name of an open file is its path; that of standard input is "<stdin>", of a temporary file a number.
    return _printable(name) if isinstance(name, str) and not name.startswith("<") else "-"


def open_input(source: str | Path | BinaryIO, name: str, resources: ExitStack) -> FileIO:
    """Open `source` as a seekable file, to be closed by `resources`.

    Raises
    ------
    AudioError
        If the file is missing, unreadable, or not a regular file. The message names it `name`.
    """
    if isinstance(source, str | os.PathLike):
        return _open_path(os.fspath(source), name, resources)
    return _open_stream(source, name, resources)


def _printable(name: str) -> str:
    """Escape characters that would break the line of a message or cannot be encoded."""
    unprintable = r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]"
    return re.sub(unprintable, lambda match: match[0].encode("unicode_escape").decode("ascii"), name)


def _open_path(path: str, name: str, resources: ExitStack) -> FileIO:
    try:
        # Checked before opening, because opening a FIFO waits for its writer.
        mode = os.stat(path).st_mode
        if not stat.S_ISREG(mode):
            raise AudioError(name, _KINDS.get(stat.S_IFMT(mode), "not a regular file"))
        return resources.enter_context(FileIO(path))
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        raise AudioError(name, system_reason(error)) from error


def _open_stream(stream: BinaryIO, name: str, resources: ExitStack) -> FileIO:
    """Return a seekable file for `stream`: the file itself or a temporary copy, since all decoders seek."""
    try:
        if stream.isatty():
            raise AudioError(name, "is a terminal, not audio")
        if _is_regular_file(stream):
            return resources.enter_context(FileIO(os.dup(stream.fileno())))
        spool = resources.enter_context(tempfile.TemporaryFile(buffering=0))  # noqa: SIM115 - the stack closes it
        writer = BufferedWriter(spool)
        shutil.copyfileobj(stream, writer, 1 << 20)
        writer.detach()
    except (OSError, ValueError) as error:  # ValueError: the stream is closed
        raise AudioError(name, system_reason(error)) from error
    return spool


def _is_regular_file(stream: BinaryIO) -> bool:
    # A decompressing stream has a descriptor too, but it is that of the compressed file.
    plain = isinstance(getattr(stream, "raw", stream), FileIO)
    return plain and stat.S_ISREG(os.fstat(stream.fileno()).st_mode)
