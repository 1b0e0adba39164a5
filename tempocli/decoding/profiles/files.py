"""Profiles by name: files in the folder of the user's configuration."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from tempocli.decoding.profiles.profile import Profile
from tempocli.errors import DataError

if TYPE_CHECKING:
    from pathlib import Path

SUFFIX = ".profile"
_NAME = re.compile(r"[\w][\w .+-]{0,60}")


def profiles_folder() -> Path:
    """Return the folder of the profiles that have a name; it may not exist."""
    # Imported on use: it takes 15 ms.
    from platformdirs import user_config_path

    return user_config_path("tempo", appauthor=False) / "profiles"


def is_name(text: str) -> bool:
    """Return whether a text can be the name of a profile, and not only the path of a file."""
    return _NAME.fullmatch(text) is not None and not text.endswith((SUFFIX, ".json", " ", "."))


def path_of(name: str) -> Path:
    """Return the file of a profile's name.

    Raises
    ------
    DataError
        If it cannot be a name.
    """
    if not is_name(name):
        raise DataError(
            f"{name}: not a name for a profile: letters, digits, spaces and . _ + -, not ending with {SUFFIX}"
        )
    return profiles_folder() / f"{name}{SUFFIX}"


def list_profiles() -> list[str]:
    """Return the names of the profiles in the folder, sorted; none if it cannot be read."""
    try:
        entries = os.listdir(profiles_folder())
    except OSError:
        return []
    names = [entry.removesuffix(SUFFIX) for entry in entries if entry.endswith(SUFFIX)]
    return sorted(name for name in names if is_name(name))


def find_profile(profile: str | Path) -> Profile:
    """Open a profile by its name or by the path of its file; a name comes first.

    Raises
    ------
    DataError
        If there is none, or it cannot be read; the message lists the names that there are.
    """
    text = str(profile)
    if is_name(text) and (named := path_of(text)).is_file():
        return Profile.load(named)
    if os.path.isfile(text):
        return Profile.load(text)
    names = list_profiles()
    known = f"the names are {', '.join(names)}" if names else f"{profiles_folder()} has none"
    raise DataError(f"{text}: no such profile; {known}; anything else is a path")
