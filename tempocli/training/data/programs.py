"""The programs and sounds that synthetic music is made with, which pip does not install."""

from __future__ import annotations

import shutil
from ctypes.util import find_library
from typing import TYPE_CHECKING

from tempocli.errors import DataError
from tempocli.training.data.prepare import find_soundfonts

if TYPE_CHECKING:
    from collections.abc import Callable

_WITHOUT = (
    "without them 'tempo train data labels', 'audio' and 'recordings' still work, "
    "and so do 'tempo train run' and 'export' on what they make"
)


def _has_soundfonts() -> bool:
    try:
        return bool(find_soundfonts())
    except DataError:
        return False


# What is needed, whether it is here, and the packages of Debian that have it.
_PARTS: dict[str, tuple[Callable[[], bool], str]] = {
    "FluidSynth": (lambda: find_library("fluidsynth") is not None, "fluidsynth"),
    "soundfonts": (_has_soundfonts, "fluid-soundfont-gm"),
    "MMA": (lambda: shutil.which("mma") is not None, "mma"),
    "eSpeak NG": (lambda: shutil.which("espeak-ng") is not None, "espeak-ng"),
    "apt-get": (lambda: shutil.which("apt-get") is not None, "apt"),
    "dpkg-deb": (lambda: shutil.which("dpkg-deb") is not None, "dpkg"),
}


def check_programs(*names: str) -> None:
    """Check for programs and sounds before work begins that needs them.

    Parameters
    ----------
    *names : str
        ``"FluidSynth"``, ``"soundfonts"``, ``"MMA"``, ``"eSpeak NG"``, ``"apt-get"`` or ``"dpkg-deb"``.

    Raises
    ------
    DataError
        If some are missing: which, how to get them, and what works without them.
    """
    missing = [name for name in names if not _PARTS[name][0]()]
    if missing:
        packages = " ".join(_PARTS[name][1] for name in missing)
        raise DataError(
            f"{' and '.join(missing)} not found, which this kind of data is made with "
            f"(on Debian: apt-get install {packages}); {_WITHOUT}"
        )
