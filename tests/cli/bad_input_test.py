"""What is wrong is named in one line, with the documented exit code, and what was computed before stays as it is."""
import ctypes
import gzip
import hashlib
import json
import math
import os
import pickle
import random
import resource
import shutil
import signal
import struct
import tempfile
import unittest
import zipfile
from pathlib import Path

from program import ASSAY, ROBUST, ROOT, STANDARD, Case
from program import attack, content, corruption, idx, identity, model, npy, run, sweep, units, write

SIDE, IMAGES = 28, 20
PIXELS = random.Random(0).randbytes(IMAGES * SIDE * SIDE)
LABELS = [i % 10 for i in range(IMAGES)]
SWEEP = sweep(attack("fgsm", "epsilon = 0.1"), corruption("contrast", 1))


def setUpModule() -> None:
    folder = tempfile.TemporaryDirectory(prefix="assay-test-")
    unittest.addModuleCleanup(folder.cleanup)
    BadInput.finished = Path(folder.name) / "finished"
    config = write(Path(folder.name) / "sweep.toml", SWEEP)
    result = run("run", config, "--out", BadInput.finished)
    assert result.returncode == 0, result.stderr


class BadInput(Case):
    def setUp(self) -> None:
        super().setUp()
        self.out = Path(shutil.copytree(self.finished, self.dir / "out"))
        self.before = content(self.out)

    def untouched(self) -> None:
        self.assertEqual(content(self.out), self.before)

    def sweep_refused(self, code: int, says: str, text: str, name: str = "bad.toml") -> str:
        """Against the folder of a finished sweep, which stays as it is."""
        error = self.refused(code, says, "run", self.write_sweep(text, name), "--out", self.out)
        self.untouched()
        return error

    def new_sweep_refused(self, code: int, says: str, text: str) -> None:
        """In a new folder, which is not made."""
        out = self.dir / "new"
        self.refused(code, says, "run", self.write_sweep(text), "--out", out)
        self.assertFalse(out.exists(), "what is mended would not fit the plan that was left")


class FailedUnits(Case):
    def failing_sweep(self, n: int, top: str = "") -> Path:
        """golden/fails_on_white.pt passes the probe of the first images and raises at image 40."""
        white = 40
        pixels = bytearray(random.Random(1).randbytes(n * SIDE * SIDE))
        pixels[white * SIDE * SIDE : (white + 1) * SIDE * SIDE] = b"\xff" * (SIDE * SIDE)
        write(self.dir / "data/images.npy", npy("|u1", (n, SIDE, SIDE), bytes(pixels)))
        write(self.dir / "data/labels.npy", npy("|u1", (n,), [i % 10 for i in range(n)]))
        failing = ROOT / "tests/golden/fails_on_white.pt"
        return self.write_sweep(
            f'batch = 16\n{top}[data]\nsource = "npy:{self.dir / "data"}"\n[[model]]\nname = "m"\npath = "{failing}"\n'
            + attack("fgsm", "epsilon = 0.01")
        )

    def test_units_that_fail_are_recorded_and_the_others_count(self) -> None:
        n = 64
        config, out = self.failing_sweep(n), self.dir / "out"
        result = self.done("run", config, "--out", out, code=3)
        self.assertIn("an all-white image", result.stderr)
        self.assertIn("2 of 8 units failed", result.stderr)
        self.assertEqual(len(list((out / "failures").glob("*.json"))), 2)
        self.assertEqual(len(units(out)), 6)
        for cell in json.loads((out / "results.json").read_text())["cells"]:
            self.assertEqual((cell["n"], cell["undecided"]), (n, 16))
            self.assertIn("failed_units", cell["flags"])
        before = identity(out)
        self.done("run", config, "--out", out, code=3)
        self.assertEqual(identity(out), before, "what succeeded is not computed again")
        self.done("merge", out, code=3)

    def test_what_failed_is_undecided_when_a_sweep_is_scored_again(self) -> None:
        n = 48
        config, out = self.failing_sweep(n, 'metrics = ["accuracy", "balanced_accuracy"]\nkeep = "logits"\n'), self.dir / "out"
        self.done("run", config, "--out", out, code=3)
        words = ("score", "--run", out, "--metric", "balanced_accuracy", "--metric", "accuracy")
        cells = json.loads((out / "results.json").read_text())["cells"]
        scored = self.done(*words, "--by-class", "--json")
        self.assertIn("16 rows of 'm clean of", scored.stderr)
        for cell, again in zip(cells, json.loads(scored.stdout)["cells"]):
            for metric in ("balanced_accuracy", "accuracy"):
                self.assertEqual(again["metrics"][metric]["value"], cell["metrics"][metric]["value"])
        fit = ("--metric", "nll", "--scaling", "temperature", "--fit-samples", "24:40")
        result = run("score", "--run", out, *fit)
        self.assertEqual((result.returncode, "sample 32 of 'm clean of" in result.stderr), (65, True), result.stderr)
        # A label that no class has, where no unit's digest would tell.
        kept = (out / "labels.npy").read_bytes()
        (out / "labels.npy").write_bytes(kept[:-2] + b"\x60\xea")
        for command in (words, (*words, "--by-class"), ("merge", out)):
            result = run(*command)
            self.assertEqual((result.returncode, "has the label 60000" in result.stderr), (65, True), result.stderr)
        (out / "labels.npy").write_bytes(kept)
        # A cell without any unit says so, and the others are scored.
        plan = json.loads((out / "plan.json").read_text())
        for unit in plan["units"]:
            if unit["cell"] == 1 and (record := out / "units" / unit["key"][:2] / f"{unit['key']}.json").exists():
                record.unlink()
                write(out / "failures" / f"{unit['key']}.json", (next((out / "failures").glob("*.json"))).read_bytes())
        last = self.json(*words)["cells"][1]
        self.assertEqual((last["n"], last["metrics"]["accuracy"]["value"]), (n, None))
        self.assertEqual(last["metrics"]["accuracy"]["undefined"], "no unit was computed")
        self.assertRegex(self.done(*words).stdout, r"m fgsm .*, 48 samples\naccuracy +null\n")
        self.assertIn("is of what an attack did", run("score", "--run", out, "--metric", "robust_accuracy").stderr)


class Config(BadInput):
    def test_a_wrong_value_is_named_with_its_place_in_the_file(self) -> None:
        def top(line: str) -> str:
            return sweep(top=line)

        for says, text in {
            "unknown key 'epsilom' in [[attack]]": sweep(attack("fgsm", "epsilom = 0.1")),
            "did you mean 'seed'?": top("sead = 1"),
            "batch = \"many\": a whole number": top("").replace("batch = 16", 'batch = "many"'),
            "limit = 0: must be at least 1": sweep(limit=0),
            "seed = -1: must be at least 0": top("seed = -1"),
            "severity = 6: must be between 1 and 5": sweep(corruption("contrast", 6)),
            "severity = 2.5: a whole number": sweep(corruption("contrast", 2.5)),
            "epsilon = -1: must be between": sweep(attack("pgd_linf", "epsilon = -1")),
            "target = \"last\": a text, one of \"none\", \"second\"": sweep(attack("fgsm", 'epsilon = 0.1\ntarget = "last"')),
            "target = 1.5: a text, one of": sweep(attack("fgsm", "epsilon = 0.1\ntarget = 1.5")),
            "unknown key 'target' in [[attack]]": sweep(attack("square_linf", "epsilon = 0.1\ntarget = 1")),
            "epsilon = nan: a finite number": sweep(attack("pgd_l2", "epsilon = [0.5, nan]")),
            "epsilon is an empty list": sweep(attack("pgd_linf", "epsilon = []")),
            "missing 'epsilon'": sweep(attack("fgm_l2", "")),
            "metrics is an empty list": top("metrics = []"),
            "unknown metric 'acuracy'; did you mean 'accuracy'?": top('metrics = ["acuracy"]'),
            "unknown profile 'torchmetric'; did you mean 'torchmetrics-1.9'?": top('profile = "torchmetric"'),
            "unknown attack 'pgd_lnf'; did you mean 'pgd_linf'?": sweep(attack("pgd_lnf", "epsilon = 0.1")),
            "unknown corruption 'contrasts'; did you mean 'contrast'?": sweep(corruption("contrasts", 1)),
            "unknown source 'fashion_minst'; did you mean 'fashion_mnist'?": sweep(source="fashion_minst"),
            "device = \"gpu\": auto, cpu, cuda": top('device = "gpu"'),
            "std = 0": sweep(models=model(ROBUST, "mean = [0.2]\nstd = [0]")),
            "64 hexadecimal digits": sweep(models=model(ROBUST, 'sha256 = "abc"')),
        }.items():
            with self.subTest(says):
                error = self.sweep_refused(2, says, text)
                self.assertRegex(error, r"^error: .*bad\.toml:\d+:\d+: ")

    def test_what_is_missing_or_broken_is_named(self) -> None:
        self.sweep_refused(2, "bad.toml: at least one [[model]]", sweep(models=""))
        self.assertRegex(self.sweep_refused(2, "", '{"batch": 16,\n "data" }', "bad.json"), r"bad\.json:2:\d+: ")

    def test_a_file_that_is_no_sweep_is_named(self) -> None:
        self.refused(2, "No such file", "run", self.dir / "missing.toml", "--out", self.out)
        self.refused(2, "is a folder", "run", self.dir, "--out", self.out)
        self.refused(2, "not UTF-8", "run", write(self.dir / "random.toml", b"\xff\xfe" + PIXELS[:99]), "--out", self.out)
        self.untouched()


class CommandLine(BadInput):
    def test_a_wrong_word_is_named(self) -> None:
        config = self.write_sweep(SWEEP)
        run_it = ("run", config, "--out", self.out)
        attack_it = ("attack", ROBUST, "fashion_mnist", "fgsm", "--limit", 16, "--out", self.dir / "made")
        corrupt_it = ("corrupt", "fashion_mnist", "contrast", "--out", self.dir / "made", "--severity")
        for says, words in {
            "subcommand is required": (),
            "unknown verb 'rum'": ("rum", config),
            "--fast": (*run_it, "--fast"),
            "sweep is required": ("run",),
            "--shard '3/3': expected i/N with 0 <= i < N": (*run_it, "--shard", "3/3"),
            "--shard 'x'": (*run_it, "--shard", "x"),
            "--shard '-1/2'": (*run_it, "--shard=-1/2"),
            "--shard '0/0'": (*run_it, "--shard", "0/0"),
            "--shard '1/2/3'": (*run_it, "--shard", "1/2/3"),
            "--shard ''": (*run_it, "--shard", ""),
            "--threads": (*run_it, "--threads", 0),
            "unknown device 'tpu'": (*run_it, "--device", "tpu"),
            "unknown kind 'attak'": ("list", "attak"),
            "has no parameter 'epsilom'; did you mean 'epsilon'?": (*attack_it, "--epsilom", 0.1),
            "missing 'epsilon'": attack_it,
            "epsilon = -1": (*attack_it, "--epsilon", -1),
            "epsilon = nan": (*attack_it, "--epsilon", "nan"),
            "attack 'fgsm' has target 10, but the model has 10 classes, 0 to 9": (*attack_it, "--epsilon", 0.1, "--target", 10),
            "target = -1: a text, one of": (*attack_it, "--epsilon", 0.1, "--target", -1),
            "--epsilon has no value": (*attack_it, "--epsilon"),
            "--epsilon is given twice": (*attack_it, "--epsilon", 0.1, "--epsilon=0.2"),
            "--out: is empty": (*run_it[:2], "--out", ""),
            "dir: is empty": ("merge", ""),
            "unexpected argument 'more'": (*attack_it, "--epsilon", 0.1, "more"),
            "--mean and --std": (*attack_it, "--epsilon", 0.1, "--mean", 0.5),
            "--seed": (*attack_it, "--epsilon", 0.1, "--seed", -1),
            "it is a corruption": ("attack", ROBUST, "fashion_mnist", "contrast", "--out", self.dir / "made"),
            "unknown data source 'zip'": ("attack", ROBUST, "zip", "fgsm", "--epsilon", 0.1, "--out", self.dir / "made"),
            "severity = 6": (*corrupt_it, 6),
            "Could not convert: --severity = mild, expected a number": (*corrupt_it, "mild"),
            "--limit excludes --index": (*corrupt_it, 1, "--index", 1, "--limit", 5),
            "--index 10000: 'fashion_mnist' has images 0 to 9999": (*corrupt_it, 1, "--index", 10000),
            "--index": (*corrupt_it, 1, "--index", -1),
            "--limit": (*corrupt_it, 1, "--limit", 0),
            "table = \"99\"": (*corrupt_it, 1, "--table", 99),
        }.items():
            with self.subTest(says):
                self.refused(2, says, *words)
        self.untouched()
        self.assertFalse((self.dir / "made").exists())

    def test_starting_points_that_no_attack_can_take_are_named(self) -> None:
        made = ("--limit", 16, "--out", self.dir / "made")
        attack_it = ("attack", ROBUST, "fashion_mnist", "pgd_linf", "--epsilon", 0.1, *made, "--start")
        file = f"file:{self.dir / 'start.npy'}"
        members = f"pgd_linf start={file}"
        for says, words in {
            'start = "clean": "" or "file:PATH" is expected': (*attack_it, "clean"),
            'start = "file:": "" or "file:PATH" is expected': (*attack_it, "file:"),
            "restarts = 2: 1 is expected with start = ": (*attack_it, file, "--restarts", 2),
            "'fgsm' has no parameter 'start'": ("attack", ROBUST, "fashion_mnist", "fgsm", "--epsilon", 0.1, *made, "--start", file),
            "'pgd_linf' has a start, but": ("attack", ROBUST, "fashion_mnist", "ensemble_linf", "--epsilon", 0.1, "--members", members, *made),
        }.items():
            with self.subTest(says):
                self.refused(2, says, *words)
        for says, shape, dtype, value in (
            ("has shape (15, 1, 28, 28) of '<f4'; expected (16, 1, 28, 28) of '<f4', or more images", (15, 1, 28, 28), "<f4", 0.5),
            ("has shape (16, 28, 28, 1) of '<f4'; expected (16, 1, 28, 28)", (16, 28, 28, 1), "<f4", 0.5),
            ("has shape (16, 1, 28, 28) of '<f8'; expected (16, 1, 28, 28) of '<f4'", (16, 1, 28, 28), "<f8", 0.5),
            ("has value 2 at index [0, 0, 0, 0]; expected [0, 1]", (16, 1, 28, 28), "<f4", 2.0),
            ("has value nan at index [0, 0, 0, 0]; expected [0, 1]", (16, 1, 28, 28), "<f4", float("nan")),
        ):
            with self.subTest(says):
                write(self.dir / "start.npy", npy(dtype, shape, [value] * math.prod(shape)))
                self.refused(65, says, *attack_it, file)
        self.refused(65, "missing.npy", *attack_it, "file:" + str(self.dir / "missing.npy"))
        for entry in (attack("pgd_linf", f'epsilon = 0.1\nstart = ["", "{file}"]'), attack("apgd_t_l2", f'epsilon = 1\nstart = "{file}"')):
            self.sweep_refused(2, "a sweep takes no starting points, `assay attack` does", sweep(entry))
        self.untouched()
        self.assertFalse((self.dir / "made").exists())

    def test_cuda_is_not_there(self) -> None:
        self.sweep_refused(69, "device 'cuda' was asked for", sweep(top='device = "cuda"'))
        self.refused(69, "device 'cuda:1'", "run", self.write_sweep(SWEEP), "--out", self.out, "--device", "cuda:1")
        self.refused(69, "device 'cuda'", "doctor", "--device", "cuda")
        made = ("corrupt", "fashion_mnist", "contrast", "--severity", 1, "--out", self.dir / "made")
        self.refused(69, "device 'cuda'", *made, "--device", "cuda")
        self.untouched()


class ModelFile(BadInput):
    def test_a_program_without_its_library_runs_no_model_and_says_so(self) -> None:
        alone = shutil.copy(ASSAY, self.dir / "assay")
        self.assertEqual(run("list", executable=alone).returncode, 0)
        self.assertEqual(run("status", self.out, executable=alone).returncode, 0)
        words = ("attack", ROBUST, "fashion_mnist", "fgsm", "--epsilon", "0.1", "--out", self.dir / "a")
        result = run(*words, executable=alone)
        self.assertEqual(result.returncode, 70, result.stderr)
        self.assertIn("libassay_torch.so", result.stderr)
        self.assertIn("hint: ", result.stderr)
        write(self.dir / "libassay_torch.so", b"truncated")
        self.assertIn("LibTorch does not load", run(*words, executable=alone).stderr)

    def test_a_file_that_is_no_torchscript_is_named(self) -> None:
        whole = STANDARD.read_bytes()
        tensors = json.dumps({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
        files = {
            "empty.pt": ("the file is empty", b""),
            "random.pt": ("no known format", random.Random(1).randbytes(5000)),
            "cut.pt": ("cut off", whole[: len(whole) // 2]),
            "end.pt": ("cut off", whole[:-1]),
            "pickle.pt": ("checkpoint of torch.save", pickle.dumps({"weight": [0.0, 1.0]}, 2)),
            "net.onnx": ("ONNX", b"\x08\x08\x12\x07pytorch" + bytes(100)),
            "net.safetensors": ("safetensors", struct.pack("<Q", len(tensors)) + tensors + bytes(4)),
        }
        for name, (says, what) in files.items():
            with self.subTest(name):
                self.new_sweep_refused(65, says, sweep(models=model(write(self.dir / name, what))))
        with zipfile.ZipFile(self.dir / "other.pt", "w") as archive:
            archive.writestr("readme.txt", "hello")
        words = ("fashion_mnist", "fgsm", "--epsilon", 0.1, "--out", self.dir / "made")
        self.refused(65, "zip archive", "attack", self.dir / "other.pt", *words)

    def test_a_model_that_is_not_there_or_another_is_named(self) -> None:
        self.sweep_refused(65, "the file does not exist", sweep(models=model("missing.pt")))
        self.sweep_refused(65, "found a folder", sweep(models=model(".", 'name = "folder"')))
        found = hashlib.sha256(ROBUST.read_bytes()).hexdigest()
        error = self.sweep_refused(65, found, sweep(models=model(ROBUST, f'sha256 = "{"0" * 64}"')))
        self.assertIn("expected " + "0" * 64, error)
        self.done("run", self.write_sweep(sweep(models=model(ROBUST, f'sha256 = "{found}"'))), "--out", self.dir / "made")

    def test_a_model_that_changed_under_its_plan_is_refused(self) -> None:
        path, config, out = self.dir / "net.pt", self.write_sweep(sweep(models=model("net.pt"))), self.dir / "made"
        shutil.copy(ROBUST, path)
        self.done("run", config, "--out", out)
        before = content(out)
        shutil.copy(STANDARD, path)
        self.refused(65, "they differ in models", "run", config, "--out", out)
        self.assertEqual(content(out), before)
        shutil.copy(ROBUST, path)
        self.done("run", config, "--out", out)

    def test_a_model_that_does_not_fit_the_data_is_named(self) -> None:
        folder = self.dir / "rgb"
        write(folder / "images.npy", npy("|u1", (4, SIDE, SIDE, 3), PIXELS[: 4 * SIDE * SIDE * 3]))
        write(folder / "labels.npy", npy("|u1", (4,), [0, 1, 2, 3]))
        self.new_sweep_refused(65, "it takes 1 x 28 x 28 images", sweep(source=f"npy:{folder}"))
        write(folder / "images.npy", npy("|u1", (4, 20, 20), PIXELS[:1600]))
        self.new_sweep_refused(65, "20 x 20", sweep(source=f"npy:{folder}"))


class Data(BadInput):
    def folder(self, files: dict[str, bytes]) -> Path:
        folder = Path(tempfile.mkdtemp(dir=self.dir))
        for name, what in files.items():
            write(folder / name, what)
        return folder

    def test_npy_that_is_damaged_or_out_of_range_is_named(self) -> None:
        images, labels = npy("|u1", (IMAGES, SIDE, SIDE), PIXELS), npy("<i8", (IMAGES,), LABELS)
        floats = [byte / 255 for byte in PIXELS]
        shape = (IMAGES, 1, SIDE, SIDE)
        for says, (first, second) in {
            "labels of npy:": (images, npy("<i8", (IMAGES,), [*LABELS[:-1], 10])),
            "has label -1 at index 19": (images, npy("<i8", (IMAGES,), [*LABELS[:-1], -1])),
            "has label 65536 at index 19": (images, npy("<i8", (IMAGES,), [*LABELS[:-1], 65536])),
            "found 19 labels for 20 images": (images, npy("|u1", (IMAGES - 1,), LABELS[:-1])),
            "expected an integer type": (images, npy("<f4", (IMAGES,), LABELS)),
            "truncated": (images[:-1], labels),
            "trailing bytes": (images + b"\0", labels),
            "images.npy' ": (images[:20], labels),
            "value nan at index": (npy("<f4", shape, [*floats[:1000], math.nan, *floats[1001:]]), labels),
            "value inf at index": (npy("<f4", shape, [*floats[:-1], math.inf]), labels),
            "value 255": (npy("<f4", shape, [*floats[:-1], 255.0]), labels),
            "is not an .npy file": (PIXELS, labels),
        }.items():
            with self.subTest(says):
                folder = self.folder({"images.npy": first, "labels.npy": second})
                self.new_sweep_refused(65, says, sweep(source=f"npy:{folder}"))

    def test_idx_that_is_damaged_or_out_of_range_is_named(self) -> None:
        images, labels = idx((IMAGES, SIDE, SIDE), PIXELS), idx((IMAGES,), bytes(LABELS))
        packed = gzip.compress(images)
        for says, files in {
            "reach 10": {"images-idx3-ubyte": images, "labels-idx1-ubyte": labels[:-1] + b"\x0a"},
            "is truncated: found": {"images-idx3-ubyte": images[:-1], "labels-idx1-ubyte": labels},
            "labels-idx1-ubyte' is truncated": {"images-idx3-ubyte": images, "labels-idx1-ubyte": labels[:-1]},
            "gzip stream ends": {"images-idx3-ubyte.gz": packed[: len(packed) // 2], "labels-idx1-ubyte": labels},
            "damaged gzip": {"images-idx3-ubyte.gz": packed[:-8] + bytes(8), "labels-idx1-ubyte": labels},
            "magic number": {"images-idx3-ubyte": PIXELS, "labels-idx1-ubyte": labels},
            "found 19 labels for 20 images": {"images-idx3-ubyte": images, "labels-idx1-ubyte": idx((19,), bytes(LABELS[:-1]))},
            "expected one *images*idx3-ubyte": {"images-idx3-ubyte": images},
        }.items():
            with self.subTest(says):
                self.new_sweep_refused(65, says, sweep(source=f"idx:{self.folder(files)}"))

    def test_a_source_that_is_not_there_is_named(self) -> None:
        for source in ("npy:missing", "idx:missing", "cifar10:missing"):
            self.sweep_refused(65, "missing", sweep(source=source))

    def test_corruptions_take_no_fourth_channel(self) -> None:
        folder = self.folder({"images.npy": npy("|u1", (IMAGES, 14, 14, 4), PIXELS), "labels.npy": npy("|u1", (IMAGES,), LABELS)})
        says = f"corruptions take images of 1 or 3 channels, but those of 'npy:{folder.name}' have 4"
        anything = model(ROOT / "tests/golden/fails_on_white.pt", "")
        self.new_sweep_refused(65, says, sweep(corruption("contrast", 1), models=anything, source=f"npy:{folder}"))
        self.refused(65, says, "corrupt", f"npy:{folder}", "contrast", "--severity", 1, "--out", self.dir / "made")

    def test_corruptions_take_uint8_only(self) -> None:
        floats = npy("<f4", (IMAGES, 1, SIDE, SIDE), [byte / 255 for byte in PIXELS])
        folder = self.folder({"images.npy": floats, "labels.npy": npy("|u1", (IMAGES,), LABELS)})
        self.sweep_refused(65, "corruptions take uint8 images", sweep(corruption("contrast", 1), source=f"npy:{folder}"))
        made = ("corrupt", f"npy:{folder}", "contrast", "--severity", 1, "--out", self.dir / "made")
        self.refused(65, "corruptions take uint8 images", *made)
        self.done("run", self.write_sweep(sweep(source=f"npy:{folder}")), "--out", self.dir / "made")


class Score(BadInput):
    def test_arrays_that_do_not_fit_are_named(self) -> None:
        arrays = {
            "logits": npy("<f4", (3, 2), [1, 2, 3, 4, 5, 6]),
            "labels": npy("<i8", (3,), [1, 0, 1]),
            "longer": npy("<i8", (4,), [1, 0, 1, 0]),
            "beyond": npy("<i8", (3,), [1, 0, 2]),
            "half": npy("<f4", (3, 2), [0.5, 0.5, 0.5, 0.6, 1, 0]),
            "nan": npy("<f4", (3, 2), [0.5, 0.5, math.nan, 0.5, 1, 0]),
            "negative": npy("<f4", (3, 2), [0.5, 0.5, 1.5, -0.5, 1, 0]),
            "flat": npy("<f4", (6,), [1, 2, 3, 4, 5, 6]),
            "whole": npy("<i8", (3, 2), [1, 2, 3, 4, 5, 6]),
            "short": npy("<u2", (3, 2), [1, 2, 3, 4, 5, 6]),
            "row": npy("<i8", (1, 3), [1, 0, 1]),
            "real": npy("<f4", (3,), [1, 0, 1]),
            "wide": npy("<f4", (1, 70000), [0] * 70000),
            "one": npy("<i8", (1,), [0]),
        }
        files = {name: write(self.dir / f"{name}.npy", what) for name, what in arrays.items()}
        for code, says, option, values, labels, metric in (
            (65, "has shape (4,), expected (3,), a label a row", "--logits", "logits", "longer", "nll"),
            (65, "label 2 at index 2", "--logits", "logits", "beyond", "nll"),
            (65, "row 1 sums to 1.1", "--probs", "half", "labels", "nll"),
            (65, "row 1 sums to nan", "--probs", "nan", "labels", "nll"),
            (65, "row 1 has -0.5", "--probs", "negative", "labels", "nll"),
            (65, "has shape (6,)", "--logits", "flat", "labels", "nll"),
            (65, "expected float16, float32 or float64", "--logits", "whole", "labels", "nll"),
            (65, "holds <u2, expected float16", "--logits", "short", "labels", "nll"),
            (65, "has shape (1, 3)", "--logits", "logits", "row", "nll"),
            (65, "has dtype '<f4'; expected an integer type", "--logits", "logits", "real", "nll"),
            (65, "has 70000 classes, expected at most 65535", "--logits", "wide", "one", "nll"),
            (2, "metric 'robust_accuracy' is of what an attack did", "--logits", "logits", "labels", "robust_accuracy"),
        ):
            with self.subTest(says):
                self.refused(code, says, "score", option, files[values], "--labels", files[labels], "--metric", metric)
        rest = ("--labels", files["labels"], "--metric", "nll")
        self.refused(65, "does not exist", "score", "--logits", self.dir / "none.npy", *rest)
        self.refused(2, "one of --logits, --probs and --run", "score", *rest)
        self.refused(65, "expected bfloat16 as uint16", "score", "--logits", files["logits"], *rest, "--dtype", "bf16")
        self.refused(2, "--dtype", "score", "--logits", files["logits"], *rest, "--dtype", "f3")
        for profile in ("x", "torchmetrics-1.8"):
            self.refused(2, f"no profile '{profile}'", "score", "--logits", files["logits"], *rest, "--profile", profile)

    def test_held_out_splits_and_groups(self) -> None:
        arrays = {
            "logits": npy("<f4", (3, 2), [1, 2, 3, 4, 5, 6]),
            "probs": npy("<f4", (3, 2), [0.5, 0.5, 0.25, 0.75, 1, 0]),
            "labels": npy("<i8", (3,), [1, 0, 1]),
            "wide": npy("<f4", (2, 3), [1, 2, 3, 4, 5, 6]),
            "two": npy("<i8", (2,), [1, 0]),
            "fit": npy("<f4", (3, 2), [1, 2, 3, 4, 4, 5]),
            "right": npy("<f4", (3, 2), [0, 1, 1, 0, 0, 1]),
            "nan": npy("<f4", (3, 2), [0, 1, math.nan, 0, 0, 1]),
            "none": npy("<f4", (3, 2), [math.nan] * 6),
            "negative": npy("<i8", (3,), [1, -1, 1]),
        }
        files = {name: write(self.dir / f"{name}.npy", what) for name, what in arrays.items()}
        copy, same = (write(self.dir / f"{name}.npy", arrays[of]) for name, of in (("copy", "logits"), ("same", "fit")))
        saved = ("score", "--logits", files["logits"], "--labels", files["labels"])
        sets, nll, warm = ("--metric", "conformal_lac"), ("--metric", "nll"), ("--scaling", "temperature")

        def split(name: str, labels: str = "labels", of: str = "fit") -> tuple[object, ...]:
            return f"--{of}-logits", files[name], f"--{of}-labels", files[labels]

        for code, says, words in (
            (2, "conformal_lac is fitted on a held-out split", sets),
            (2, "temperature is fitted on a held-out split", (*nll, *warm)),
            (2, "give --fit-logits and --fit-labels together", (*sets, "--fit-logits", files["fit"])),
            (2, "a held-out split of the other kind", (*sets, "--fit-probs", files["probs"], "--fit-labels", files["labels"])),
            (2, "no scaling 'x'", (*nll, *split("fit"), "--scaling", "x")),
            (2, "conformal_lac and temperature on one held-out split", (*sets, *split("fit"), *warm)),
            (2, "temperature is fitted on a held-out split", (*sets, *split("fit", of="conformal"), *warm)),
            (2, "give --conformal-logits and --conformal-labels together", (*sets, "--conformal-labels", files["labels"])),
            (2, "--conformal-samples and --filter choose of a sweep", (*sets, "--conformal-samples", "0:2")),
            (65, "is both scored and fitted on", (*sets, *split("logits", of="conformal"))),
            (65, "3 of the 3 rows of", (*sets, *split("fit"), "--conformal-logits", same, "--conformal-labels", files["labels"], *warm)),
            (2, "--conformal-logits and --conformal-labels: no metric makes conformal sets", (*nll, *split("fit", of="conformal"))),
            (65, "is both the scalings' split and that of conformal sets", (*sets, *split("fit"), *split("fit", "labels", "conformal"), *warm)),
            (65, "none of the 3 samples of", (*sets, *split("none"))),
            *((2, "--alpha", (*sets, *split("fit"), "--alpha", alpha)) for alpha in ("1", "0", "nan", "inf")),
            *((2, option, (*sets, option, "")) for option in ("--fit-logits", "--conformal-labels", "--groups", "--conformal-samples")),
            (2, "give one of --groups", (*nll, "--groups", files["labels"], "--by-class")),
            (65, "has 3 classes, expected 2", (*sets, *split("wide", "two"))),
            (65, "is both scored and fitted on", (*sets, *split("logits"))),
            (65, "3 of the 3 rows of", (*sets, "--fit-logits", copy, "--fit-labels", files["labels"])),
            (65, "has shape (2,), expected (3,)", (*sets, *split("fit", "two"))),
            (65, "the NLL of the held-out split has no minimum", (*nll, *split("right"), *warm)),
            (65, "held-out row 1 has a logit that is not finite", (*nll, *split("nan"), *warm)),
            (65, "has shape (2,), expected (3,), a group a row", (*nll, "--groups", files["two"])),
            (65, "has shape (3,), expected (2,), a group a class", (*nll, "--class-groups", files["labels"])),
            (65, "-1", (*nll, "--groups", files["negative"])),
        ):
            with self.subTest(says):
                self.refused(code, says, *saved, *words)
        self.refused(2, "scalings change logits, found probabilities", "score", "--probs", files["probs"], "--labels",
                     files["labels"], *nll, *warm)  # fmt: skip


class Folder(BadInput):
    def test_a_folder_without_a_plan_has_no_status_and_no_results(self) -> None:
        for verb in ("status", "merge"):
            self.refused(65, "holds no plan.json", verb, self.dir)
            self.refused(65, "holds no plan.json", verb, self.dir / "missing")

    def test_a_folder_with_another_plan_is_refused(self) -> None:
        for differ, text in {
            "perturbations": sweep(attack("fgsm", "epsilon = 0.2"), corruption("contrast", 1)),
            "seed": SWEEP.replace("batch", "seed = 1\nbatch"),
            "batch": SWEEP.replace("batch = 16", "batch = 32"),
            "data": SWEEP.replace("limit = 32", "limit = 48"),
            "models": SWEEP.replace("std = [0.353]", "std = [0.354]"),
        }.items():
            with self.subTest(differ):
                self.sweep_refused(65, "holds another plan", text)

    def test_a_damaged_plan_is_refused(self) -> None:
        config, path = self.write_sweep(SWEEP), self.out / "plan.json"
        text = path.read_text()
        plan = json.loads(text)
        for what in (
            "", text[: len(text) // 2], "[]", "null", "{}", '{"schema": 2}', "\0" * 100,
            json.dumps({**plan, "seed": 7}), json.dumps({**plan, "units": 3, "batch": "x"}), json.dumps({**plan, "unit_size": 0}),
            json.dumps({**plan, "metrics": ["accurate"]}), json.dumps({**plan, "data": {**plan["data"], "n": 64}}),
            json.dumps({**plan, "data": {**plan["data"], "n": 2**62}}),
        ):  # fmt: skip
            with self.subTest(what[:40]):
                path.write_text(what)
                left = {key: value for key, value in content(self.out).items() if key != path}
                self.refused(65, "plan.json", "run", config, "--out", self.out)
                self.assertEqual({key: value for key, value in content(self.out).items() if key != path}, left)
        for verb in ("merge", "status"):
            self.refused(65, "plan.json", verb, self.out)
        before = identity(self.out)
        path.unlink()  # as the hint says
        self.done("run", config, "--out", self.out)
        self.assertEqual(identity(self.out), before, "what is committed is not computed again")


class CannotWrite(BadInput):
    def every_verb_is_refused(self, folder: Path) -> None:
        for words in (
            ("run", self.write_sweep(SWEEP)),
            ("attack", ROBUST, "fashion_mnist", "fgsm", "--epsilon", 0.1, "--limit", 16),
            ("corrupt", "fashion_mnist", "contrast", "--severity", 1, "--limit", 2),
        ):
            with self.subTest(words[0]):
                self.refused(73, "cannot write", *words, "--out", folder)

    def mount(self, folder: Path, kind: str, flags: int, data: str) -> bool:
        """For root where the system allows it; unmounted at the end."""
        folder.mkdir(exist_ok=True)
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.mount(kind.encode(), os.fsencode(folder), kind.encode(), flags, data.encode()) != 0:
            return False
        if not flags & MS_REMOUNT:
            self.addCleanup(libc.umount2, os.fsencode(folder), MNT_DETACH)
        return True

    def test_a_file_in_the_place_of_the_folder(self) -> None:
        self.every_verb_is_refused(write(self.dir / "file", "here"))
        self.every_verb_is_refused(self.dir / "file" / "below")
        self.assertEqual((self.dir / "file").read_text(), "here")

    def test_a_folder_that_the_system_does_not_make(self) -> None:
        self.every_verb_is_refused(Path("/proc/assay"))

    def test_a_read_only_folder(self) -> None:
        folder = self.dir / "locked"
        if os.geteuid() == 0:
            if not self.mount(folder, "tmpfs", MS_RDONLY, "size=64k"):
                self.skipTest("root writes everywhere, and may not mount here")
        else:
            folder.mkdir(mode=0o555)
        self.every_verb_is_refused(folder)
        self.every_verb_is_refused(folder / "below")

    def test_a_full_disk_keeps_what_is_committed(self) -> None:
        folder = self.dir / "small"
        if not self.mount(folder, "tmpfs", 0, "size=128k"):
            self.skipTest("may not mount here")
        config = self.write_sweep(sweep(attack("fgsm", "epsilon = [0.05, 0.1]"), limit=256))
        self.refused(73, "No space left on device", "run", config, "--out", folder / "out")
        committed = len(units(folder / "out"))
        self.assertTrue(0 < committed < 48, committed)
        self.assertEqual(list(folder.glob("out/units/*/.*")), [], "temporary files are left")
        before = identity(folder / "out")
        self.assertTrue(self.mount(folder, "tmpfs", MS_REMOUNT, "size=8m"))
        self.done("run", config, "--out", folder / "out")
        self.assertLessEqual(before.items(), identity(folder / "out").items())
        counts = json.loads((folder / "out" / "run-info.json").read_text())["units"]
        self.assertEqual((counts["reused"], counts["computed"]), (committed, 48 - committed))

    def test_a_file_that_may_not_grow_keeps_what_is_committed(self) -> None:
        # As a full disk, for those who may not mount one: a limit on the size of a file, above a unit's and below the plan's.
        def limited(size: int) -> dict:
            def limit() -> None:
                signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
                resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

            return {"preexec_fn": limit, "restore_signals": False}

        config, out = self.write_sweep(SWEEP), self.dir / "made"
        self.refused(73, "plan.json': File too large", "run", config, "--out", out, **limited(100))
        (self.out / "results.json").unlink()
        before = identity(self.out)
        largest_unit = max(path.stat().st_size for path in before)
        self.refused(73, "File too large", "run", config, "--out", self.out, **limited(largest_unit))
        self.assertEqual(identity(self.out), before)
        self.done("run", config, "--out", self.out)
        self.assertEqual((self.out / "results.json").read_bytes(), (self.finished / "results.json").read_bytes())

    def test_a_full_stdout(self) -> None:
        with open("/dev/full", "w") as full:
            for words in (("list", "--json"), ("list", "sinks"), ("status", self.out)):
                self.refused(73, "cannot write to standard output", *words, stdout=full)


MS_RDONLY, MS_REMOUNT, MNT_DETACH = 1, 32, 2

if __name__ == "__main__":
    unittest.main()
