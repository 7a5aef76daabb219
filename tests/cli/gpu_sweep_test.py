"""A whole sweep on a GPU says what it says on the CPU: the same verdict on every sample but those that are near a tie.

Both backends have the same bits but for the model's own arithmetic, where LibTorch's kernels round in another order. Without a
device, only the comparison itself is tested, and the exit code is 77: skipped.
"""
import json
import math
import os
import struct
import sys
import unittest
from pathlib import Path

import program
from program import NORMALISED, ROBUST, STANDARD, Case
from program import attack, corruption, fetched, model, run, sweep, units

N = 200
RATES = {"accuracy", "top5_accuracy", "robust_accuracy", "robust_accuracy_final"}
METRICS = [*sorted(RATES), "nll", "brier", "ece"]
RANKED = "misclassification_auroc"  # a fragile sample may move it far
# cross_entropy's gradient is zero where float32 has a probability of 1, and rounding decides which side of that a sample is on.
STEADY = '\nloss = "cross_entropy_f64"'
PERTURBATIONS = [
    attack("pgd_linf", "epsilon = 0.1\nsteps = 5" + STEADY),
    attack("pgd_l2", "epsilon = 1\nsteps = 5" + STEADY),
    corruption("gaussian_noise", "3"),
]
# What rounding may do to a confidence, and how many samples of a cell may have another verdict.
GAP = {"clean": 1e-3, "corruption": 1e-3, "attack": 5e-2}
MOST_FRAGILE = N // 50

Row = tuple[int, int, float, float, float]  # prediction, flags, confidence, nll, brier
Unit = tuple[str, int, int]  # cell, first sample, last sample + 1


def read_columns(path: Path) -> list[Row]:
    content = path.read_bytes()
    end = 10 + struct.unpack("<H", content[8:10])[0]
    return list(struct.iter_unpack("<HHfff", content[end:]))


def columns(out: Path) -> dict[Unit, list[Row]]:
    found = {}
    for record in units(out).values():
        unit = json.loads(record.read_text())
        key = (unit["meta"]["cell"], unit["payload"]["lo"], unit["payload"]["hi"])
        found[key] = read_columns(record.with_suffix(".npy"))
        assert len(found[key]) == key[2] - key[1], key
    return found


def kind_of(cell: str) -> str:
    return "attack" if "epsilon=" in cell else "corruption" if "severity" in cell else "clean"


def fragile(a: Row, b: Row, gap: float) -> bool:
    """Two verdicts of one sample can both be right: they are equally sure, and where they name two classes these are a tie."""
    tied = a[0] == b[0] or max(a[2], b[2]) <= 0.5 + gap
    return abs(a[2] - b[2]) <= gap and tied


def compare(ours: dict[Unit, list[Row]], theirs: dict[Unit, list[Row]]) -> tuple[list[str], dict[str, list[str]]]:
    """What is wrong, and the samples of each cell that have another verdict."""
    wrong, differ = [], {}
    if ours.keys() != theirs.keys():
        return [f"other units: {ours.keys() ^ theirs.keys()}"], {}
    for (cell, first, _), rows in sorted(ours.items()):
        others = differ.setdefault(cell, [])
        for i, (a, b) in enumerate(zip(rows, theirs[cell, first, first + len(rows)], strict=True)):
            if a[:2] == b[:2]:
                continue
            verdicts = f"prediction {a[0]} and {b[0]}, flags {a[1]} and {b[1]}, confidence {a[2]:.6f} and {b[2]:.6f}"
            others.append(f"{cell}, sample {first + i}: {verdicts}")
            if not fragile(a, b, GAP[kind_of(cell)]):
                wrong.append(others[-1])
    for cell, others in differ.items():
        if len(others) > MOST_FRAGILE:
            wrong.append(f"{cell}: {len(others)} samples differ, at most {MOST_FRAGILE} may")
    return wrong, differ


class Comparison(unittest.TestCase):
    """Of rows as they might be, so that it is known to fail where it should."""

    CLEAN = ("standard clean", 0, 1)
    ATTACKED = ("standard pgd_linf epsilon=0.1", 0, 1)

    def wrong(self, unit: Unit, a: Row, b: Row) -> list[str]:
        return compare({unit: [a]}, {unit: [b]})[0]

    def test_equal_verdicts_may_differ_in_their_last_bits(self) -> None:
        self.assertEqual(self.wrong(self.CLEAN, (3, 1, 0.9, 0.1, 0.2), (3, 1, 0.9001, 0.1, 0.2)), [])

    def test_a_tie_may_be_broken_either_way_and_nothing_else(self) -> None:
        sample = (3, 1, 0.4801, 0.7, 0.5)
        self.assertEqual(self.wrong(self.CLEAN, sample, (5, 0, 0.4802, 0.7, 0.5)), [])
        self.assertEqual(len(self.wrong(self.CLEAN, sample, (5, 0, 0.4901, 0.7, 0.5))), 1, "not as sure")
        self.assertEqual(len(self.wrong(self.CLEAN, (3, 1, 0.9, 0.1, 0.2), (5, 0, 0.9, 0.1, 0.2))), 1, "no tie")

    def test_an_attack_may_be_off_by_more(self) -> None:
        a, b = (3, 9, 0.51, 0.7, 0.5), (5, 24, 0.48, 0.7, 0.5)
        self.assertEqual(self.wrong(self.ATTACKED, a, b), [])
        self.assertEqual(len(self.wrong(self.CLEAN, a, b)), 1)

    def test_few_samples_may_be_fragile(self) -> None:
        rows = {("a clean", 0, N): [(3, 1, 0.48, 0.7, 0.5)] * N}
        others = {("a clean", 0, N): [(5, 0, 0.48, 0.7, 0.5)] * (MOST_FRAGILE + 1) + [(3, 1, 0.48, 0.7, 0.5)] * (N - MOST_FRAGILE - 1)}
        self.assertEqual(len(compare(rows, others)[0]), 1)

    def test_other_units_are_no_match(self) -> None:
        self.assertEqual(len(compare({self.CLEAN: []}, {})[0]), 1)


class Sweep(Case):
    """`first` against `second`, on which devices they are computed."""

    first, second = "cuda", "cpu"

    def test_a_sweep_has_the_verdicts_of_the_cpu(self) -> None:
        models = model(STANDARD, NORMALISED) + model(ROBUST, NORMALISED)
        config = self.write_sweep(sweep(*PERTURBATIONS, models=models, top=f"metrics = {json.dumps([*METRICS, RANKED])}", limit=N, batch=64))
        ours, theirs = self.dir / "first", self.dir / "second"
        for device, out in ((self.first, ours), (self.second, theirs)):
            self.done("run", config, "--device", device, "--out", out)
            info = json.loads((out / "run-info.json").read_text())
            self.assertEqual(info["units"]["failed"], 0)
            self.assertEqual(info["host_bytes"], fetched(out), "16 bytes a sample and the states, and nothing else")
            results = (out / "results.json").read_bytes()
            self.done("merge", out)
            self.assertEqual((out / "results.json").read_bytes(), results, "sorted on the host as on the device")
        wrong, differ = compare(columns(ours), columns(theirs))
        lines = [line for others in differ.values() for line in others]
        print(f"{len(lines)} of {N * len(differ)} verdicts differ", *lines, sep="\n  ")
        self.assertEqual(len(differ), 2 * (1 + len(PERTURBATIONS)))
        self.assertEqual(wrong, [])
        self.compare_metrics(ours, theirs)

    def compare_metrics(self, ours: Path, theirs: Path) -> None:
        cells = [json.loads((out / "results.json").read_text())["cells"] for out in (ours, theirs)]
        for a, b in zip(*cells, strict=True):
            self.assertEqual((a["model"], a["perturbation"], a["n"], a["passes"]), (b["model"], b["perturbation"], b["n"], b["passes"]))
            for name in a["metrics"].keys() - {RANKED}:
                x, y = a["metrics"][name]["value"], b["metrics"][name]["value"]
                where = f"{a['model']} {a['perturbation']} {name}: {x} and {y}"
                if x is None or y is None:
                    self.assertEqual(x, y, where)
                elif name in RATES:
                    self.assertLessEqual(abs(x - y), MOST_FRAGILE / N + 1e-12, where)
                else:
                    self.assertTrue(math.isclose(x, y, rel_tol=0.02, abs_tol=0.01), where)


def no_device() -> str:
    """Why there is no sweep on a GPU; empty: there is one."""
    program.ENVIRONMENT = {key: value for key, value in program.ENVIRONMENT.items() if key != "CUDA_VISIBLE_DEVICES"}
    if "CUDA_VISIBLE_DEVICES" in os.environ:
        program.ENVIRONMENT["CUDA_VISIBLE_DEVICES"] = os.environ["CUDA_VISIBLE_DEVICES"]
    return json.loads(run("doctor", "--json").stdout)["cuda"]["reason"]


if __name__ == "__main__":
    why = no_device()
    if why:
        Sweep.__unittest_skip__, Sweep.__unittest_skip_why__ = True, why
    passed = unittest.main(exit=False).result.wasSuccessful()
    if why:
        print(f"no CUDA device here: {why}")
    sys.exit(1 if not passed else 77 if why else 0)
