"""Results as HTML, for notebooks; pictures are made without matplotlib."""

from __future__ import annotations

import base64
import struct
import zlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tempocli.schema import Estimate

_MAX_COLUMNS = 1200  # of a picture: windows of a longer recording are averaged
_HEIGHT = 180


def analysis_html(
    estimate: Estimate,
    tempogram: NDArray[np.float32],
    times: NDArray[np.float64],
    bpms: NDArray[np.float64],
) -> str:
    """Write an estimate as a table, with its tempogram below.

    Parameters
    ----------
    estimate : Estimate
    tempogram : ndarray of float32, shape=(n_windows, n_bins)
        Tempo distributions of the windows.
    times : ndarray of float64, shape=(n_windows,)
        Centres of the windows, in seconds.
    bpms : ndarray of float64, shape=(n_bins,)
        The tempo axis, in BPM.

    Returns
    -------
    str
        HTML. Time goes to the right, tempo upwards on a log scale; dark is probable. No picture if there is
        no window.
    """
    table = estimate._repr_html_()
    if not len(times):
        return table
    data = base64.b64encode(tempogram_png(tempogram)).decode("ascii")
    caption = f"{times[0]:.0f} to {times[-1]:.0f} s, {bpms[0]:.0f} (bottom) to {bpms[-1]:.0f} BPM (top)"
    return (
        f'{table}<figure><img alt="Tempogram" style="width:100%;max-width:60em;height:{_HEIGHT}px;'
        f'image-rendering:pixelated" src="data:image/png;base64,{data}">'
        f"<figcaption>{caption}</figcaption></figure>"
    )


def tempogram_png(tempogram: NDArray[np.float32]) -> bytes:
    """Draw a tempogram as a grey PNG: a column a window, a row a tempo, the highest on top.

    Each window is scaled to its own maximum, which is black. Of over 1200 windows, neighbours are averaged.
    """
    n = len(tempogram)
    if n > _MAX_COLUMNS:
        starts = np.arange(_MAX_COLUMNS) * n // _MAX_COLUMNS
        counts = np.diff(np.append(starts, n))
        tempogram = (np.add.reduceat(tempogram, starts, axis=0) / counts[:, None]).astype(np.float32)
    peaks = np.maximum(tempogram.max(axis=1, keepdims=True), np.finfo(np.float32).tiny)
    grey = np.round(255.0 * (1.0 - tempogram / peaks)).astype(np.uint8).T[::-1]
    height, width = grey.shape
    rows = np.pad(grey, ((0, 0), (1, 0))).tobytes()  # each row begins with its filter, 0
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, data) for name, data in chunks)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
