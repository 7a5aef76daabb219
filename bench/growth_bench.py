#!/usr/bin/env python3
"""Times how attacks grow: with the number of images, of radii, and of pixels an image. Growth should be linear at most.

usage: bench/growth_bench.py [--repeats 3] [--threads T]

A small convolutional network with random weights, which takes images of any size, attacked by PGD-20 (L-infinity, `full`: every
image to its last step, so that the work is known) and by a few members of AutoAttack. Seconds are those of the attack's units from
run-info.json, medians; "outside" is what is not spent inside the model, and its nanoseconds a pixel and pass. Run in
.venv-parity, after ./run bench has made it.
"""
import argparse
import json
import os
import statistics
import sys
import tempfile
from pathlib import Path

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--repeats", type=int, default=3)
parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
options = parser.parse_args()
os.environ["OMP_NUM_THREADS"] = str(options.threads)
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.threads])

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "parity"))
import numpy as np  # noqa: E402
import torch  # noqa: E402

from program import ASSAY, run, save_data  # noqa: E402

BATCH = 64
SIZES = ((28, 1), (32, 3), (224, 3))


class Small(torch.nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.features = torch.nn.Sequential(
            torch.nn.Conv2d(channels, 8, 3, stride=2), torch.nn.ReLU(), torch.nn.Conv2d(8, 16, 3, stride=2), torch.nn.ReLU())  # fmt: skip
        self.head = torch.nn.Linear(16, 10)

    def forward(self, x):
        return self.head(self.features(x).mean((2, 3)))


def material(folder, side, channels, n):
    """A model's file and a source of n random images that it gets right: their labels are what it says of them."""
    torch.manual_seed(0)
    model = Small(channels).eval()
    path = folder / f"model-{side}.pt"
    torch.jit.script(model).save(str(path))
    images = np.random.default_rng(1).integers(0, 256, (n, side, side, channels), np.uint8)
    with torch.no_grad():
        labels = model(torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255).argmax(1).numpy()
    labels[0] = 9  # so that the data has all ten classes
    data = folder / f"data-{side}-{n}"
    if not data.exists():
        save_data(data, images, labels)
    return path, f"npy:{data}"


def timed(folder, model, source, attack):
    """Median seconds, and of them outside the model, of the cells of one attack; and the rows that went through the model."""
    found = []
    for _ in range(options.repeats):
        with tempfile.TemporaryDirectory(dir=folder) as out:
            config = Path(out) / "sweep.json"
            config.write_text(json.dumps({
                "batch": BATCH, "unit_size": 16 * BATCH, "metrics": ["robust_accuracy"], "data": {"source": source},
                "model": [{"path": str(model)}], "attack": [attack]}))  # fmt: skip
            run(ASSAY, "run", config, "--out", Path(out) / "out", "--threads", options.threads, "--device", "cpu")
            cells = json.loads((Path(out) / "out" / "run-info.json").read_text())["cells"][1:]
            results = json.loads((Path(out) / "out" / "results.json").read_text())["cells"][1:]
            seconds = sum(cell["seconds"] for cell in cells)
            rows = sum(cell["evaluated"]["forward"] for cell in results)
            found.append((seconds, seconds - sum(cell["model_seconds"] for cell in cells), rows))
    return (statistics.median(f[0] for f in found), statistics.median(f[1] for f in found), found[0][2])


def table(title, rows, unit):
    """rows: label, size, seconds, outside, pixels, rows."""
    print(f"\n{title}\n{'':24} {'s':>8} {'ms/' + unit:>12} {'outside ms':>11} {'ns/pixel':>9}")
    for label, size, (seconds, outside, passes), pixels in rows:
        print(f"{label:24} {seconds:8.3f} {1e3 * seconds / size:12.3f} {1e3 * outside:11.2f} {1e9 * outside / passes / pixels:9.2f}")


def main():
    print(f"batch {BATCH}, {options.threads} threads, median of {options.repeats}, torch {torch.__version__}")
    pgd = {"name": "pgd_linf", "steps": 20, "full": True}
    with tempfile.TemporaryDirectory(prefix="assay-bench-") as name:
        folder = Path(name)
        rows = []
        for n in (64, 128, 256, 512, 1024):
            model, source = material(folder, 28, 1, n)
            rows.append((f"{n} images", n, timed(folder, model, source, pgd | {"epsilon": 0.01}), 28 * 28))
        table("PGD-20 by images, 28 x 28", rows, "image")
        model, source = material(folder, 28, 1, 128)
        for mode in ("separate", "exact", "bisect"):
            rows = []
            for count in (1, 2, 5, 10, 20, 50):
                radii = [round(0.0002 * (i + 1), 6) for i in range(count)]
                attack = {"name": "pgd_linf", "steps": 20, "epsilon": radii, "mode": mode}
                rows.append((f"{count} radii", count, timed(folder, model, source, attack), 28 * 28))
            table(f"PGD-20 by radii, {mode}, 128 images", rows, "radius")
        for attack in (pgd | {"epsilon": 0.01}, {"name": "pgd_l1", "steps": 20, "full": True, "epsilon": 2.0},
                       {"name": "apgd_ce_l2", "steps": 20, "full": True, "epsilon": 0.05},
                       {"name": "fab_t_linf", "steps": 20, "full": True, "targets": 1, "epsilon": 0.01},
                       {"name": "square_linf", "queries": 40, "full": True, "epsilon": 0.01}):  # fmt: skip
            rows = []
            for side, channels in SIZES:
                model, source = material(folder, side, channels, 128)
                pixels = side * side * channels
                rows.append((f"{side} x {side} x {channels}", 128 * pixels / 1000, timed(folder, model, source, attack), pixels))
            table(f"{attack['name']} by pixels, 128 images", rows, "kpixel")


if __name__ == "__main__":
    main()
