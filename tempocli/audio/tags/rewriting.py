"""Change the tags of a copy of a file, which then replaces the file; mutagen's errors as ours."""

from __future__ import annotations

import os
import shutil
import struct
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from tempocli.audio.tags.kinds import open_tags
from tempocli.errors import MissingExtraError, TagError
from tempocli.system import temporary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tempocli.audio.tags.family import Tags

_COPY_SIZE = 1 << 20
# Errors that mutagen raises for damaged files, in addition to its own.
_OF_BROKEN_FILES = (struct.error, LookupError, OverflowError, RecursionError, ValueError)


def require() -> None:
    """Raise MissingExtraError if mutagen is not installed."""
    try:
        import mutagen  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("Reading and writing tags", "tags") from error


def rewrite(path: str, change: Callable[[Tags], None]) -> None:
    """Change the tags of a copy of a file, which then replaces the file.

    Raises
    ------
    TagError
        If the file is read-only, has changed meanwhile, or cannot be replaced, or its tags cannot be changed.
    MissingExtraError
        If mutagen is not installed.
    """
    target = os.path.realpath(path)
    with errors(path):
        if not os.access(target, os.W_OK):
            raise TagError(path, "is read-only")
        before = os.stat(target)
        # The copy keeps the suffix, which mutagen uses, but not the name, which may have the maximum length.
        suffix = os.path.splitext(target)[1]
        copy, raw = temporary.make_file(os.path.dirname(target), suffix, mode=0o600)
        try:
            with open(target, "rb") as original:
                shutil.copyfileobj(original, raw, _COPY_SIZE)
            shutil.copystat(target, copy)
            with suppress(PermissionError, AttributeError):  # superuser only; Windows has no owners
                os.chown(copy, before.st_uid, before.st_gid)
            try:
                change(open_tags(copy))
            except TagError as error:
                raise TagError(path, error.reason) from error
            _sync(copy)
            now = os.stat(target)
            if (now.st_size, now.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
                raise TagError(path, "was changed by somebody else meanwhile")
            temporary.give_name(copy, raw, target)
        finally:
            temporary.discard(copy, raw)


def _sync(path: str) -> None:
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def errors(path: str) -> Iterator[None]:
    """Raise TagError instead of the errors of mutagen and of the system."""
    require()
    from mutagen import MutagenError

    try:
        yield
    except MutagenError as error:
        raise TagError(path, " ".join(str(error).split()) or "its tags cannot be read") from error
    except OSError as error:
        raise TagError(path, error.strerror or str(error)) from error
    except _OF_BROKEN_FILES as error:
        raise TagError(path, "its tags cannot be read, or not be written anew: it is damaged") from error
