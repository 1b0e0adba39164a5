"""Worker: the program soundstretch of SoundTouch; it reads WAV only, and each file is a process."""

import re
import subprocess

from protocol import serve


def run(*arguments: str) -> str:
    """Run the program; return all that it says."""
    done = subprocess.run(["soundstretch", *arguments], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def measure(path: str) -> float | None:
    """Estimate the tempo in BPM."""
    said = run(path, "-bpm")
    found = re.search(r"Detected BPM rate ([\d.]+)", said)
    if found:
        return float(found[1])
    if "Couldn't detect BPM rate" in said:
        return None
    raise RuntimeError(said.strip().splitlines()[-1] if said.strip() else "soundstretch said nothing")


banner = re.search(r"SoundStretch v([\w.]+)", run())
serve(measure, banner[1] if banner else "of unknown version")
