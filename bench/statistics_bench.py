#!/usr/bin/env python3
"""Times `assay score` on saved probabilities beside torchmetrics, scikit-learn and reading the file once. One thread each.

usage: bench/statistics_bench.py [--rows 10000000] [--classes 10] [--repeats 3] [--growth]

The contenders run in turn, in another order each time. assay's time is that of its whole process, which maps the file, checks
every row, and finds confidences and what is right; the peers' clock leaves out importing torch, and their arrays are in memory
before it starts. "reads" is numpy.sum over the mapped files: of the probabilities, and of the labels too. "of logits" is the ECE of
the probabilities' logarithms: both find the softmax first. AUROC is of confidence as a sign of being right; the peers get confidences and what is
right, and their clock leaves out finding those. What each one found is printed beside its time. --growth: assay alone, over
rows and classes, with the most anonymous memory that its process held. Run in .venv-parity.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--rows", type=int, default=10_000_000)
parser.add_argument("--classes", type=int, default=10)
parser.add_argument("--repeats", type=int, default=3)
parser.add_argument("--growth", action="store_true")
options = parser.parse_args()
os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1])

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "parity"))
import numpy as np  # noqa: E402
import torch  # noqa: E402
from sklearn.metrics import roc_auc_score  # noqa: E402
from torchmetrics.classification import BinaryAUROC, MulticlassCalibrationError  # noqa: E402

from program import ASSAY  # noqa: E402

torch.set_num_threads(1)


def made(folder: Path, rows: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(5)
    values = np.lib.format.open_memmap(folder / "probs.npy", "w+", np.float32, (rows, classes))
    labels = np.empty(rows, np.int64)
    at_once = max(1, (1 << 22) // classes)
    for first in range(0, rows, at_once):
        block = slice(first, min(first + at_once, rows))
        powers = np.exp(2 * random.standard_normal((block.stop - block.start, classes), np.float32))
        values[block] = powers / powers.sum(axis=1, keepdims=True)
        right = random.random(block.stop - block.start) < values[block].max(axis=1)
        labels[block] = np.where(right, values[block].argmax(axis=1), random.integers(0, classes, right.size))
    np.save(folder / "labels.npy", labels)
    return values, labels


def command(folder: Path, metric: str, kind: str = "probs") -> list[object]:
    return [ASSAY, "score", f"--{kind}", folder / f"{kind}.npy", "--labels", folder / "labels.npy", "--metric", metric, "--json"]


def score(folder: Path, metric: str, kind: str = "probs") -> float:
    done = subprocess.run(command(folder, metric, kind), check=True, capture_output=True, text=True)
    return json.loads(done.stdout)["metrics"][metric]["value"]


def reads(folder: Path, name: str) -> float:
    values = np.load(folder / f"{name}.npy", mmap_mode="r")
    return float(np.sum(values, dtype=values.dtype))


def anonymous(folder: Path, metric: str) -> float:
    """The most anonymous memory of the process, in MB."""
    process = subprocess.Popen(command(folder, metric), stdout=subprocess.DEVNULL)
    most = 0
    while process.poll() is None:
        found = [line for line in Path(f"/proc/{process.pid}/status").read_text().splitlines() if line.startswith("RssAnon")]
        most = max(most, int(found[0].split()[1]) if found else 0)
        time.sleep(0.002)
    return most / 1024


def growth() -> None:
    print(f"{'rows':>11} {'classes':>8} {'MB':>6}   " + "".join(f"{name:>26}" for name in GROWING))
    for rows, classes in ((1_000_000, 10), (10_000_000, 10), (30_000_000, 10), (100_000, 1000), (1_000_000, 1000), (50_000, 21843)):
        with tempfile.TemporaryDirectory(prefix="assay-bench-") as work:
            made(Path(work), rows, classes)
            os.sync()
            score(Path(work), "ece")
            line = ""
            for metric in GROWING:
                seconds = []
                for _ in range(options.repeats):
                    began = time.perf_counter()
                    score(Path(work), metric)
                    seconds.append(time.perf_counter() - began)
                line += f"{statistics.median(seconds):10.2f} s,{anonymous(Path(work), metric):10.0f} MB"
            print(f"{rows:>11} {classes:>8} {rows * classes * 4 / 1e6:>6.0f}   {line}", flush=True)


GROWING = ("ece", "nll", "ece_classwise", "misclassification_auroc")


def main() -> int:
    if options.growth:
        growth()
        return 0
    with tempfile.TemporaryDirectory(prefix="assay-bench-") as work:
        folder = Path(work)
        values, labels = made(folder, options.rows, options.classes)
        logits = np.log(values)
        np.save(folder / "logits.npy", logits)
        probabilities, truth = torch.from_numpy(np.array(values)), torch.from_numpy(labels)

        def error(of: torch.Tensor) -> float:
            return float(MulticlassCalibrationError(num_classes=options.classes, n_bins=15)(of, truth))

        confidence, right = values.max(axis=1), values.argmax(axis=1) == labels
        jobs = {
            "reads": lambda: reads(folder, "probs"),
            "reads labels too": lambda: reads(folder, "probs") + reads(folder, "labels"),
            "ece, assay": lambda: score(folder, "ece"),
            "ece, torchmetrics": lambda: error(probabilities),
            "of logits, assay": lambda: score(folder, "ece", "logits"),
            "of logits, torchmetrics": lambda: error(torch.from_numpy(logits)),
            "auroc, assay": lambda: score(folder, "misclassification_auroc"),
            "auroc, torchmetrics": lambda: float(BinaryAUROC()(torch.from_numpy(confidence), torch.from_numpy(right.astype(np.int64)))),
            "auroc, scikit-learn": lambda: float(roc_auc_score(right, confidence)),
        }
        names, times, found = list(jobs), {name: [] for name in jobs}, {}
        for turn in range(options.repeats):
            for name in names[turn % len(names) :] + names[: turn % len(names)]:
                began = time.perf_counter()
                found[name] = jobs[name]()
                times[name].append(time.perf_counter() - began)
        for name in names:
            own = times[name.split(",")[0] + ", assay"] if "," in name else times["ece, assay"]
            ratio = statistics.median(a / b for a, b in zip(times[name], own, strict=True))
            print(f"{name:<24} {statistics.median(times[name]):7.3f} s   {ratio:5.2f} x assay   {found[name]:.9g}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
