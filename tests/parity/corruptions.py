"""Corruptions, given what assay drew, against their formulae in plain NumPy, and pixelate against Pillow.

The formulae and constants are those of ImageNet-C and CIFAR-10-C (Hendrycks & Dietterich 2019, arXiv:1903.12261), on x in
[0, 1] as float64; the result is clipped and truncated to bytes. One channel is copied to three, corrupted, and its luma
(ITU-R 601) taken.
"""
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.special import pdtr
from sklearn.datasets import load_sample_images

from check import Check, Measured, expect_covered
from program import ASSAY, fashion_mnist, registered, run, save_data

TOLERANCE = 1e-6  # float32 against float64, before quantisation
SEVERITIES = (1, 2, 3, 4, 5)
CONSTANTS = {
    "gaussian_noise": {224: (0.08, 0.12, 0.18, 0.26, 0.38), 32: (0.04, 0.06, 0.08, 0.09, 0.10)},
    "shot_noise": {224: (60, 25, 12, 5, 3), 32: (500, 250, 100, 75, 50)},
    "impulse_noise": {224: (0.03, 0.06, 0.09, 0.17, 0.27), 32: (0.01, 0.02, 0.03, 0.05, 0.07)},
    "contrast": {224: (0.4, 0.3, 0.2, 0.1, 0.05), 32: (0.75, 0.5, 0.4, 0.3, 0.15)},
    "brightness": {224: (0.1, 0.2, 0.3, 0.4, 0.5), 32: (0.05, 0.1, 0.15, 0.2, 0.3)},
    "pixelate": {224: (0.6, 0.5, 0.4, 0.3, 0.25), 32: (0.95, 0.9, 0.85, 0.75, 0.65)},
}


# Each takes x, N x H x W x 3 float64, the severity's constant, and the draws by name in the same layout.
def gaussian_noise(x, c, draws):
    return x + c * draws["normal"]


def shot_noise(x, c, draws):
    # The number whose interval of the cumulative distribution holds the uniform; one distribution for each of 256 levels.
    counts = np.arange(2 * c + 200)
    levels = np.rint(x * 255).astype(int)
    out = np.empty_like(x)
    for level in np.unique(levels):
        here = levels == level
        out[here] = np.searchsorted(pdtr(counts, c * level / 255), draws["uniform"][here], side="right")
    return out / c


def impulse_noise(x, c, draws):
    return np.where(draws["flip"] <= c, np.where(draws["salt"] <= 0.5, 1.0, 0.0), x)


def contrast(x, c, _):
    mean = x.mean(axis=(1, 2), keepdims=True)
    return (x - mean) * c + mean


def brightness(x, c, _):
    """To hue, saturation and value, value + c, and back."""
    value, low = x.max(axis=-1), x.min(axis=-1)
    chroma = value - low
    saturation = np.divide(chroma, value, out=np.zeros_like(value), where=value > 0)
    part = np.divide(value[..., None] - x, chroma[..., None], out=np.zeros_like(x), where=chroma[..., None] > 0)
    red, green, blue = np.moveaxis(part, -1, 0)
    hue = np.where(x[..., 0] == value, blue - green, np.where(x[..., 1] == value, 2 + red - blue, 4 + green - red)) % 6
    value = np.clip(value + c, 0, 1)
    sector, rest = np.floor(hue).astype(int) % 6, hue - np.floor(hue)
    p, q, t = value * (1 - saturation), value * (1 - saturation * rest), value * (1 - saturation * (1 - rest))
    table = ((value, t, p), (q, value, p), (p, value, t), (p, q, value), (t, p, value), (value, p, q))
    return np.select([(sector == k)[..., None] for k in range(6)], [np.stack(row, axis=-1) for row in table])


def pixelate(x, c, _):
    bytes_ = np.rint(x * 255).astype(np.uint8)
    n, h, w, _ = x.shape
    small = (max(1, int(w * c)), max(1, int(h * c)))
    out = [
        np.asarray(Image.fromarray(image).resize(small, Image.Resampling.BOX).resize((w, h), Image.Resampling.BOX))
        for image in bytes_
    ]
    return np.stack(out) / 255.0


FORMULAE = {f.__name__: f for f in (gaussian_noise, shot_noise, impulse_noise, contrast, brightness, pixelate)}


@dataclass(frozen=True)
class Images:
    name: str
    source: str = field(hash=False)
    pixels: np.ndarray = field(hash=False)  # N x H x W x C uint8
    table: int


def data_sets(work: Path, subset: bool) -> list[Images]:
    random = np.random.default_rng(5)
    gray = np.moveaxis(fashion_mnist(32 if subset else 256)[0], 1, -1)
    photos = load_sample_images().images  # two photographs, 427 x 640 x 3
    large = np.stack([photo[y : y + 224, x : x + 224] for photo in photos for y, x in ((0, 0), (150, 300))])
    small = np.concatenate([photo[: 384, : 640].reshape(12, 32, 20, 32, 3).swapaxes(1, 2).reshape(-1, 32, 32, 3) for photo in photos])
    small = small[:: 8 if subset else 1].copy()
    # Extremes: black, white, primary colours, one gray a level, and noise over all levels.
    small[0], small[1], small[2], small[3] = 0, 255, (255, 0, 0), (1, 254, 128)
    small[4] = np.arange(1024).reshape(32, 32, 1) % 256
    small[5] = random.integers(0, 256, (32, 32, 3))
    odd = random.integers(0, 256, (8, 37, 48, 3), dtype=np.uint8)
    sets = [("32x32x3", small, 32), ("48x37x3", odd, 32), ("224x224x3", large[:2] if subset else large, 224)]
    found = [Images("28x28x1", "fashion_mnist", gray, 32)]
    for name, pixels, table in sets:
        folder = save_data(work / f"images-{name}", np.ascontiguousarray(pixels), np.zeros(len(pixels), np.int64))
        found.append(Images(name, f"npy:{folder}", pixels, table))
    return found


@cache
def corrupt(images: Images, name: str, severity: int, work: Path):
    """assay's floats and bytes, N x H x W x C, and its draws, N x H x W x 3 each."""
    out = work / f"corrupt-{images.name}-{name}-{severity}"
    run(ASSAY, "corrupt", images.source, name, "--severity", severity, "--table", images.table, "--limit", len(images.pixels),
        "--float", "--dump-draws", "--out", out)  # fmt: skip
    draws = {path.stem: np.moveaxis(np.load(path), 1, -1).astype(np.float64) for path in (out / "draws").glob("*.npy")}
    floats, levels = np.load(out / "float.npy"), np.load(out / "images.npy")
    if floats.shape != images.pixels.shape or floats.dtype != np.float32:
        raise RuntimeError(f"float.npy is {floats.dtype} {floats.shape}, expected float32 {images.pixels.shape}")
    if levels.shape != images.pixels.shape or levels.dtype != np.uint8:
        raise RuntimeError(f"images.npy is {levels.dtype} {levels.shape}, expected uint8 {images.pixels.shape}")
    return floats, levels, draws


def expected(images: Images, name: str, severity: int, draws: dict) -> np.ndarray:
    """The formula's result, clipped: N x H x W x 3."""
    x = np.broadcast_to(images.pixels, images.pixels.shape[:3] + (3,)) / 255.0
    return np.clip(FORMULAE[name](x, CONSTANTS[name][images.table][severity - 1], draws), 0, 1)


def over_severities(images: Images, name: str, work: Path, one) -> list[float]:
    return [one(severity, *corrupt(images, name, severity, work)) for severity in SEVERITIES]


def before_quantisation(images: Images, name: str, work: Path) -> Measured:
    def one(severity, floats, _, draws):
        reference = expected(images, name, severity, draws)
        if images.pixels.shape[-1] == 1:
            reference = (reference @ np.array([0.299, 0.587, 0.114]))[..., None]
        return float(np.abs(floats - reference).max())

    found = over_severities(images, name, work, one)
    return Measured(max(found), TOLERANCE, f"{len(images.pixels)} images, severities 1-5: " + " ".join(f"{v:.1e}" for v in found))


def after_quantisation(images: Images, name: str, work: Path) -> Measured:
    """Bytes that are not the truncated reference, leaving out values within the tolerance of a level's edge."""

    def one(severity, _, levels, draws):
        reference = expected(images, name, severity, draws)
        scaled = reference * 255
        exact = (reference == 0) | (reference == 1)
        unsure = ~exact & (np.abs(scaled - np.rint(scaled)) <= 255 * TOLERANCE)
        if name == "pixelate":  # bytes by nature
            scaled, unsure = np.rint(scaled), np.zeros_like(unsure)
        truncated = np.trunc(scaled).astype(np.uint8)
        if images.pixels.shape[-1] == 1:
            truncated = np.stack([np.asarray(Image.fromarray(image).convert("L")) for image in truncated])[..., None]
            unsure = unsure.any(axis=-1, keepdims=True)
        gap = np.abs(levels.astype(int) - truncated)
        return int(np.count_nonzero((gap > 0) & ~unsure) + np.count_nonzero(gap > 1))

    found = over_severities(images, name, work, one)
    return Measured(sum(found), 0, f"bytes that differ, severities 1-5: {found}")


def draws_are_random(images: Images, name: str, work: Path) -> Measured:
    """The replay above would pass with constant draws: their mean, spread and range, in standard errors."""

    def one(_, __, ___, draws):
        worst = 0.0
        for kind, values in draws.items():
            if kind == "normal":
                mean, spread = 0.0, 1.0
            else:
                mean, spread = 0.5, 12**-0.5
                if values.min() < 0 or values.max() >= 1:
                    raise RuntimeError(f"draw '{kind}' is outside [0, 1)")
            root = values.size**0.5
            kurtosis = {"normal": 3.0}.get(kind, 1.8)
            worst = max(worst, abs(values.mean() - mean) / spread * root,
                        abs(values.var() / spread**2 - 1) * root / (kurtosis - 1) ** 0.5)  # fmt: skip
        if not draws:
            raise RuntimeError("no draws were dumped")
        return float(worst)

    # 5 standard errors: the seed is fixed, so this cannot fail by chance on another day.
    return Measured(max(over_severities(images, name, work, one)), 5.0, "worst mean or variance, in standard errors")


def checks(work: Path, subset: bool) -> list[Check]:
    found = []
    for images in data_sets(work, subset):
        for name in FORMULAE:
            title = f"{name} {images.name}"
            found.append(Check(f"{title} before quantisation", lambda i=images, n=name: before_quantisation(i, n, work)))
            found.append(Check(f"{title} bytes", lambda i=images, n=name: after_quantisation(i, n, work)))
            if images.name == "32x32x3" and name.endswith("_noise"):
                found.append(Check(f"{title} draws", lambda i=images, n=name: draws_are_random(i, n, work)))
    found.append(expect_covered("corruption", registered("corruption"), set(FORMULAE)))
    return found
