#!/usr/bin/env python3
"""Times PGD-20 (L-infinity, epsilon 0.1) on a model of the demo: assay, torchattacks, Foolbox, and the bare passes.

usage: bench/attacks_bench.py [--model robust] [--repeats 7] [--threads T] [--images 1000] [--batch 128] [--step S] [--json FILE]

"bare" is what no gradient attack can do without: 20 forward passes and 20 input gradients of the same TorchScript file, its
parameters frozen. Everything runs in turn, in another order each time, on the same processors with the same number of
threads; a ratio is the median over turns of time / bare time of the same turn, so that a machine that slows down slows
both. assay's time is that of its attack alone, from run-info.json, as the peers' excludes importing torch. "assay, full" attacks
every image to its last step, as the peers do, and makes two passes more: the clean prediction and the check of the last
point; what fools is asked about once more. "assay" drops a sample once it is fooled, and those that are wrong when clean: the
same verdicts for fewer passes. Run by ./run bench, in .venv-parity.
"""
import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--model", default="robust", help="standard or robust")
parser.add_argument("--repeats", type=int, default=7)
parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
parser.add_argument("--images", type=int, default=1000)
parser.add_argument("--batch", type=int, default=128)
parser.add_argument("--step", type=float, default=0.025, help="a quarter of epsilon, as torchattacks' defaults are")
parser.add_argument("--json", type=Path, help="also write every time measured here")
options = parser.parse_args()
# Before torch is imported, and inherited by assay: both then run one thread a processor.
os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = str(options.threads)
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.threads])

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "parity"))
import foolbox  # noqa: E402
import torch  # noqa: E402
import torchattacks  # noqa: E402

from models import PixelModel  # noqa: E402
from program import ASSAY, demo_models, fashion_mnist, pixels, run  # noqa: E402

EPSILON, STEPS = 0.1, 20


def bare(model, x, y):
    for _ in range(STEPS):
        point = x.detach().requires_grad_(True)
        torch.autograd.grad(torch.nn.functional.cross_entropy(model(point), y, reduction="sum"), point)
    return x


def with_torchattacks(model, x, y):
    return torchattacks.PGD(model, EPSILON, options.step, STEPS, random_start=True)(x, y)


def with_foolbox(model, x, y):
    attack = foolbox.attacks.LinfPGD(abs_stepsize=options.step, steps=STEPS, random_start=True)
    return attack.run(foolbox.PyTorchModel(model, bounds=(0, 1), device="cpu"), x, y, epsilon=EPSILON)


def in_python(attack, model, batches):
    began = time.perf_counter()
    for x, y in batches:
        attack(model, x, y)
    return {"seconds": time.perf_counter() - began}


def with_assay(demo, folder, full):
    sweep = {
        "batch": options.batch,
        "data": {"source": "fashion_mnist", "limit": options.images},
        "model": [{"name": demo.name, "path": str(demo.path), "mean": demo.mean, "std": demo.std}],
        "attack": [{"name": "pgd_linf", "epsilon": EPSILON, "step": options.step, "steps": STEPS, "random_start": True, "full": full}],
        "unit_size": -(-options.images // options.batch) * options.batch,
    }
    config = folder / "bench.json"
    config.write_text(json.dumps(sweep))
    began = time.perf_counter()
    run(ASSAY, "run", config, "--out", folder / "out", "--threads", options.threads)
    wall = time.perf_counter() - began
    info = json.loads((folder / "out" / "run-info.json").read_text())
    if info["units"]["reused"]:
        raise RuntimeError("units were reused")
    attacked = [cell for cell in info["cells"] if "pgd_linf" in cell["cell"]][0]
    cell = json.loads((folder / "out" / "results.json").read_text())["cells"][1]
    return {"seconds": attacked["seconds"], "model": attacked["model_seconds"], "wall": wall, "passes": cell["passes"],
            "evaluated": cell["evaluated"]}


def main():
    demo = next(demo for demo in demo_models() if demo.name == options.model)
    torch.set_num_threads(options.threads)
    images, labels = fashion_mnist(options.images)
    x, y = torch.from_numpy(pixels(images)), torch.from_numpy(labels)
    batches = list(zip(x.split(options.batch), y.split(options.batch), strict=True))
    frozen, plain = PixelModel(demo), PixelModel(demo)
    for parameter in plain.parameters():
        parameter.requires_grad_(True)
    contenders = {
        "bare": lambda _: in_python(bare, frozen, batches),
        "assay": lambda folder: with_assay(demo, folder, full=False),
        "assay, full": lambda folder: with_assay(demo, folder, full=True),
        "torchattacks": lambda _: in_python(with_torchattacks, plain, batches),
        "foolbox": lambda _: in_python(with_foolbox, plain, batches),
        "foolbox, frozen": lambda _: in_python(with_foolbox, frozen, batches),
    }
    for attack, model in ((bare, frozen), (with_torchattacks, plain), (with_foolbox, plain)):
        in_python(attack, model, batches[:1])  # warm up

    times = {name: [] for name in contenders}
    names = list(contenders)
    for turn in range(options.repeats):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            with tempfile.TemporaryDirectory(prefix="assay-bench-") as folder:
                times[name].append(contenders[name](Path(folder)))
        print(f"turn {turn + 1}/{options.repeats}: " + ", ".join(f"{n} {times[n][-1]['seconds']:.2f} s" for n in names), file=sys.stderr)

    print(f"PGD-{STEPS}, L-infinity {EPSILON}, step {options.step}, {demo.name}, {options.images} images, batch {options.batch}, {options.threads} threads,"
          f" {options.repeats} turns, torch {torch.__version__}")  # fmt: skip
    print(f"{'':16} {'median s':>9} {'min':>7} {'max':>7} {'images/s':>9} {'x bare':>7} {'lowest':>7} {'highest':>8}")
    for name in names:
        seconds = [t["seconds"] for t in times[name]]
        ratios = [own["seconds"] / other["seconds"] for own, other in zip(times[name], times["bare"], strict=True)]
        median = statistics.median(seconds)
        print(f"{name:16} {median:9.2f} {min(seconds):7.2f} {max(seconds):7.2f} {options.images / median:9.0f}"
              f" {statistics.median(ratios):7.2f} {min(ratios):7.2f} {max(ratios):8.2f}")  # fmt: skip
    for name in ("assay", "assay, full"):
        own = times[name]
        outside = statistics.median(1 - t["model"] / t["seconds"] for t in own)
        passes, evaluated = own[0]["passes"], own[0]["evaluated"]
        use = (passes["forward"] + passes["backward"]) / (evaluated["forward"] + evaluated["backward"])
        ratios = [o["seconds"] / t["seconds"] for o, t in zip(times["torchattacks"], own, strict=True)]
        print(f"{name}: torchattacks takes {statistics.median(ratios):.2f} times as long ({min(ratios):.2f} to {max(ratios):.2f});"
              f" {passes['forward'] / options.images:.2f} forward and {passes['backward'] / options.images:.2f} backward passes an image,"
              f" {use:.3f} of the rows evaluated; outside the model {outside:.1%}; whole process with loading and checks"
              f" {statistics.median(t['wall'] for t in own):.2f} s")  # fmt: skip
    if options.json:
        options.json.write_text(json.dumps({"options": {k: str(v) for k, v in vars(options).items()}, "times": times}, indent=1) + "\n")


if __name__ == "__main__":
    main()
