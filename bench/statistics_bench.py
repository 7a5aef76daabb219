#!/usr/bin/env python3
"""Times `assay score` on saved probabilities beside torchmetrics, scikit-learn and reading the file once. One thread each.

usage: bench/statistics_bench.py [--rows 10000000] [--classes 10] [--repeats 3]

The contenders run in turn, in another order each time. assay's time is that of its process, from start to exit: it maps the file,
checks every row and computes accuracy, NLL, Brier score and top-5 rank along with what is asked for. The peers' arrays are in memory
before their clock starts. "reads" is numpy.sum over the mapped file. AUROC is of confidence as a sign of being right; the
peers get confidences and what is right, and their clock leaves out finding those. What each one found is printed beside its
time. Run in .venv-parity.
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


def made(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(5)
    values = np.lib.format.open_memmap(folder / "probs.npy", "w+", np.float32, (options.rows, options.classes))
    labels = np.empty(options.rows, np.int64)
    for first in range(0, options.rows, 1 << 18):
        block = slice(first, min(first + (1 << 18), options.rows))
        powers = np.exp(2 * random.standard_normal((block.stop - block.start, options.classes), np.float32))
        values[block] = powers / powers.sum(axis=1, keepdims=True)
        right = random.random(block.stop - block.start) < values[block].max(axis=1)
        labels[block] = np.where(right, values[block].argmax(axis=1), random.integers(0, options.classes, right.size))
    np.save(folder / "labels.npy", labels)
    return values, labels


def main() -> int:
    with tempfile.TemporaryDirectory(prefix="assay-bench-") as work:
        folder = Path(work)
        values, labels = made(folder)
        probabilities, truth = torch.from_numpy(np.array(values)), torch.from_numpy(labels)
        confidence, right = values.max(axis=1), values.argmax(axis=1) == labels

        def score(metric: str) -> float:
            words = [ASSAY, "score", "--probs", folder / "probs.npy", "--labels", folder / "labels.npy", "--metric", metric, "--json"]
            done = subprocess.run(words, check=True, capture_output=True, text=True)
            return json.loads(done.stdout)["metrics"][metric]["value"]

        jobs = {
            "reads": lambda: float(np.sum(np.load(folder / "probs.npy", mmap_mode="r"), dtype=np.float32)),
            "ece, assay": lambda: score("ece"),
            "ece, torchmetrics": lambda: float(MulticlassCalibrationError(num_classes=options.classes, n_bins=15)(probabilities, truth)),
            "auroc, assay": lambda: score("misclassification_auroc"),
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
            print(f"{name:<20} {statistics.median(times[name]):7.2f} s   {ratio:5.2f} x assay   {found[name]:.9g}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
