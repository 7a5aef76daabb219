"""torchattacks' SPSA on the demo's models with the signs that assay draws: Philox 4x32-10 by the sample's index.

A difference of two logits over 2 delta has fifty times the rounding of a logit, and Adam's first steps are as large for a tiny
slope as for any other: a pixel whose slope rounds to the other side of zero moves the other way.
"""
import hashlib
from functools import cache
from pathlib import Path
from unittest import mock

import numpy as np
import torch
import torchattacks

from check import Check, Measured
from models import PixelModel, clean_batches
from program import DemoModel, assay_attack, demo_models

COVERED = {"spsa_linf"}
EPSILON, STEPS, DIRECTIONS = 0.1, 3, 32
SAME, SHARE_OF_PIXELS = 1e-4, 0.001  # a hundredth of a step
SEED = 0


def philox(counter: np.ndarray, seed: int) -> np.ndarray:
    """Salmon et al. 2011, for rows of four words."""
    a, b, c, d = (counter[..., i].astype(np.uint64) for i in range(4))
    key, low = [seed & 0xFFFFFFFF, seed >> 32], np.uint64(0xFFFFFFFF)
    for _ in range(10):
        first, second = a * np.uint64(0xD2511F53), c * np.uint64(0xCD9E8D57)
        a, b, c, d = (second >> np.uint64(32)) ^ b ^ np.uint64(key[0]), second & low, (first >> np.uint64(32)) ^ d ^ np.uint64(key[1]), first & low
        key = [(key[0] + 0x9E3779B9) & 0xFFFFFFFF, (key[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return np.stack([a, b, c, d], axis=-1).astype(np.uint32)


def signs(sample: int, step: int, dim: int) -> np.ndarray:
    """directions x dim: 1 for up, 0 for down."""
    stream = int.from_bytes(hashlib.sha256(b"attack/spsa_linf/0/-/start").digest()[:4], "big")
    blocks = -(-dim // 128)
    counter = np.zeros((DIRECTIONS, blocks, 4), np.uint32)
    counter[..., 0] = np.arange(DIRECTIONS)[:, None] * blocks + np.arange(blocks)
    counter[..., 1:] = step, sample, stream
    words = philox(counter, SEED).astype("<u4").view(np.uint8)
    return np.unpackbits(words.reshape(DIRECTIONS, -1), axis=-1, bitorder="little")[:, :dim].astype(np.float32)


def with_torchattacks(demo: DemoModel, n: int) -> np.ndarray:
    model, points = PixelModel(demo), []
    x, y, _ = clean_batches(n)
    for sample in range(n):  # torchattacks draws the same signs for all images of a batch
        steps = iter(range(STEPS))

        def bernoulli(v: torch.Tensor, sample=sample, steps=steps) -> torch.Tensor:
            return v.copy_(torch.from_numpy(signs(sample, next(steps), v[0, 0].numel())).reshape(v.shape))

        attack = torchattacks.SPSA(model, EPSILON, delta=0.01, lr=0.01, nb_iter=STEPS, nb_sample=DIRECTIONS, max_batch_size=DIRECTIONS)
        with mock.patch.object(torch.Tensor, "bernoulli_", bernoulli):
            points.append(attack(x[sample : sample + 1], y[sample : sample + 1]).detach().numpy())
    return np.concatenate(points)


def checks(work: Path, subset: bool) -> list[Check]:
    n = 32 if subset else 256

    @cache
    def compare(demo: DemoModel) -> Measured:
        params = (("epsilon", EPSILON), ("steps", STEPS), ("directions", DIRECTIONS))
        own, _ = assay_attack(demo, "spsa_linf", params, n, work / f"spsa-{demo.name}")
        gap = np.abs(own.astype(np.float64) - with_torchattacks(demo, n))
        note = f"share of pixels further apart than {SAME:g}; median {np.median(gap):.2g}, largest {gap.max():.2g}; {n} images"
        return Measured(float(np.mean(gap > SAME)), SHARE_OF_PIXELS, note)

    return [Check(f"spsa_linf, torchattacks' from the same signs, {demo.name}", lambda demo=demo: compare(demo)) for demo in demo_models()]
