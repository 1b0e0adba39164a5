"""Run on many machines with Ray (extra ``ray``), over shared folders or object storage."""

from tempocli.batch.engines.ray.chunk import Work
from tempocli.batch.engines.ray.engine import Job, estimate_on_ray

__all__ = ["Job", "Work", "estimate_on_ray"]
