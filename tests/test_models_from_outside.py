"""Models from outside: whatever a file says or does, it costs a line and not the machine."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import foreign
import numpy as np
import pytest
from click.testing import CliRunner

from tempocli.cli import cli
from tempocli.errors import ModelError
from tempocli.estimator import Estimator
from tempocli.inference import registry
from tempocli.inference.classifier import Encoder
from tempocli.inference.comparator import Comparator
from tempocli.inference.session import onnx_file as onnxfile
from tempocli.inference.session import runtime

SAMPLE = Path(__file__).resolve().parents[1] / "docs" / "sample.ogg"
WINDOWS = np.random.default_rng(0).random((2, 1024, 40), np.float32)
HUGE = 10**12


def with_metadata(path: Path, part: str, changes: dict[str, object]) -> Path:
    values = {"front_end": foreign.FRONT_END, "axis": foreign.AXIS, "calibration": foreign.CALIBRATION}[part]
    return foreign.write(path, foreign.METADATA | {part: json.dumps(values | changes)})


def test_a_good_one_is_used(tmp_path: Path) -> None:
    encoder = Encoder(foreign.write(tmp_path / "mine.onnx"), device="cpu")
    logits, embedding = encoder.encode(WINDOWS)
    assert (logits.shape, embedding.shape) == ((2, 160), (2, 40))
    if SAMPLE.is_file():
        estimate = Estimator(tmp_path / "mine.onnx", method="classify", device="cpu").estimate(SAMPLE)
        assert estimate.model == "mine"


@pytest.mark.parametrize(
    ("part", "changes"),
    [
        ("front_end", {"sample_rate": HUGE}),
        ("front_end", {"sample_rate": 0}),
        ("front_end", {"sample_rate": 22050.5}),
        ("front_end", {"sample_rate": "22050"}),
        ("front_end", {"sample_rate": True}),
        ("front_end", {"n_fft": HUGE}),
        ("front_end", {"n_fft": 0}),
        ("front_end", {"hop_length": 0}),
        ("front_end", {"hop_length": -256}),
        ("front_end", {"hop_length": 1}),
        ("front_end", {"hop_length": HUGE}),
        ("front_end", {"n_mels": 0}),
        ("front_end", {"n_mels": HUGE}),
        ("front_end", {"f_min": -1.0}),
        ("front_end", {"f_max": 20.0}),
        ("front_end", {"f_max": 1e9}),
        ("front_end", {"f_max": float("nan")}),
        ("front_end", {"log_gain": float("inf")}),
        ("front_end", {"log_gain": None}),
        ("front_end", {"more": 1}),
        ("axis", {"n_frames": 0}),
        ("axis", {"n_frames": 3}),
        ("axis", {"n_frames": HUGE}),
        ("axis", {"n_frames": 25_000}),
        ("axis", {"n_bins": HUGE}),
        ("axis", {"n_bins": 0}),
        ("axis", {"n_bins": 161}),
        ("axis", {"bins_per_octave": 0}),
        ("axis", {"bins_per_octave": 0.001}),
        ("axis", {"bins_per_octave": -48}),
        ("axis", {"min_bpm": 0.0}),
        ("axis", {"min_bpm": float("nan")}),
        ("axis", {"min_bpm": 1e300}),
        ("axis", {"min_bpm": [30.0]}),
        ("calibration", {"family": [float("nan"), 1.0]}),
        ("calibration", {"family": [0.0, 1e300]}),
        ("calibration", {"pulse": [0.0, 0.0]}),
        ("calibration", {"octave": ["0", "1"]}),
    ],
)
def test_metadata_out_of_range(tmp_path: Path, part: str, changes: dict[str, object]) -> None:
    path = with_metadata(tmp_path / "mine.onnx", part, changes)
    with pytest.raises(ModelError, match=r"not a model of tempo \(metadata: ") as raised:
        Encoder(path, device="cpu")
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < len(str(path)) + 200


@pytest.mark.parametrize(
    "changes",
    [
        {"version": "3"},
        {"name": "a\nb"},
        {"name": "x" * 1000},
        {"name": ""},
        {"tilt": "1e999"},
        {"tilt": "NaN"},
        {"tilt": "eleven"},
        {"axis": "[" * 100_000},
        {"axis": "9" * 10_000},
        {"front_end": "null"},
        {"calibration": "{}"},
    ],
)
def test_other_metadata(tmp_path: Path, changes: dict[str, str]) -> None:
    path = foreign.write(tmp_path / "mine.onnx", foreign.METADATA | changes)
    with pytest.raises(ModelError, match="not a model of tempo"):
        Encoder(path, device="cpu")


@pytest.mark.parametrize(
    "prior", [{"centre": 0.0}, {"octaves": 0.0}, {"weight": float("nan")}, {"more": 1}, {"centre": "120"}]
)
def test_metadata_of_a_comparator(compare_path: Path, tmp_path: Path, prior: dict[str, object]) -> None:
    model = foreign.onnx.load(compare_path)
    for entry in model.metadata_props:
        if entry.key == "prior":
            entry.value = json.dumps({"centre": 125.0, "octaves": 0.5, "weight": 0.5} | prior)
    foreign.onnx.save(model, tmp_path / "mine.onnx")
    with pytest.raises(ModelError, match="not a model that compares"):
        Comparator(tmp_path / "mine.onnx", device="cpu")


class TestOutputs:
    def refusal(self, path: Path) -> str:
        with pytest.raises(ModelError) as raised:
            Encoder(path, device="cpu").encode(WINDOWS)
        assert "\n" not in str(raised.value)
        return str(raised.value)

    def test_another_shape(self, tmp_path: Path) -> None:
        nodes = [foreign.node("Concat", ["plain", "plain"], ["logits"], axis=0)]
        path = foreign.write(tmp_path / "mine.onnx", nodes=nodes)
        assert self.refusal(path).endswith("its output logits has the shape (4, 160), not (2, 160)")

    def test_another_type(self, tmp_path: Path) -> None:
        nodes = [foreign.node("Cast", ["plain"], ["logits"], to=foreign.DOUBLE)]
        path = foreign.write(tmp_path / "mine.onnx", nodes=nodes, dtype=foreign.DOUBLE)
        assert self.refusal(path).endswith("its output logits is no array of float32")

    @pytest.mark.parametrize("kind", ["Log", "Exp"])
    def test_nan_and_infinity(self, tmp_path: Path, kind: str) -> None:
        nodes = [
            foreign.node("Mul", ["plain", "much"], ["large"]),
            foreign.node(kind, ["large"], ["logits"]),
        ]
        constants = [foreign.tensor("much", np.float32(1e6))]
        path = foreign.write(tmp_path / "mine.onnx", nodes=nodes, constants=constants)
        assert self.refusal(path).endswith("its output logits has values that are NaN or infinite")

    def test_another_input(self, tmp_path: Path) -> None:
        path = foreign.write(tmp_path / "mine.onnx", log_mel="audio")
        assert "cannot be run (" in self.refusal(path)

    def test_a_comparator_that_gives_nan(self, compare_path: Path, tmp_path: Path) -> None:
        model = foreign.onnx.load(compare_path)
        for output in ("embedding", "log_odds"):
            for node in model.graph.node:
                node.output[:] = [name.replace(output, f"{output} before") for name in node.output]
            model.graph.node.append(foreign.node("Neg", [f"{output} before"], [f"{output} less"]))
            model.graph.node.append(foreign.node("Sqrt", [f"{output} less"], [output]))
        foreign.onnx.save(model, tmp_path / "mine.onnx")
        comparator = Comparator(tmp_path / "mine.onnx", device="cpu")
        with pytest.raises(ModelError, match="NaN or infinite"):
            comparator.embed(WINDOWS)


@pytest.mark.slow
class TestEndless:
    def test_a_loop_is_ended(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(runtime, "MAX_SECONDS", 0.3)
        encoder = Encoder(foreign.endless(tmp_path / "mine.onnx"), device="cpu")
        start = time.monotonic()
        with pytest.raises(ModelError, match=r"takes longer than 0.3 s, and was given up"):
            encoder.encode(WINDOWS)
        # By the loop's own end, and not only by the grace for what does not.
        assert time.monotonic() - start < 0.3 + runtime._GRACE_SECONDS

    def test_it_ends_the_command_in_a_line(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        if not SAMPLE.is_file():
            pytest.skip("needs docs/sample.ogg, which is not here")
        monkeypatch.setattr(runtime, "MAX_SECONDS", 0.3)
        path = foreign.endless(tmp_path / "mine.onnx")
        arguments = ["estimate", "--model", str(path), "--method", "classify", str(SAMPLE)]
        result = CliRunner().invoke(cli, arguments)
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr == f"tempo: {path}: takes longer than 0.3 s, and was given up\n"

    def test_what_breaks_in_a_worker_ends_the_command_in_a_line(self, tmp_path: Path) -> None:
        if not SAMPLE.is_file():
            pytest.skip("needs docs/sample.ogg, which is not here")
        path = foreign.write(tmp_path / "mine.onnx", log_mel="audio")
        arguments = ["estimate", "--model", str(path), "--method", "classify", *[str(SAMPLE)] * 2]
        result = CliRunner().invoke(cli, arguments)
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.startswith(f"tempo: {path}: cannot be run (")
        assert result.stderr.count("\n") == 1

    def test_ours_are_called_without_a_thread(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(runtime, "_call_in_time", None)
        # Not the fixture's: tests of a wheel run beside a copy of the models, which is none of ours.
        Encoder(registry.resolve("tempo"), device="cpu").encode(WINDOWS)


class TestOtherFiles:
    @pytest.mark.parametrize("inside", ["initializer", "attribute"])
    @pytest.mark.parametrize("location", ["weights.bin", "../weights.bin", "/etc/hostname", "/dev/zero"])
    def test_weights_in_other_files_are_refused(self, tmp_path: Path, location: str, inside: str) -> None:
        (tmp_path / "in").mkdir()
        for folder in (tmp_path, tmp_path / "in"):
            np.zeros(160, np.float32).tofile(folder / "weights.bin")
        path = foreign.external(tmp_path / "in" / "mine.onnx", location, inside=inside)
        with pytest.raises(ModelError, match="keeps weights in other files"):
            Encoder(path, device="cpu")

    def test_a_loop_may_not_hide_them(self, tmp_path: Path) -> None:
        path = foreign.endless(tmp_path / "mine.onnx")
        onnxfile.check(path)
        model = foreign.onnx.load(path)
        body = model.graph.node[2].attribute[0].g
        hidden = body.initializer.add(name="hidden", data_type=foreign.FLOAT)
        hidden.external_data.add(key="location", value="/etc/hostname")
        foreign.onnx.save(model, path)
        with pytest.raises(ModelError, match="keeps weights in other files"):
            onnxfile.check(path)

    def test_those_that_ship_have_none(self) -> None:
        for entry in registry.list_models():
            onnxfile.check(entry.path)

    @pytest.mark.parametrize("length", [1, 10, 100, 1000, 100_000])
    def test_what_is_cut(self, model_path: Path, tmp_path: Path, length: int) -> None:
        path = tmp_path / "mine.onnx"
        path.write_bytes(model_path.read_bytes()[:length])
        with pytest.raises(ModelError, match=r"mine\.onnx: not an? (ONNX )?model"):
            Encoder(path, device="cpu")

    def test_what_nests_without_end(self, tmp_path: Path) -> None:
        data = b""
        for _ in range(200):
            for field in (6, 5, 1):  # a graph of a node with an attribute that is a graph
                size = len(data)
                length = bytes([size & 0x7F | 0x80, size >> 7 & 0x7F | 0x80, size >> 14])
                data = bytes([field << 3 | 2]) + length + data
        (tmp_path / "mine.onnx").write_bytes(b"\x3a" + length + data)
        with pytest.raises(ModelError, match="not an ONNX model"):
            onnxfile.check(tmp_path / "mine.onnx")

    def test_what_is_far_too_large(self, tmp_path: Path) -> None:
        path = tmp_path / "mine.onnx"
        with path.open("wb") as file:
            file.truncate(30 * 10**9)
        with pytest.raises(ModelError, match=r"30\.0 GB, and a model has 1 GB at the most"):
            Encoder(path, device="cpu")

    def test_a_copy_of_ours_is_as_good(self, model_path: Path, tmp_path: Path) -> None:
        path = Path(shutil.copy(model_path, tmp_path / "copy.onnx"))
        ours, copy = (Encoder(each, device="cpu").encode(WINDOWS)[0] for each in (model_path, path))
        np.testing.assert_array_equal(ours, copy)
