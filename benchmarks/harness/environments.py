"""Environments for the tools that are compared: virtual ones, and Debian packages unpacked into a folder."""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from harness.commands import BenchmarkError, call, say, succeeds

if TYPE_CHECKING:
    from collections.abc import Sequence

# What an environment was made from, written into it when it is complete.
STAMP = "made-from.txt"


def make_environment(folder: Path, installs: Sequence[Sequence[str]], python: str = sys.executable) -> Path:
    """Make a virtual environment by one `pip install` after the other; return its interpreter.

    It is left as it is when it was made in the same way before.
    """
    interpreter = folder / "bin" / "python"
    fingerprint = folder / STAMP
    recipe = "\n".join([python, *(" ".join(arguments) for arguments in installs)])
    if fingerprint.is_file() and fingerprint.read_text(encoding="utf-8") == recipe:
        return interpreter
    say(f"making {folder}")
    shutil.rmtree(folder, ignore_errors=True)
    call([python, "-m", "venv", str(folder)])
    for arguments in installs:
        say(f"  pip install {' '.join(arguments)}")
        call([str(interpreter), "-m", "pip", "install", "--quiet", *arguments])
    fingerprint.write_text(recipe, encoding="utf-8")
    return interpreter


def make_own_environment(folder: Path, checkout: Path) -> Path:
    """Make an environment that has this checkout as it is now; return its interpreter."""
    interpreter = make_environment(folder, [])
    installed = folder / "checkout.txt"
    digest = digest_of(
        sorted([*checkout.glob("tempocli/**/*.py"), *checkout.glob("models/*"), checkout / "pyproject.toml"])
    )
    if not installed.is_file() or installed.read_text(encoding="utf-8") != digest:
        say(f"installing {checkout} into {folder}")
        call([str(interpreter), "-m", "pip", "install", "--quiet", str(checkout)])
        installed.write_text(digest, encoding="utf-8")
    return interpreter


def digest_of(files: Sequence[Path]) -> str:
    """Return a text that changes when the content of one of the files does."""
    contents = (hashlib.sha256(file.read_bytes()).hexdigest() for file in files)
    return hashlib.sha256("\n".join(contents).encode()).hexdigest()[:16]


def find_python(versions: Sequence[str]) -> str:
    """Find an interpreter of one of these versions, the first the best; an empty list means this one.

    This interpreter, the search path and the versions that pyenv keeps are looked through.
    """
    if not versions:
        return sys.executable
    for version in versions:
        if platform.python_version().startswith(f"{version}."):
            return sys.executable
        kept = sorted((Path.home() / ".pyenv" / "versions").glob(f"{version}.*/bin/python"))
        for found in (shutil.which(f"python{version}"), *map(str, kept)):
            if found and succeeds([found, "--version"]):
                return found
    raise BenchmarkError(f"it needs Python {' or '.join(versions)}, which is not on this machine")


def has_module(python: Path, module: str) -> bool:
    """Tell whether an interpreter can import a module."""
    return succeeds([str(python), "-c", f"import {module}"])


def find_interpreter_with(module: str) -> Path | None:
    """Find an interpreter that has a module: the system's, or any on the search path."""
    names = ["/usr/bin/python3", *(f"python3.{minor}" for minor in range(20, 7, -1)), "python3"]
    for name in names:
        found = shutil.which(name)
        if found and has_module(Path(found), module):
            return Path(found)
    return None


def unpack_debian(folder: Path, packages: Sequence[str]) -> dict[str, str]:
    """Unpack Debian packages into a folder, without root; return the variables with which they run."""
    root = folder / "root"
    if not root.is_dir():
        say(f"unpacking {' '.join(packages)} into {folder}")
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        if shutil.which("apt-get") is None:
            raise BenchmarkError(f"it comes as the Debian package {packages[0]}, and there is no apt-get")
        call(["apt-get", "download", *packages], folder)
        for package in sorted(folder.glob("*.deb")):
            call(["dpkg", "-x", str(package), str(folder / "unpacked")])
        (folder / "unpacked").rename(root)
    libraries = [str(path) for path in (root / "usr" / "lib").glob("*-linux-*")]
    return {
        "PATH": os.pathsep.join([str(root / "usr" / "bin"), os.environ["PATH"]]),
        "LD_LIBRARY_PATH": os.pathsep.join(libraries),
    }


def python_version(python: Path) -> str:
    """Ask an interpreter for its version."""
    return call([str(python), "-c", "import platform; print(platform.python_version())"]).strip()
