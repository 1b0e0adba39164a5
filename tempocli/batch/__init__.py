"""Process many files in order, in worker processes; a crash costs one file only."""

from tempocli.audio.files.discovery import Selection, find_files
from tempocli.audio.files.inputs import find_inputs
from tempocli.audio.formats import AUDIO_EXTENSIONS
from tempocli.batch.pool import process_files

__all__ = ["AUDIO_EXTENSIONS", "Selection", "estimate_files", "find_files", "find_inputs", "process_files"]

# The documented name for estimators.
estimate_files = process_files
