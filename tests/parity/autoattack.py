"""Whole ensembles against AutoAttack's own: which images stay robust. The noise is not the same, so the reference stands
beside itself under another seed. Then the projection onto box and L1 ball, on its own.
"""
import csv
import logging
import warnings
from functools import cache
from pathlib import Path

import numpy as np
import torch
from pyautoattack.autoattack import AutoAttack
from pyautoattack.autopgd_base import L1_projection

from check import Check, Measured
from models import PixelModel
from program import ASSAY, BATCH, REPLAY, DemoModel, demo_models, fashion_mnist, pixels, run

BALLS = {"linf": 0.1, "l2": 1.5, "l1": 12.0}
SHARE_OF_IMAGES = 0.01
FEW = {"steps": 20, "queries": 300}  # the subset's, for both sides
# What a row runs: the reference's names and assay's members.
ROWS = {
    "autoattack": (["apgd-ce", "apgd-t", "fab-t", "square"], "apgd_ce_{n} steps={s}; apgd_t_{n} steps={s}; fab_t_{n} steps={s}; square_{n} queries={q}"),
    "fab": (["fab"], "fab_{n} steps={s}"),
    "fab_t": (["fab-t"], "fab_t_{n} steps={s}"),
    "square": (["square"], "square_{n} queries={q}"),
}  # fmt: skip
COVERED = {f"{row}_{norm}" for row in ROWS for norm in BALLS} | {f"ensemble_{norm}" for norm in BALLS} | {"pgd_l1"}


def reference(demo: DemoModel, norm: str, row: str, standard: bool, n: int, seed: int) -> np.ndarray:
    images, labels = fashion_mnist(n)
    x, y = torch.from_numpy(pixels(images)), torch.from_numpy(labels)
    model = PixelModel(demo)
    name = {"linf": "Linf", "l2": "L2", "l1": "L1"}[norm]
    logging.getLogger("auto-attack").setLevel(logging.ERROR)
    warnings.simplefilter("ignore")
    if standard:
        attack = AutoAttack(model, norm=name, eps=BALLS[norm], version="standard", seed=seed)
    else:
        attack = AutoAttack(model, norm=name, eps=BALLS[norm], version="custom", attacks=ROWS[row][0], seed=seed)
        for one in (attack.apgd, attack.apgd_targeted):
            one.n_restarts, one.use_largereps = 1, norm == "l1"
            one.n_iter = one.n_iter_orig = FEW["steps"]
            one.n_iter_2, one.n_iter_min, one.size_decr = (max(int(f * FEW["steps"]), 1) for f in (0.22, 0.06, 0.03))
        attack.apgd_targeted.n_target_classes = 9
        attack.fab.n_restarts, attack.fab.n_iter, attack.fab.n_target_classes = 1, FEW["steps"], 9
        attack.square.n_queries = FEW["queries"]
    with torch.no_grad():
        adversarial = attack.run_standard_evaluation(x, y, batch_size=BATCH)
    if isinstance(adversarial, dict):
        adversarial = adversarial["x_adv"]
    elif isinstance(adversarial, tuple):
        adversarial = adversarial[0]
    return (model.predict(x, BATCH) == labels) & (model.predict(adversarial, BATCH) == labels)


def assay(demo: DemoModel, norm: str, row: str, standard: bool, n: int, folder: Path) -> np.ndarray:
    members = ROWS[row][1].format(n=norm, s=FEW["steps"], q=FEW["queries"])
    what = [f"autoattack_{norm}"] if standard else [f"ensemble_{norm}", "--members", members]
    run(ASSAY, "attack", demo.path, "fashion_mnist", *what, "--epsilon", BALLS[norm], "--limit", n, "--batch", BATCH,
        "--mean", *demo.mean, "--std", *demo.std, "--out", folder)  # fmt: skip
    with (folder / "samples.csv").open() as file:
        rows = list(csv.DictReader(file))
    # Each success once more, by another program: a verdict that is too strong would pass for a stronger attack.
    images, labels = fashion_mnist(n)
    clean, points = pixels(images).astype(np.float64), np.load(folder / "adversarial.npy")
    gap = np.abs(points.astype(np.float64) - clean).reshape(n, -1)
    size = {"linf": gap.max(1), "l2": np.sqrt((gap**2).sum(1)), "l1": gap.sum(1)}[norm]
    slack = 2.0**-25 * {"linf": 1, "l2": gap.shape[1] ** 0.5, "l1": gap.shape[1]}[norm]
    holds = (PixelModel(demo).predict(torch.from_numpy(points), BATCH) != labels) & (size <= BALLS[norm] * (1 + 1e-6) + slack)
    holds &= np.isfinite(points).reshape(n, -1).all(1) & (points.min((1, 2, 3)) >= 0) & (points.max((1, 2, 3)) <= 1)
    false = [i for i, row in enumerate(rows) if row["success"] == "1" and not holds[i]]
    if false:
        raise RuntimeError(f"claimed successes that do not hold: {false}")
    return np.array([row["pred_clean"] == row["label"] and row["success"] == "0" for row in rows])


def verdicts(demo: DemoModel, norm: str, row: str, standard: bool, n: int, folder: Path) -> Measured:
    own = assay(demo, norm, row, standard, n, folder)
    peer = reference(demo, norm, row, standard, n, 0)
    again = reference(demo, norm, row, standard, n, 1)
    weaker, stronger = int((own & ~peer).sum()), int((~own & peer).sum())
    note = (f"of {n}: robust {int(own.sum())}, peer {int(peer.sum())}; only the peer fools {weaker}, only assay {stronger};"
            f" the peer under another seed differs from itself in {int((peer != again).sum())}")  # fmt: skip
    # A few queries decide by luck, and their sets differ: there, only how many are robust is compared.
    if standard:
        return Measured(weaker + stronger, max(1.0, SHARE_OF_IMAGES * n), note)
    return Measured(float(own.sum() - peer.sum()), max(1.0, 0.03 * n), note)


def projection(n: int, folder: Path) -> Measured:
    """pgd_l1's step onto the ball: with share = 1 it moves all pixels alike, and then projects. Near the ball: the reference
    adds in float32, which at an L1 norm of 50 loses 4e-6."""
    rng = np.random.default_rng(3)
    worst, shape = 0.0, (n, 1, 6, 7)
    for round_, epsilon in enumerate((0.0, 0.3, 2.0, 9.0)):
        coarse = round_ % 2 == 1  # ties and corners
        clean = rng.integers(0, 5, shape) / 4 if coarse else rng.random(shape)
        start = clean + (rng.integers(-1, 2, shape) / 4 if coarse else rng.normal(0, 0.1, shape))
        start = start.clip(0, 1)
        gradient = rng.choice([-1.0, 1.0], shape)
        clean, start, gradient = (a.astype(np.float32) for a in (clean, start, gradient))
        step = np.float32(2.0)
        sub = folder / str(round_)
        sub.mkdir(parents=True)
        for name, array in {"clean": clean, "start": start, "gradients": gradient[None]}.items():
            np.save(sub / f"{name}.npy", array)
        run(REPLAY, "pgd_l1", *[w for p in (f"epsilon={epsilon}", "steps=1", "step=2", "share=1") for w in ("--param", p)],
            "--clean", sub / "clean.npy", "--start", sub / "start.npy", "--gradients", sub / "gradients.npy",
            "--out", sub / "out.npy")  # fmt: skip
        own = np.load(sub / "out.npy")[0]
        # A pixel at its bound cannot move that way; the others share the step.
        free = ~((gradient > 0) & (start >= 1) | (gradient < 0) & (start <= 0))
        moved = start + np.where(free, gradient * step / free.reshape(n, -1).sum(1).reshape(-1, 1, 1, 1), 0).astype(np.float32)
        x, y = torch.from_numpy(clean), torch.from_numpy((moved - clean).astype(np.float32))
        expected = (x + y + L1_projection(x, y, epsilon)).clamp(0, 1).numpy()
        worst = max(worst, float(np.abs(own.astype(np.float64) - expected).max()))
    return Measured(worst, 1e-6, f"4 x {n} cases of 42 pixels, with ties and corners")


def checks(work: Path, subset: bool) -> list[Check]:
    found = [Check("projection pgd_l1, AutoAttack", lambda: projection(500 if subset else 2500, work / "l1-projection"))]
    robust = demo_models()[-1]

    @cache
    def row(demo: DemoModel, norm: str, name: str, standard: bool, n: int) -> Measured:
        return verdicts(demo, norm, name, standard, n, work / f"verdicts-{demo.name}-{name}-{norm}-{standard}")

    for norm in BALLS:
        for name in ["autoattack"] if subset else ROWS:
            n = 24 if subset else 100
            found.append(Check(f"robust images, {name}_{norm} in {FEW['steps']} steps, AutoAttack, {robust.name}",
                               lambda norm=norm, name=name, n=n: row(robust, norm, name, False, n)))  # fmt: skip
        for demo in [] if subset else demo_models():
            found.append(Check(f"verdicts, autoattack_{norm} standard, AutoAttack, {demo.name}",
                               lambda demo=demo, norm=norm: row(demo, norm, "autoattack", True, 200)))  # fmt: skip
    return found
