"""Many machines: the same estimates as Ray tasks (extra ``ray``), over shared folders or object storage."""

from tempocli.cluster.chunk import Work
from tempocli.cluster.engine import Job, Outcome, estimate_on_ray

__all__ = ["Job", "Outcome", "Work", "estimate_on_ray"]
