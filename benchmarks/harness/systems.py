"""The systems that are compared: what peers.toml lists, and the models of this checkout."""

from __future__ import annotations

import hashlib
import sys
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.commands import BenchmarkError, say
from harness.environments import (
    digest_of,
    find_interpreter_with,
    find_python,
    make_environment,
    make_own_environment,
    unpack_debian,
)
from harness.worker import WORKERS, Worker

# One thread each, wherever a library can be told so.
ONE_THREAD = dict.fromkeys(
    (
        "OMP_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "MKL_NUM_THREADS",
        "NUMBA_NUM_THREADS",
        "TF_NUM_INTRAOP_THREADS",
        "TF_NUM_INTEROP_THREADS",
    ),
    "1",
)


# This checkout's: what tempo_worker.py makes of the variant, the name, and what tempi it learned from.
OWN = {
    "both": ("tempo", "none"),
    "classify": ("tempo classify", "none"),
    "compare": ("tempo compare", "none"),
    "classify equivariant": ("tempo equivariant", "none"),
    "periodicity": ("tempo periodicity", "hand-made"),
}


@dataclass(frozen=True)
class Peer:
    """A tool, as peers.toml describes it."""

    key: str
    name: str
    labels: str
    variants: list[str] = field(default_factory=lambda: [""])
    python: list[str] = field(default_factory=list)
    pip: list[list[str]] = field(default_factory=list)
    module: str = ""
    debian: list[str] = field(default_factory=list)
    unavailable: str = ""


@dataclass(frozen=True)
class System:
    """One method or model of a tool, ready to run.

    `sources` are files whose content decides the estimates, besides the version that the tool states.
    """

    name: str
    labels: str
    variant: str
    python: Path
    worker: Path
    variables: dict[str, str]
    sources: list[Path]

    def start(self, folder: Path) -> Worker:
        """Start its worker; logs go to the folder."""
        variables = {**ONE_THREAD, **self.variables}
        if self.variant:
            variables["BENCHMARK_VARIANT"] = self.variant
        return Worker(self.name, [str(self.python), str(self.worker)], folder, variables)

    def fingerprint(self, version: str) -> str:
        """Return a text that changes when the estimates may change."""
        files = digest_of([self.worker, *self.sources])
        return hashlib.sha256(f"{self.name}\n{version}\n{files}".encode()).hexdigest()[:16]


def read_peers(path: Path) -> list[Peer]:
    """Read peers.toml."""
    tables: dict[str, dict[str, Any]] = tomllib.loads(path.read_text(encoding="utf-8"))
    return [Peer(key, **table) for key, table in tables.items()]


def set_up(peer: Peer, cache: Path) -> list[System]:
    """Make what a tool runs in; return its systems.

    Raises
    ------
    BenchmarkError
        If it cannot be had, with the reason.
    """
    if peer.unavailable:
        raise BenchmarkError(peer.unavailable)
    folder = cache / f"env-{peer.key}"
    python, variables = Path(sys.executable), {}
    if peer.debian:
        variables = unpack_debian(folder, peer.debian)
    else:
        found = find_interpreter_with(peer.module) if peer.module else None
        python = found or make_environment(folder, peer.pip, find_python(peer.python))
    worker = WORKERS / f"{peer.key}_worker.py"
    return [
        System(f"{peer.name} {variant}".strip(), peer.labels, variant, python, worker, variables, [])
        for variant in peer.variants
    ]


def set_up_own(checkout: Path, cache: Path) -> list[System]:
    """Make an environment with this checkout; return one system for each of `OWN`."""
    python = make_own_environment(cache / "env-tempo", checkout)
    # A method may use several of the models, so that any of them counts.
    models = [path for path in sorted((checkout / "models").iterdir()) if path.suffix != ".md"]
    sources = [*sorted((checkout / "tempocli").glob("*.py")), *models]
    return [
        System(name, labels, variant, python, WORKERS / "tempo_worker.py", {}, sources)
        for variant, (name, labels) in OWN.items()
    ]


def set_up_all(peers: list[Peer], checkout: Path, cache: Path) -> tuple[list[System], dict[str, str]]:
    """Set up this checkout and every peer; return the systems, and why others are missing, by name."""
    systems, missing = set_up_own(checkout, cache), {}
    for peer in peers:
        try:
            systems += set_up(peer, cache)
        except BenchmarkError as error:
            say(f"{peer.name}: {error}")
            missing[peer.name] = one_line(str(error))
    return systems, missing


def one_line(text: str) -> str:
    """Shorten a message to its last line, which has the reason."""
    lines = text.strip().splitlines()
    return lines[-1].strip() if lines else ""
