"""Step by step: fed the gradients that a peer saw, assay's kernels must pass through the peer's points."""
from pathlib import Path

import numpy as np
import torch

from check import Check, Measured
from models import PixelModel, Recorder
from peer_attacks import Ball, PeerAttack, all_attacks
from program import REPLAY, DemoModel, demo_models, fashion_mnist, pixels, run

TOLERANCE = 1e-6  # the step's own rounding: a few units of 2^-24 on pixels in [0, 1]


def measure(row: PeerAttack, demo: DemoModel, n: int, folder: Path) -> Measured:
    images, labels = fashion_mnist(n)
    x, y = torch.from_numpy(pixels(images)), torch.from_numpy(labels)
    torch.manual_seed(7)
    recorder = Recorder(PixelModel(demo, exact=True))
    last = row.attack(recorder, x, y)
    steps = len(recorder.gradients)
    if steps != row.params.get("steps", 1) or len(recorder.points) != steps:
        raise RuntimeError(f"recorded {len(recorder.points)} points and {steps} gradients of {row.title}")
    expected = torch.stack(recorder.points[1:] + [last]).numpy()

    folder.mkdir()
    np.save(folder / "clean.npy", x.numpy())
    np.save(folder / "start.npy", recorder.points[0].numpy())
    np.save(folder / "gradients.npy", torch.stack(recorder.gradients).numpy())
    given = [word for key, value in row.params.items() for word in ("--param", f"{key}={str(value).lower()}")]
    run(REPLAY, row.name, *given, "--clean", folder / "clean.npy", "--start", folder / "start.npy",
        "--gradients", folder / "gradients.npy", "--out", folder / "iterates.npy")  # fmt: skip
    iterates = np.load(folder / "iterates.npy")
    if iterates.shape != expected.shape or iterates.dtype != np.float32:
        raise RuntimeError(f"iterates are {iterates.dtype} {iterates.shape}, expected float32 {expected.shape}")
    if steps > 1 and not np.abs(np.diff(expected, axis=0)).max() > TOLERANCE:
        raise RuntimeError("the peer's points do not move, which would show nothing")
    difference = np.abs(iterates.astype(np.float64) - expected)
    return Measured(difference.max(), TOLERANCE, f"{steps} iterates of {n} images")


def checks(work: Path, subset: bool) -> list[Check]:
    rows, n = [], 64 if subset else 256
    for demo in demo_models():
        for random_start in (False, True):
            rows += [(demo, row) for row in all_attacks(Ball(0.1, 0.01, 20), Ball(1.5, 0.2, 20), random_start)]
        if not subset:
            # A small ball, and a step that leaves it at once, so that every step is a projection.
            rows += [(demo, row) for row in all_attacks(Ball(8 / 255, 16 / 255, 5), Ball(0.25, 1.0, 5), True)]
    return [
        Check(f"replay {row.title}, {demo.name}", lambda i=i, demo=demo, row=row: measure(row, demo, n, work / f"replay-{i}"))
        for i, (demo, row) in enumerate(rows)
    ]
