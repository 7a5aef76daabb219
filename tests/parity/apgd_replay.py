"""APGD step by step: fed the logits and gradients that AutoAttack's own saw, assay's passes through the same points."""
from pathlib import Path

import numpy as np
import torch
from pyautoattack.autopgd_base import APGDAttack, APGDAttack_targeted

from check import Check, Measured
from models import PixelModel, Recorder
from program import REPLAY, DemoModel, demo_models, fashion_mnist, pixels, run

TOLERANCE = 1e-6  # as in attack_replay.py
STEPS = 100
# Where two losses of a sample differ by their last bit, one side sees a rise and the other does not: its step may then be
# halved at another check. Of these samples only the steps before count.
SHARE_OF_SAMPLES = 0.02
# In L1 the reference counts coordinates that moved, and with them those that its projection returns to the clean image but
# for a rounding. Which these are hangs on the last bit of every point, so a sample may part at any check; the first phase
# has the fewest.
L1_FIRST_PHASE, L1_SHARE_OF_SAMPLES = 30, 0.1
BALLS = {"linf": 0.1, "l2": 1.5, "l1": 12.0}
LOSSES = {"ce": "ce", "dlr": "dlr", "t": "dlr-targeted"}
COVERED = {f"apgd_{kind}_{norm}" for kind in LOSSES for norm in BALLS}


def record(demo: DemoModel, norm: str, kind: str, n: int):
    images, labels = fashion_mnist(n)
    x, y = torch.from_numpy(pixels(images)), torch.from_numpy(labels)
    recorder = Recorder(PixelModel(demo))
    targeted = kind == "t"
    attack = (APGDAttack_targeted if targeted else APGDAttack)(
        recorder, n_iter=STEPS, norm={"linf": "Linf", "l2": "L2", "l1": "L1"}[norm], eps=BALLS[norm], device="cpu",
        **({} if targeted else {"loss": LOSSES[kind]}))  # fmt: skip
    attack.init_hyperparam(x)
    target = None
    if targeted:
        with torch.no_grad():
            z = recorder(x)
        z[torch.arange(n), y] = -torch.inf  # also of images that are wrong when clean, which AutoAttack does not attack
        target = attack.y_target = z.argmax(1)
    torch.manual_seed(7)
    if norm == "l1":
        best = attack.decr_eps_pgd(x, y, [3 * BALLS[norm], 2 * BALLS[norm], BALLS[norm]], [30, 30, 40])[0]
    else:
        best = attack.attack_single_run(x, y)[0]
    return x, y, target, recorder, best.detach()


def measure(demo: DemoModel, norm: str, kind: str, n: int, folder: Path) -> Measured:
    x, y, target, recorder, best = record(demo, norm, kind, n)
    folder.mkdir()
    given = []
    arrays = {"clean": x, "start": recorder.points[0], "gradients": torch.stack(recorder.gradients),
              "logits": torch.stack(recorder.logits), "labels": y} | ({"targets": target} if kind == "t" else {})  # fmt: skip
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array.numpy())
        given += [f"--{name}", folder / f"{name}.npy"]
    run(REPLAY, f"apgd_{kind}_{norm}", "--param", f"epsilon={BALLS[norm]}", "--param", f"steps={STEPS}", *given,
        "--out", folder / "iterates.npy")  # fmt: skip
    own = np.load(folder / "iterates.npy").astype(np.float64)
    expected = torch.stack(recorder.points[1:] + [best]).numpy()  # after its last answer each shows its best point
    if own.shape != expected.shape:
        raise RuntimeError(f"iterates are {own.shape}, expected {expected.shape}")
    gap = np.abs(own - expected).reshape(len(own), n, -1).max(axis=2)
    same = gap <= TOLERANCE
    parted = ~same.all(axis=0)
    first = np.where(parted, same.argmin(axis=0), len(own))
    note = f"{int(parted.sum())} of {n} samples part from it"
    if parted.any():
        note += f", the first at step {first.min() + 1}"
    note += f"; others within {gap[:, ~parted].max(initial=0):.2g}"
    if norm == "l1":
        early = float((first < L1_FIRST_PHASE).mean())
        return Measured(early, L1_SHARE_OF_SAMPLES, f"in the first {L1_FIRST_PHASE} steps; in all {note}")
    return Measured(float(parted.mean()), SHARE_OF_SAMPLES, note)


def checks(work: Path, subset: bool) -> list[Check]:
    n = 50 if subset else 200
    return [
        Check(f"replay apgd_{kind}_{norm}, AutoAttack, {demo.name}",
              lambda demo=demo, norm=norm, kind=kind: measure(demo, norm, kind, n, work / f"apgd-{demo.name}-{kind}-{norm}"))
        for demo in demo_models() for norm in BALLS for kind in LOSSES
    ]  # fmt: skip
