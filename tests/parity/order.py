"""The same attack on the same images in batches of another size, and in the reverse order: whose verdicts change.

A model's own arithmetic may depend on the batch and on a row's place in it, so a sample that lies within a rounding of the
boundary may fall in one and hold in the other. Random numbers belong to a sample's index; what is reversed draws none, or
begins at points that are reversed with it.
"""
import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from check import Check, Measured
from program import ASSAY, BATCH, DemoModel, demo_models, fashion_mnist, pixels, run, save_data

SHARE_OF_VERDICTS = 0.001
EPSILON = {"standard": 0.02, "robust": 0.1}  # where some fall and some hold
ATTACKS = {
    "pgd_linf": ("--random_start", "false"),
    "mi_fgsm": (),
    "fab_t_linf": ("--steps", 20, "--targets", 3),
    "apgd_ce_linf": ("--steps", 50),
    "apgd_dlr_linf": ("--steps", 50),
}
OTHER_BATCHES = (50, 200)  # neither a divisor of the other


@dataclass(frozen=True)
class Answers:
    verdicts: np.ndarray  # N x 2: prediction on the clean image, success
    points: np.ndarray  # N x D: where the attack ended


def attacked(demo: DemoModel, data: Path, attack: str, batch: int, out: Path) -> Answers:
    start = ("--start", f"file:{data / 'start.npy'}") if attack.startswith("apgd") else ()
    run(ASSAY, "attack", demo.path, f"npy:{data}", attack, "--epsilon", EPSILON[demo.name], *ATTACKS[attack], *start,
        "--batch", batch, "--mean", *demo.mean, "--std", *demo.std, "--out", out)  # fmt: skip
    with (out / "samples.csv").open() as file:
        verdicts = np.array([[row["pred_clean"], row["success"]] for row in csv.DictReader(file)])
    return Answers(verdicts, np.load(out / "adversarial.npy").reshape(len(verdicts), -1))


def save_both(n: int, work: Path) -> tuple[Path, Path]:
    """The images and starting points around them, and the same the other way round."""
    images, labels = fashion_mnist(n)
    start = pixels(images) + np.random.default_rng(5).uniform(-0.1, 0.1, images.shape).astype(np.float32)
    found = []
    for name, step in (("forwards", 1), ("backwards", -1)):
        found.append(save_data(work / name, np.moveaxis(images, 1, -1)[::step].copy(), labels[::step].copy()))
        np.save(work / name / "start.npy", start.clip(0, 1)[::step].copy())
    return found[0], found[1]


def compare(demo: DemoModel, what: str, n: int, work: Path) -> Measured:
    forwards, backwards = save_both(n, work)
    asked, other_points, fooled, differ = 0, 0, 0, {}
    for attack in ATTACKS:
        own = attacked(demo, forwards, attack, BATCH, work / attack)
        if what == "in reverse":
            again = attacked(demo, backwards, attack, BATCH, work / attack / "reversed")
            others = {"reversed": Answers(again.verdicts[::-1], again.points[::-1])}
        else:
            others = {f"batch {b}": attacked(demo, forwards, attack, b, work / attack / str(b)) for b in OTHER_BATCHES}
        for how, other in others.items():
            asked += n
            fooled += int((own.verdicts[:, 1] == "1").sum())
            other_points += int((own.points != other.points).any(axis=1).sum())
            found = np.flatnonzero((own.verdicts != other.verdicts).any(axis=1))
            if found.size:
                differ[f"{attack} {how}"] = found.tolist()
    count = sum(map(len, differ.values()))
    note = f"{count} of {asked} verdicts, of which {fooled} are successes; {other_points} points differ in some bit"
    return Measured(count / asked, SHARE_OF_VERDICTS, note + "".join(f"; {where}: images {which}" for where, which in differ.items()))


def checks(work: Path, subset: bool) -> list[Check]:
    n = 32 if subset else 1000
    return [
        Check(f"verdicts {what}, {demo.name}",
              lambda demo=demo, what=what: compare(demo, what, n, work / f"order-{demo.name}-{what.replace(' ', '-')}"))
        for demo in demo_models()
        for what in ("in other batches", "in reverse")
    ]  # fmt: skip
