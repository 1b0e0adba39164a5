"""stdout for results; stderr for messages, logging and progress."""

from __future__ import annotations

import errno
import os
import sys
from contextlib import suppress
from io import TextIOWrapper
from typing import TYPE_CHECKING, BinaryIO, TypeVar

import click

from tempocli.output.formats.layout import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rich.console import Console

Item = TypeVar("Item")

INTERRUPTED = 130
VERBOSE = "tempocli.verbose"


def silence_libraries() -> None:
    """Discard what C libraries print themselves; call it before any thread starts.

    mpg123 inside libsndfile writes warnings to descriptor 2 for every slightly truncated MP3, and libsndfile
    writes notes on broken ALAC to descriptor 1, among the results; neither can be switched off. So
    ``sys.stdout`` and ``sys.stderr`` move to other descriptors, and descriptors 1 and 2 are redirected to the
    null device.
    """
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        stream = getattr(sys, name)
        if stream is None or stream.fileno() != descriptor:
            continue
        stream.flush()
        ours = os.dup(descriptor)
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, descriptor)
        os.close(nowhere)
        buffering = 1 if name == "stderr" else -1
        # Stays open until the process ends, like the stream it replaces.
        own = open(ours, "w", buffering, encoding=stream.encoding, errors=stream.errors)  # noqa: SIM115
        setattr(sys, name, own)


def configure(*, verbose: bool, quiet: bool) -> None:
    """Send the library's log to stderr: warnings, with -v also information, with -q errors only."""
    import logging

    if verbose and quiet:
        raise click.UsageError("-v/--verbose and -q/--quiet exclude each other.")
    click.get_current_context().meta[VERBOSE] = verbose
    handler = logging.StreamHandler(_stderr)
    handler.setFormatter(logging.Formatter("tempo: %(message)s"))
    logger = logging.getLogger("tempocli")
    logger.handlers[:] = [handler]
    logger.setLevel(logging.INFO if verbose else logging.ERROR if quiet else logging.WARNING)


class _Stderr:
    """The current ``sys.stderr``, which a progress bar replaces temporarily.

    Control characters other than line feeds are escaped.
    """

    def write(self, text: str) -> None:
        text = "\n".join(map(printable, text.split("\n")))
        # stderr may be closed; the exit status still reports the failure.
        with suppress(OSError):
            if sys.stderr is not None:
                sys.stderr.write(text)

    def flush(self) -> None:
        with suppress(OSError):
            if sys.stderr is not None:
                sys.stderr.flush()


_stderr = _Stderr()


def error(message: str) -> None:
    """Write one line to stderr."""
    _stderr.write(f"{one_line(message)}\n")
    _stderr.flush()


def plain(text: str) -> None:
    """Write one line to stderr without the prefix, such as a row of a chart."""
    _stderr.write(f"{text}\n")
    _stderr.flush()


def one_line(message: str) -> str:
    """Return a message as one printable line with the prefix ``tempo:``."""
    return f"tempo: {printable(message)}"


def os_error(cause: OSError) -> None:
    """Print a system error as one line."""
    reason = cause.strerror or str(cause)
    error(reason if cause.filename is None else f"{os.fsdecode(cause.filename)}: {reason}")


def bug(cause: Exception, *, verbose: bool) -> None:
    """Report an unexpected exception in one line; with its traceback if `verbose`."""
    if verbose:
        import traceback

        _stderr.write("".join(traceback.format_exception(cause)))
    where = "".join(f" {note}" for note in getattr(cause, "__notes__", ()))
    hint = "please report this" if verbose else "run again with -v for the traceback, and please report it"
    error(f"internal error{where}: {type(cause).__name__}: {cause} ({hint})")


def stdout() -> BinaryIO:
    """Return the byte stream that results go to."""
    if sys.stdout is None:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF), "standard output")
    return sys.stdout.buffer


def write(data: bytes) -> None:
    """Write results to stdout and flush it.

    Raises
    ------
    OSError
        If they cannot be written; its file name is "standard output".
    """
    try:
        stdout().write(data)
    except OSError as cause:
        raise _of_stdout(cause) from cause
    flush()


def stdin() -> BinaryIO:
    """Return the byte stream that ``-`` stands for."""
    if sys.stdin is None:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF), "standard input")
    return sys.stdin.buffer


def stdout_is_terminal() -> bool:
    """Return whether stdout is a terminal."""
    return sys.stdout is not None and sys.stdout.isatty()


def stderr_is_terminal() -> bool:
    """Return whether stderr is a terminal."""
    return sys.stderr is not None and sys.stderr.isatty()


def columns() -> int | None:
    """Return the width of the terminal, or COLUMNS if it is set; ``None`` if there is no terminal.

    Libraries look at the descriptors 1 and 2, which `silence_libraries` has redirected.
    """
    given = os.environ.get("COLUMNS", "")
    if given.isdigit() and int(given):
        return int(given)
    for stream in (sys.stdout, sys.stderr, sys.stdin):
        with suppress(OSError, ValueError, AttributeError):
            width = os.get_terminal_size(stream.fileno()).columns
            if width:
                return width
    return None


def flush() -> None:
    """Flush stdout, so that a full disk or a closed pipe can still be reported."""
    if sys.stdout is not None:
        try:
            sys.stdout.flush()
        except OSError as cause:
            raise _of_stdout(cause) from cause


def _of_stdout(cause: OSError) -> OSError:
    return OSError(cause.errno, cause.strerror, "standard output")


def abandon_stdout() -> None:
    """Discard unwritten output, so that the interpreter does not report it at exit."""
    try:
        descriptor = sys.stdout.fileno()
    except (AttributeError, OSError):
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)


def results_console() -> Console:
    """Return the rich console for results on a terminal."""
    from rich.console import Console

    # Do not fail if the terminal cannot show a character of a name.
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    return Console(width=columns(), highlight=False, markup=False, emoji=False)


def track(results: Iterable[Item], total: int) -> Iterator[Item]:
    """Yield the items, with a progress bar of `total` items on stderr."""
    from rich import progress
    from rich.console import Console

    bar = progress.Progress(
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TextColumn("files"),
        progress.TimeRemainingColumn(elapsed_when_finished=True),
        console=Console(stderr=True),
        # Only stderr is redirected: its lines are printed above the bar.
        redirect_stdout=False,
        transient=True,
    )
    with bar:
        yield from bar.track(results, total=total)
