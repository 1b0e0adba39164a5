"""How many files to work on at a time."""

from __future__ import annotations

import os

_JOBS_A_CORE = 4  # files on a slow network share are waited for, so that more jobs than cores may help
_ALWAYS = 16


def default_jobs() -> int:
    """Count the cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def most_jobs() -> int:
    """Tell how many jobs make sense here at the most; each is a process of some 60 MB."""
    return max(_ALWAYS, _JOBS_A_CORE * default_jobs())
