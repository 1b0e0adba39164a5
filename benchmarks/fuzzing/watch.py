"""Watch the processes of a run: their memory, and which file they have open when it grows. Linux only."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from contextlib import suppress
from pathlib import Path

_POLL_SECONDS = 0.01
_FIELDS = re.compile(r"^(VmHWM|VmRSS|RssFile|RssShmem):\s*(\d+) kB", re.MULTILINE)
NOT_SEEN = "(a file that was not seen open)"


class Watch:
    """Samples a session's processes until it is closed; a context manager.

    Parameters
    ----------
    leader : int
        The first process of the session.
    folder : str or Path
        Only open files in it are told apart.
    kill_mb : float
        A process that holds more is killed, so that the machine lives.

    Attributes
    ----------
    peak_mb : float
        Most resident memory of all processes together at a moment; pages of files, which they share, count
        for the process that has most of them.
    largest_mb : dict of str to float
        New heights of a process's resident memory, by the name of the file that it had open.
    seconds : dict of str to float
        For how long each file was open.
    n_killed : int
        Processes that held too much.
    """

    def __init__(self, leader: int, folder: str | Path, *, kill_mb: float) -> None:
        self._leader = leader
        self._folder = f"{os.path.realpath(folder)}/"
        self._kill_mb = kill_mb
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.peak_mb = 0.0
        self.largest_mb: dict[str, float] = {}
        self.seconds: dict[str, float] = {}
        self.n_killed = 0

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._closed.set()
        self._thread.join()

    def _run(self) -> None:
        last = time.monotonic()
        highest: dict[int, float] = {}
        while not self._closed.wait(_POLL_SECONDS):
            now = time.monotonic()
            private, shared = 0.0, 0.0
            for process in session(self._leader):
                memory = _memory(process)
                of_files = memory["RssFile"] + memory["RssShmem"]
                private, shared = private + memory["VmRSS"] - of_files, max(shared, of_files)
                names = self._open_files(process)
                for name in names:
                    self.seconds[name] = self.seconds.get(name, 0.0) + now - last
                # The kernel knows the highest value ever, also between two looks.
                if memory["VmHWM"] > highest.get(process, 0.0):
                    highest[process] = memory["VmHWM"]
                    for name in names or {NOT_SEEN}:
                        self.largest_mb[name] = max(self.largest_mb.get(name, 0.0), memory["VmHWM"])
                if memory["VmRSS"] > self._kill_mb:
                    self.n_killed += 1
                    with suppress(OSError):
                        os.kill(process, signal.SIGKILL)
            self.peak_mb = max(self.peak_mb, private + shared, *highest.values())
            last = now

    def _open_files(self, process: int) -> set[str]:
        found = set()
        with suppress(OSError):
            for entry in os.scandir(f"/proc/{process}/fd"):
                with suppress(OSError):
                    path = os.readlink(entry.path)
                    if path.startswith(self._folder):
                        found.add(path.removeprefix(self._folder))
        return found


def session(leader: int) -> list[int]:
    """List the processes of a session."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            with suppress(OSError, IndexError):
                fields = Path(f"/proc/{name}/stat").read_text().rpartition(")")[2].split()
                if int(fields[3]) == leader:
                    found.append(int(name))
    return found


def _memory(process: int) -> dict[str, float]:
    """Read megabytes: resident now and at most, and what of it is shared."""
    try:
        text = Path(f"/proc/{process}/status").read_text()
    except OSError:
        text = ""
    none = dict.fromkeys(("VmHWM", "VmRSS", "RssFile", "RssShmem"), 0.0)
    return none | {name: int(kilobytes) / 1024 for name, kilobytes in _FIELDS.findall(text)}
