"""The only door to onnxruntime: its telemetry is off before it is imported, and sessions are opened here."""

from __future__ import annotations

import ctypes
import logging
import os
import sys
from typing import TYPE_CHECKING

from tempocli.errors import DeviceError, ModelError

if TYPE_CHECKING:
    from pathlib import Path

_SWITCH = "ORT_DISABLE_TELEMETRY"

log = logging.getLogger(__name__)

if "onnxruntime" in sys.modules and os.environ.get(_SWITCH, "").lower() not in {"1", "true", "yes", "on"}:
    log.warning("onnxruntime was imported before tempocli, with its telemetry; %s=1 turns it off", _SWITCH)
# onnxruntime reads this once, when it is imported; without it, it would look up a host, write a device id
# into the user's cache and `.ses` into the temporary folder. A user's 0 is overruled: tempo sends nothing.
os.environ[_SWITCH] = "1"
import onnxruntime  # noqa: E402  (the line above must come first)

# Windows does not know the variable; and elsewhere this silences what a program that came first has let in.
onnxruntime.disable_telemetry_events()


def open_session(path: Path, device: str, threads: int) -> tuple[onnxruntime.InferenceSession, str]:
    """Open an ONNX file, and tell whether ``"cpu"`` or ``"cuda"`` runs it.

    Parameters
    ----------
    path : Path
        The ONNX file.
    device : str
        ``"cpu"``, ``"cuda"``, or ``"auto"``: CUDA when it works, else the CPU.
    threads : int
        Threads of one call on the CPU.

    Returns
    -------
    session : onnxruntime.InferenceSession
    device : str
        ``"cpu"`` or ``"cuda"``.

    Raises
    ------
    ModelError
        If the file is not an ONNX model.
    DeviceError
        If `device` is ``"cuda"`` and that does not work.
    """
    if device != "cpu":
        # Asked before a session is tried: without a driver, the attempt costs seconds and prints errors.
        reason = _cuda_reason()
        if reason is None:
            session = _session(path, ["CUDAExecutionProvider", "CPUExecutionProvider"], threads)
            # onnxruntime falls back to the CPU without an error, so what it really took is asked.
            if session.get_providers()[0] == "CUDAExecutionProvider":
                log.info("device: cuda")
                return session, "cuda"
            reason = "its libraries (CUDA, cuDNN) could not be loaded"
        if device == "cuda":
            raise DeviceError(f"device cuda: {reason}")
        log.info("device: cuda does not work: %s", reason)
    log.info("device: cpu")
    return _session(path, ["CPUExecutionProvider"], threads), "cpu"


def _session(path: Path, providers: list[str], threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # it would write to stderr by itself; our own words say more
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=providers)
    except Exception as error:  # onnxruntime's own classes derive from nothing more particular
        first = str(error).strip().splitlines()[0]
        raise ModelError(f"{path}: not an ONNX model that can be run ({first})") from error


def _cuda_reason() -> str | None:
    """Tell why CUDA cannot work, or ``None``."""
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        return "the installed onnxruntime has no CUDA provider; install onnxruntime-gpu"
    try:
        ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return "no NVIDIA driver here"
    return None
