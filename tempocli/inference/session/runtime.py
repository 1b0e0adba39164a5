"""Open sessions of onnxruntime; the only module that imports it, after disabling its telemetry."""

from __future__ import annotations

import ctypes
import logging
import os
import sys
import threading
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from tempocli.errors import DeviceError, ModelError
from tempocli.inference.session import onnx_file as onnxfile

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

T = TypeVar("T")

# Of one call of a model from outside, and of opening it. A call of ours takes 40 ms, for 16 windows.
MAX_SECONDS = 60.0
_GRACE_SECONDS = 2.0  # for a node to end, after which alone a run can be ended

_DEVICES = ("auto", "cpu", "cuda")
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


class Session:
    """An open model. Outputs are checked, and an external model is ended if it takes too long.

    Attributes
    ----------
    path : Path
    device : str
        Device that runs the model: ``"cpu"`` or ``"cuda"``.
    metadata : dict of str to str
    """

    def __init__(
        self, path: Path, session: onnxruntime.InferenceSession, device: str, *, trusted: bool
    ) -> None:
        self.path = path
        self.device = device
        self.metadata: dict[str, str] = session.get_modelmeta().custom_metadata_map
        self._session = session
        self._trusted = trusted

    def width(self, output: str) -> int:
        """Return the length of the last axis of an output, as stated by the model.

        Raises
        ------
        ValueError
            If there is no such output, or its length is none.
        """
        shapes = {each.name: each.shape for each in self._session.get_outputs()}
        if output not in shapes:
            raise ValueError(f"no output {output}")
        size = shapes[output][-1] if shapes[output] else None
        if not isinstance(size, int):
            raise ValueError(f"the length of {output} is open")
        return size

    def run(
        self, outputs: Mapping[str, tuple[int, ...]], inputs: Mapping[str, NDArray[np.float32]]
    ) -> list[NDArray[np.float32]]:
        """Run the model.

        Parameters
        ----------
        outputs : dict of str to tuple of int
            Names of the outputs, and their shapes, which follow from those of the inputs.
        inputs : dict of str to ndarray of float32

        Returns
        -------
        list of ndarray of float32

        Raises
        ------
        ModelError
            If the model cannot be run, takes too long, or returns other shapes or types, NaN or infinity.
        """
        options = onnxruntime.RunOptions()
        options.log_severity_level = 4

        def run() -> list[Any]:
            try:
                values: list[Any] = self._session.run(list(outputs), dict(inputs), options)
            except Exception as error:  # as in `_session`
                raise ModelError(f"{self.path}: cannot be run ({_first_line(error)})") from error
            return values

        def end() -> None:
            options.terminate = True

        values = run() if self._trusted else _call_in_time(run, end, self.path)
        for (name, shape), value in zip(outputs.items(), values, strict=True):
            self._check(name, shape, value)
        return values

    def _check(self, name: str, shape: tuple[int, ...], value: Any) -> None:
        if not isinstance(value, np.ndarray) or value.dtype != np.float32:
            raise ModelError(f"{self.path}: its output {name} is no array of float32")
        if value.shape != shape:
            raise ModelError(f"{self.path}: its output {name} has the shape {value.shape}, not {shape}")
        if not np.isfinite(value).all():
            raise ModelError(f"{self.path}: its output {name} has values that are NaN or infinite")


def _call_in_time(function: Callable[[], T], end: Callable[[], None], path: Path) -> T:
    """Call a function in a thread, and abandon the call if it takes longer than `MAX_SECONDS`."""
    outcome: list[T] = []
    errors: list[BaseException] = []

    def call() -> None:
        try:
            outcome.append(function())
        except BaseException as error:  # it is raised below
            errors.append(error)

    thread = threading.Thread(target=call, name="tempo model", daemon=True)
    thread.start()
    thread.join(MAX_SECONDS)
    if thread.is_alive():
        end()
        thread.join(_GRACE_SECONDS)
        raise ModelError(f"{path}: takes longer than {MAX_SECONDS:g} s, and was given up")
    if errors:
        raise errors[0]
    return outcome[0]


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0]


def open_session(path: Path, device: str, threads: int, *, trusted: bool = False) -> Session:
    """Open an ONNX file.

    Parameters
    ----------
    path : Path
        The ONNX file.
    device : str
        ``"cpu"``, ``"cuda"``, or ``"auto"``: CUDA if it works, otherwise the CPU.
    threads : int
        Threads per call on the CPU.
    trusted : bool
        Whether it is a bundled model. Other models are checked, and each call is limited to `MAX_SECONDS`.

    Returns
    -------
    Session

    Raises
    ------
    ModelError
        If the file is not an ONNX model, or keeps weights in other files.
    DeviceError
        If `device` is ``"cuda"`` and that does not work, or is none of the three.
    """
    if not trusted:
        onnxfile.check(path)
    session, used = _open(path, device, threads, trusted=trusted)
    return Session(path, session, used, trusted=trusted)


def _open(
    path: Path, device: str, threads: int, *, trusted: bool
) -> tuple[onnxruntime.InferenceSession, str]:
    if device not in _DEVICES:
        raise DeviceError(f"device {device}: the devices are {', '.join(_DEVICES)}")
    if device != "cpu":
        # Checked before opening a session: without a driver, the attempt takes seconds and prints errors.
        reason = _cuda_reason()
        if reason is None:
            session = _session(
                path, ["CUDAExecutionProvider", "CPUExecutionProvider"], threads, trusted=trusted
            )
            # onnxruntime falls back to the CPU without an error, so check the provider in use.
            if session.get_providers()[0] == "CUDAExecutionProvider":
                log.info("device: cuda")
                return session, "cuda"
            reason = "its libraries (CUDA, cuDNN) could not be loaded"
        if device == "cuda":
            raise DeviceError(f"device cuda: {reason}")
        log.info("device: cuda does not work: %s", reason)
    log.info("device: cpu")
    return _session(path, ["CPUExecutionProvider"], threads, trusted=trusted), "cpu"


def _session(
    path: Path, providers: list[str], threads: int, *, trusted: bool
) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # it would write to stderr by itself; our own words say more

    def open_it() -> onnxruntime.InferenceSession:
        return onnxruntime.InferenceSession(str(path), options, providers=providers)

    try:
        return open_it() if trusted else _call_in_time(open_it, _nothing, path)
    except ModelError:
        raise
    except Exception as error:  # onnxruntime's own classes derive from nothing more particular
        raise ModelError(f"{path}: not an ONNX model that can be run ({_first_line(error)})") from error


def _nothing() -> None:
    """End nothing: the opening of a session cannot be ended."""


def _cuda_reason() -> str | None:
    """Return why CUDA cannot work, or ``None``."""
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        return "the installed onnxruntime has no CUDA provider; install onnxruntime-gpu"
    try:
        ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return "no NVIDIA driver here"
    return None
