"""Many files: find them, and estimate them in order, in worker processes that may die without harm."""

from tempocli.audio.files.discovery import Selection, find_files
from tempocli.audio.files.inputs import find_inputs
from tempocli.audio.formats import AUDIO_EXTENSIONS
from tempocli.batch.pool import estimate_files

__all__ = ["AUDIO_EXTENSIONS", "Selection", "estimate_files", "find_files", "find_inputs"]
