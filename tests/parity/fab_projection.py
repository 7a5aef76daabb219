"""FAB's projections onto a hyperplane within the box against AutoAttack's own, which are given float64: in float32 their
running sums differ from themselves by more than what is measured here.

In L1 equal weights leave the nearest point open, and AutoAttack's choice depends on its sort: there only how far the point
went is compared, and that it got to the hyperplane.
"""
from functools import cache
from pathlib import Path

import numpy as np
import torch
from pyautoattack.fab_projections import projection_l1, projection_l2, projection_linf

from check import Check, Measured
from program import REPLAY, run

PEERS = {"linf": projection_linf, "l2": projection_l2, "l1": projection_l1}
DIMENSIONS = (2, 3, 10, 97, 784)
TOLERANCE = 1e-6  # pixels in [0, 1]: a shift is stored as float32, at most 6e-8 from the real number


BESIDE = 1


def kinds(n: int) -> np.ndarray:
    """Of eight hyperplanes, after the twelve kinds of point and normal: 0 goes through the point, BESIDE beside the box."""
    return np.arange(n) // 12 % 8


def cases(n: int, dim: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points and normals in float32, and <w, t> - b. Of the points some have coordinates at the box's bounds, of the normals
    some have equal or zero coordinates, or sizes of six orders; the hyperplanes pass through the box, through the point, or
    beside the box."""
    random = np.random.default_rng(dim)
    shape = (n, dim)

    def pick(every: int, *choices: np.ndarray) -> np.ndarray:
        return np.choose(np.arange(n).reshape(-1, 1) // every % len(choices), choices)

    t = pick(1, random.random(shape), random.integers(0, 2, shape), random.integers(0, 5, shape) / 4).astype(np.float32)
    spread = 10 ** random.uniform(-4, 2, shape) * random.choice([-1.0, 1.0], shape)
    ties = random.integers(-2, 3, shape)
    w = pick(3, random.normal(size=shape), ties, spread, random.choice([-1.0, 1.0], shape)).astype(np.float32)
    w[(w == 0).all(axis=1), 0] = 1  # a hyperplane has a normal
    at = np.einsum("ij,ij->i", w, t, dtype=np.float64)
    through = at - np.einsum("ij,ij->i", w.astype(np.float64), random.random(shape))
    reach = np.where((w > 0) == (through > 0)[:, None], t, 1 - t.astype(np.float64))
    beyond = np.sign(through) * (np.abs(w) * reach).sum(axis=1) * random.uniform(1.1, 2, n)
    return t, w, np.where(kinds(n) == 0, 0, np.where(kinds(n) == BESIDE, beyond, through))


def measure(norm: str, n: int, folder: Path) -> dict[str, float]:
    worst = {"shift": 0.0, "length": 0.0, "miss": 0.0, "compared": 0}
    for dim in DIMENSIONS:
        t, w, c = cases(n // len(DIMENSIONS), dim)
        sub = folder / str(dim)
        sub.mkdir(parents=True)
        for name, array in {"project": t, "normals": w, "offsets": c}.items():
            np.save(sub / f"{name}.npy", array)
        run(REPLAY, norm, *[word for name in ("project", "normals", "offsets") for word in (f"--{name}", sub / f"{name}.npy")],
            "--out", sub / "out.npy")  # fmt: skip
        own = np.load(sub / "out.npy").astype(np.float64)
        x, v = torch.from_numpy(t).double(), torch.from_numpy(w).double()
        peer = PEERS[norm](x, v, (v * x).sum(1) - torch.from_numpy(c)).numpy()
        if not ((t + own >= -1e-7) & (t + own <= 1 + 1e-7)).all():
            raise RuntimeError("a point left the box")
        apart = np.array([len(set(row[row != 0])) == np.count_nonzero(row) for row in np.abs(w)])
        compared = apart if norm == "l1" else np.ones(len(t), bool)
        worst["compared"] += int(compared.sum())
        worst["shift"] = max(worst["shift"], np.abs(own - peer)[compared].max(initial=0))
        length = [np.linalg.norm(d, {"linf": np.inf, "l2": 2, "l1": 1}[norm], axis=1) for d in (own, peer)]
        worst["length"] = max(worst["length"], (np.abs(length[0] - length[1]) / np.maximum(1, length[1])).max())
        missed = np.abs(c + np.einsum("ij,ij->i", w, own, dtype=np.float64)) / np.abs(w).sum(axis=1, dtype=np.float64)
        worst["miss"] = max(worst["miss"], missed[kinds(len(t)) != BESIDE].max())
    return worst


def checks(work: Path, subset: bool) -> list[Check]:
    n = 2_000 if subset else 10_000
    measured = cache(lambda norm: measure(norm, n, work / f"fab-projection-{norm}"))

    def row(norm: str, key: str, of: str) -> Measured:
        compared = measured(norm)["compared"] if key == "shift" else n
        return Measured(measured(norm)[key], TOLERANCE, f"{of}, of {compared} cases with ties and corners")

    what = {
        "shift": "pixels",
        "length": "of the length, where that is above 1",
        "miss": "distance to the hyperplane by the normal's L1 length",
    }
    return [
        Check(f"projection fab_{norm}, AutoAttack: {key}", lambda norm=norm, key=key, of=of: row(norm, key, of))
        for norm in PEERS
        for key, of in what.items()
    ]
