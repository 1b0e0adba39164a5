"""Worker: aubio's beat tracker through its Python binding, as in aubio's own demonstration."""

import itertools
import statistics

import aubio
from protocol import serve

WINDOW = 1024
HOP = 512


def measure(path: str) -> float | None:
    """Estimate the tempo in BPM: 60 over the median time between beats."""
    source = aubio.source(path, 0, HOP)
    tracker = aubio.tempo("default", WINDOW, HOP, source.samplerate)
    beats = []
    n_read = HOP
    while n_read == HOP:
        samples, n_read = source()
        if tracker(samples):
            beats.append(tracker.get_last_s())
    gaps = [after - before for before, after in itertools.pairwise(beats)]
    return 60.0 / statistics.median(gaps) if gaps else None


serve(measure, str(aubio.version))
