"""What a person reviews, and the file of corrections; ``tempo review`` shows it as a page."""

from tempocli.output.review.corrections import ACTIONS, COLUMNS, Correction, CorrectionLog
from tempocli.output.review.queue import ReviewTrack, read_queue
from tempocli.output.review.reading import read_corrections

__all__ = [
    "ACTIONS",
    "COLUMNS",
    "Correction",
    "CorrectionLog",
    "ReviewTrack",
    "read_corrections",
    "read_queue",
]
