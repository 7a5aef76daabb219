#!/usr/bin/env python3
"""Times what people wait for: AutoAttack, and epsilon curves, on a model of the demo; assay beside its peers.

usage: bench/sweeps_bench.py JOB [--model robust] [--repeats 3] [--threads T] [--images N] [--batch 128]

JOB  autoattack    autoattack_linf standard at 0.1: assay, pyautoattack (AutoAttack's own code)
     pgd_curve     PGD-20, L-infinity, 50 radii up to 0.2: assay separate, exact, bisect; Foolbox with all radii in one call
     fgsm_curve    FGSM at the same radii: assay separate and exact; Foolbox in one call; torchattacks a radius at a time

A job's contenders run in turn, in another order each time, on the same processors with the same number of threads. A ratio
is the median over turns of the peer's time / assay's of the same turn. assay's time is that of its units, from
run-info.json, as the peers' excludes importing torch and loading. Peers get frozen parameters and verdicts are printed, so
that a faster wrong answer shows. Run in .venv-parity, after ./run bench has made it.
"""
import argparse
import json
import logging
import os
import statistics
import sys
import tempfile
import time
import warnings
from pathlib import Path

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("job", choices=["autoattack", "pgd_curve", "fgsm_curve"])
parser.add_argument("--model", default="robust", help="standard or robust")
parser.add_argument("--repeats", type=int, default=3)
parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
parser.add_argument("--images", type=int, default=128)
parser.add_argument("--batch", type=int, default=128)
options = parser.parse_args()
os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = str(options.threads)
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.threads])

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "parity"))
import foolbox  # noqa: E402
import numpy as np  # noqa: E402
import torch  # noqa: E402
import torchattacks  # noqa: E402
from pyautoattack.autoattack import AutoAttack  # noqa: E402

from models import PixelModel  # noqa: E402
from program import ASSAY, demo_models, fashion_mnist, pixels, run  # noqa: E402

RADII = [round(0.004 * i, 3) for i in range(1, 51)]
STEPS = 20


def assay(demo, folder, attack):
    sweep = {
        "batch": options.batch,
        "metrics": ["robust_accuracy"],
        "data": {"source": "fashion_mnist", "limit": options.images},
        "model": [{"name": demo.name, "path": str(demo.path), "mean": demo.mean, "std": demo.std}],
        "attack": [attack],
        "unit_size": -(-options.images // options.batch) * options.batch,
    }
    config = folder / "bench.json"
    config.write_text(json.dumps(sweep))
    run(ASSAY, "run", config, "--out", folder / "out", "--threads", options.threads)
    info = json.loads((folder / "out" / "run-info.json").read_text())
    cells = json.loads((folder / "out" / "results.json").read_text())["cells"][1:]
    sums = {key: sum(cell[key]["forward"] + cell[key]["backward"] for cell in cells) for key in ("passes", "evaluated")}
    return {
        "seconds": sum(cell["seconds"] for cell in info["cells"][1:]),
        "robust": [cell["metrics"]["robust_accuracy"]["value"] for cell in cells],
        "use": sums["passes"] / sums["evaluated"],
        "passes": sums["passes"] / options.images,
    }


def timed(work, model, x, y):
    """work(batch) -> robust flags, radii x images."""
    began = time.perf_counter()
    flags = [work(bx, by) for bx, by in zip(x.split(options.batch), y.split(options.batch), strict=True)]
    seconds = time.perf_counter() - began
    return {"seconds": seconds, "robust": [float(v) for v in torch.cat(flags, dim=1).float().mean(dim=1)]}


def main():
    logging.getLogger("auto-attack").setLevel(logging.ERROR)
    warnings.simplefilter("ignore")
    demo = next(demo for demo in demo_models() if demo.name == options.model)
    torch.set_num_threads(options.threads)
    images, labels = fashion_mnist(options.images)
    x, y = torch.from_numpy(pixels(images)), torch.from_numpy(labels)
    model = PixelModel(demo)
    right = torch.from_numpy(model.predict(x, options.batch) == labels)

    def with_pyautoattack(bx, by):
        adversarial = AutoAttack(model, norm="Linf", eps=0.1, version="standard", seed=0).run_standard_evaluation(
            bx, by, batch_size=options.batch)  # fmt: skip
        if isinstance(adversarial, dict):
            adversarial = adversarial["x_adv"]
        elif isinstance(adversarial, tuple):
            adversarial = adversarial[0]
        with torch.no_grad():
            return ((model(bx).argmax(1) == by) & (model(adversarial).argmax(1) == by)).unsqueeze(0)

    def with_foolbox(make):
        def work(bx, by):
            wrapped = foolbox.PyTorchModel(model, bounds=(0, 1), device="cpu")
            return ~make()(wrapped, bx, by, epsilons=RADII)[2]

        return work

    def with_torchattacks(bx, by):
        with torch.no_grad():
            clean = model(bx).argmax(1) == by
        rows = []
        for radius in RADII:
            adversarial = torchattacks.FGSM(model, radius)(bx, by)
            with torch.no_grad():
                rows.append(clean & (model(adversarial).argmax(1) == by))
        return torch.stack(rows)

    def pgd():
        return foolbox.attacks.LinfPGD(rel_stepsize=2.5 / STEPS, steps=STEPS, random_start=True)

    def sweep(name, mode):
        steps = {"steps": STEPS} if name == "pgd_linf" else {}
        return lambda folder: assay(demo, folder, {"name": name, "epsilon": RADII, "mode": mode} | steps)

    contenders = {
        "autoattack": {
            "assay": lambda folder: assay(demo, folder, {"name": "autoattack_linf", "epsilon": 0.1}),
            "pyautoattack": lambda _: timed(with_pyautoattack, model, x, y),
        },
        "pgd_curve": {
            "assay, bisect": sweep("pgd_linf", "bisect"),
            "assay, exact": sweep("pgd_linf", "exact"),
            "assay, separate": sweep("pgd_linf", "separate"),
            "foolbox": lambda _: timed(with_foolbox(pgd), model, x, y),
        },
        "fgsm_curve": {
            "assay, exact": sweep("fgsm", "exact"),
            "assay, separate": sweep("fgsm", "separate"),
            "foolbox": lambda _: timed(with_foolbox(foolbox.attacks.LinfFastGradientAttack), model, x, y),
            "torchattacks": lambda _: timed(with_torchattacks, model, x, y),
        },
    }[options.job]

    times = {name: [] for name in contenders}
    names = list(contenders)
    for turn in range(options.repeats):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            with tempfile.TemporaryDirectory(prefix="assay-bench-") as folder:
                times[name].append(contenders[name](Path(folder)))
        print(f"turn {turn + 1}/{options.repeats}: " + ", ".join(f"{n} {times[n][-1]['seconds']:.2f} s" for n in names), file=sys.stderr)

    print(f"{options.job}, {demo.name}, {options.images} images ({int(right.sum())} right when clean), batch {options.batch},"
          f" {options.threads} threads, {options.repeats} turns, torch {torch.__version__}")  # fmt: skip
    own = [name for name in names if name.startswith("assay")]
    for name in names:
        seconds = [t["seconds"] for t in times[name]]
        robust = np.array(times[name][-1]["robust"])
        line = f"{name:16} {statistics.median(seconds):8.2f} s ({min(seconds):.2f} to {max(seconds):.2f})"
        line += f", robust {robust[0]:.3f}" + (f" to {robust[-1]:.3f}, mean {robust.mean():.4f}" if len(robust) > 1 else "")
        if name in own:
            line += f"; {times[name][-1]['passes']:.1f} passes an image, lane use {times[name][-1]['use']:.3f}"
        print(line)
    for peer in (name for name in names if name not in own):
        for name in own:
            ratios = [theirs["seconds"] / ours["seconds"] for theirs, ours in zip(times[peer], times[name], strict=True)]
            print(f"{peer} takes {statistics.median(ratios):.2f} times as long as {name} ({min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    main()
