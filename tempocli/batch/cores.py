"""Number of files to process at a time."""

from __future__ import annotations

import os

_JOBS_A_CORE = 4  # more jobs than cores may help if files are on a slow network share
_ALWAYS = 16


def default_jobs() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def most_jobs() -> int:
    """Return the maximum useful number of jobs; each is a process of about 60 MB."""
    return max(_ALWAYS, _JOBS_A_CORE * default_jobs())
