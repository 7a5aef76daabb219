"""The oracle beside imagecorruptions 1.1.2, ImageNet-C's code as people install it, on the same random numbers. In .venv-oracle.

imagecorruptions leaves ImageNet-C in places: there it is led back by replacing one of its helpers, as the benchmark's code has
it, and the rest of its function is compared. What it has another way altogether is compared with a second way to compute it.
For the table of its name it is the oracle itself, and nothing of it is replaced.
"""
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from unittest import mock

import cv2
import numpy as np
import skimage.filters
from imagecorruptions import corruptions as peer
from PIL import Image
from scipy.special import pdtr
from scipy.stats import poisson

import oracle
from imagenet_c import CONSTANTS, FROST_SHAPES, SEVERITIES, fog_side
from photos import edges, photographs


def gaussian(x, sigma, multichannel=False, **rest):
    """scikit-image's, by a name of a parameter that it has no more: without it the peer does not run."""
    return skimage.filters.gaussian(x, sigma=sigma, channel_axis=-1 if multichannel else None, **rest)


peer.gaussian = gaussian


class Fed:
    """numpy.random for the peer: hands out what the oracle gets as draws, in the order in which the peer asks."""

    def __init__(self, values: Iterator[np.ndarray | float]):
        self.values = values

    def normal(self, loc=0.0, scale=1.0, size=None):
        return loc + scale * np.reshape(next(self.values), size)

    def uniform(self, low, high, size=None):
        return np.reshape(next(self.values), size or ()) * (high - low) + low

    def randint(self, low, high=None, size=None):
        return np.reshape(next(self.values), size or ())

    def poisson(self, lam):
        uniform, counts, numbers = next(self.values), np.arange(400), np.empty(lam.shape)
        for one in np.unique(lam):  # the number whose interval of the cumulative distribution holds the uniform
            numbers[lam == one] = np.searchsorted(pdtr(counts, one), uniform[lam == one], side="right")
        return numbers

    def default_rng(self, *_):
        return self

    def random(self, size):
        return np.reshape(next(self.values), size)


def plasma_order(draw: np.ndarray) -> Iterator[np.ndarray]:
    step = draw.shape[0]
    while step >= 2:
        corner, middle = slice(0, None, step), slice(step // 2, None, step)
        yield from (draw[middle, middle], draw[corner, middle], draw[middle, corner])
        step //= 2


def glass_order(offset: np.ndarray, reach: int) -> Iterator[np.ndarray]:
    for one in offset:
        for y in range(one.shape[0] - reach, reach, -1):
            for x in range(one.shape[1] - reach, reach, -1):
                yield one[y, x].astype(int)


def draws_and_feed(name: str, severity: int, shape: tuple[int, int, int], random: np.random.Generator):
    """Draws for the oracle, and the same values as the peer asks for them."""
    h, w, _ = shape
    c = CONSTANTS[name][224][severity - 1]
    if name in ("gaussian_noise", "speckle_noise"):
        normal = random.standard_normal(shape)
        return {"normal": np.moveaxis(normal, -1, 0)}, [normal]
    if name == "glass_blur":
        offset = random.integers(-c[1], c[1], (c[2], h, w, 2))
        return {"offset": offset}, glass_order(offset, c[1])
    if name == "motion_blur":
        angle = random.random()
        return {"angle": np.array([angle * 90 - 45])}, [angle]
    if name == "snow":
        normal, angle = random.standard_normal((h, w)), random.random()
        return {"normal": normal, "angle": np.array([angle * 90 - 135])}, [normal, angle]
    if name == "fog":
        uniform = random.random((fog_side(h, w, 32),) * 2)
        return {"uniform": uniform}, plasma_order(uniform)
    if name == "frost":
        texture = int(random.integers(5))
        top, left = (int(random.integers(room - side)) for room, side in zip(FROST_SHAPES[texture], (h, w), strict=True))
        crop = (texture, top, left)
        return {"crop": np.array(crop)}, crop
    if name == "spatter":
        normal = random.standard_normal((h, w))
        return {"normal": normal}, [normal]
    return {}, []


def drawn(name: str, severity: int, draws: oracle.Draws) -> Iterator[np.ndarray | float]:
    """What assay drew for an image, as Fed takes it."""
    given = {kind: values.astype(np.float64) for kind, values in draws.items()}
    if name == "glass_blur":
        return glass_order(given["offset"], CONSTANTS[name][224][severity - 1][1])
    if name == "fog":
        return plasma_order(given["uniform"])
    if name == "frost":
        return iter(given["crop"].astype(int))
    if name == "motion_blur":
        return iter([(given["angle"][0] + 45) / 90])
    if name == "snow":
        return iter([given["normal"], (given["angle"][0] + 135) / 90])
    if name == "elastic_transform":
        return iter([(given[kind] + 1) / 2 for kind in ("dx", "dy")])
    if name == "spatter":
        return iter([given["normal"]])
    kinds = [kind for kind in ("normal", "uniform", "flip", "salt") if kind in given]
    return iter([np.moveaxis(given[kind], 0, -1) for kind in kinds])


def packaged(image: np.ndarray, name: str, severity: int, draws: oracle.Draws) -> np.ndarray:
    """What the package as it is turns into bytes, of H x W x 3 of them."""
    with mock.patch.object(np, "random", Fed(drawn(name, severity, draws))):
        real = np.asarray(getattr(peer, name)(Image.fromarray(image), severity), dtype=np.float64)
    return np.where(np.isnan(real), image, real)  # spatter without any drops divides 0 by 0


def blurred_flakes(layer, radius, sigma, angle):
    return oracle.along((layer * 255).astype(np.uint8), radius, sigma, angle) / 255.0


# Helpers that the peer has otherwise than ImageNet-C: where zooms are trimmed, and what is rounded before the motion.
LED_BACK: dict[str, dict[str, Callable]] = {
    "zoom_blur": {"clipped_zoom": oracle.clipped_zoom},
    "snow": {"clipped_zoom": oracle.clipped_zoom, "_motion_blur": blurred_flakes},
}

@contextmanager
def led_back(name: str):
    with ExitStack() as stack:
        for helper, ours in LED_BACK.get(name, {}).items():
            stack.enter_context(mock.patch.object(peer, helper, ours))
        if name == "frost":  # it enlarges the textures by 1.1
            stack.enter_context(mock.patch.object(cv2, "resize", lambda image, **_: image))
        if name == "pixelate":  # it enlarges the small image by its nearest pixels
            stack.enter_context(mock.patch.object(Image, "NEAREST", Image.BOX))
        yield


def test_images() -> Iterator[np.ndarray]:
    for photo in photographs()[:3]:
        yield np.ascontiguousarray(photo[100:164, 120:184])
        yield np.ascontiguousarray(photo[30:83, 40:113])
    yield from edges(64, 64)


def by_seed(name: str, image: np.ndarray, severity: int, seed: int) -> tuple[oracle.Draws, np.ndarray]:
    """Impulse noise takes a generator of scikit-image's own: two arrays of uniforms."""
    fresh = np.random.default_rng
    with mock.patch.object(np.random, "default_rng", lambda *_: fresh(seed)):
        result = getattr(peer, name)(Image.fromarray(image), severity)
    random = fresh(seed)
    return {kind: np.moveaxis(random.random(image.shape), -1, 0) for kind in ("flip", "salt")}, result


def against_peer(name: str) -> float:
    """The largest difference, in levels, over severities and images; constants of 224 throughout, the peer has no others."""
    worst, random = 0.0, np.random.default_rng(7)
    for severity in SEVERITIES:
        for seed, image in enumerate(test_images()):
            square = image.shape[0] == image.shape[1]
            if (name == "glass_blur" and seed > 2) or (name == "zoom_blur" and not square):
                continue  # the peer's loop takes seconds, and the benchmark's images were square
            if name == "impulse_noise":
                draws, theirs = by_seed(name, image, severity, seed)
            else:
                draws, feed = draws_and_feed(name, severity, image.shape, random)
                with led_back(name), mock.patch.object(np, "random", Fed(iter(feed))):
                    theirs = getattr(peer, name)(Image.fromarray(image), severity)
            theirs = np.asarray(theirs, dtype=np.float64)
            c = CONSTANTS[name][224][severity - 1]
            # Under the name of 32 the fog's map is no larger than the image needs, as the peer's; frost is as large as it is.
            ours = oracle.FUNCTIONS[name](image, c, draws, 224 if name == "frost" else 32).astype(np.float64)
            if name == "motion_blur":
                theirs = np.floor(theirs + 0.5)
            worst = max(worst, float(np.abs(ours - theirs).max()))
    return worst


def reflected(index: np.ndarray, n: int, again: int) -> np.ndarray:
    """Mirrored at both ends, with the last pixel again (1) or without (0)."""
    period = 2 * (n - 1 + again)
    index = index % period
    return np.where(index < n, index, period - again - index)


def warped(x: np.ndarray, m: np.ndarray) -> np.ndarray:
    """OpenCV's warpAffine of float32 in the open: places in steps of 1/32 pixel, by fixed-point sums."""
    h, w = x.shape[:2]
    scale = 1 / (m[0, 0] * m[1, 1] - m[0, 1] * m[1, 0])
    inverse = np.array([[m[1, 1], -m[0, 1]], [-m[1, 0], m[0, 0]]]) * scale
    shift = -inverse[:, 0] * m[0, 2] - inverse[:, 1] * m[1, 2]

    def place(k):
        along_row = np.rint(inverse[k, 0] * np.arange(w) * 1024).astype(int)
        down = np.rint((inverse[k, 1] * np.arange(h) + shift[k]) * 1024).astype(int)
        steps = (down[:, None] + 16 + along_row) >> 5
        return steps >> 5, ((steps & 31) / np.float32(32)).astype(np.float32)[..., None]

    (left, fx), (top, fy) = place(0), place(1)

    def at(dy, dx):
        return x[reflected(top + dy, h, 0), reflected(left + dx, w, 0)]

    upper = at(0, 0) * ((1 - fy) * (1 - fx)) + at(0, 1) * ((1 - fy) * fx)
    return upper + at(1, 0) * (fy * (1 - fx)) + at(1, 1) * (fy * fx)


def smooth(x: np.ndarray, sigma: float) -> np.ndarray:
    if sigma == 0:
        return x
    reach = int(3 * sigma + 0.5)
    taps = np.exp(-0.5 / sigma**2 * np.arange(-reach, reach + 1) ** 2)
    taps /= taps.sum()
    for _ in range(2):  # each axis in turn
        lines = x[reflected(np.arange(-reach, x.shape[0] + reach), x.shape[0], 1)]
        x = np.stack([np.convolve(line, taps, "valid") for line in lines.T])
    return x


def elastic_by_hand(image, c, draws):
    alpha, sigma, _ = c
    x = np.array(image, dtype=np.float32) / 255.0
    h, w = x.shape[:2]
    q, centre = min(h, w) // 3, (h // 2, w // 2)
    before = np.array([[centre[0] + a * q, centre[1] + b * q, 1] for a, b in ((1, 1), (1, -1), (-1, -1))], dtype=np.float64)
    after = (before[:, :2].astype(np.float32) + draws["corner"].astype(np.float32)).astype(np.float64)
    x = warped(x, np.linalg.solve(before, after).T)
    y, left = np.mgrid[:h, :w].astype(np.float64)
    y = y + (smooth(draws["dy"].astype(np.float64), sigma) * alpha).astype(np.float32)
    left = left + (smooth(draws["dx"].astype(np.float64), sigma) * alpha).astype(np.float32)
    top, first = np.floor(y).astype(int), np.floor(left).astype(int)
    fy, fx = (y - top)[..., None], (left - first)[..., None]

    def at(dy, dx):
        return x[reflected(top + dy, h, 1), reflected(first + dx, w, 1)].astype(np.float64)

    return 255 * ((at(0, 0) * (1 - fx) + at(0, 1) * fx) * (1 - fy) + (at(1, 0) * (1 - fx) + at(1, 1) * fx) * fy)


def shot_by_quantile(image, c, draws):
    uniform = np.moveaxis(draws["uniform"].astype(np.float64), 0, -1)
    return np.clip(poisson.ppf(uniform, image / 255.0 * c) / c, 0, 1) * 255


FORMULAE = {"elastic_transform": elastic_by_hand, "shot_noise": shot_by_quantile}


def against_formula(name: str) -> float:
    """As against_peer, for what no package computes: beside a second way to compute it, at every table."""
    worst, random = 0.0, np.random.default_rng(7)
    for table, constants in CONSTANTS[name].items():
        for c in constants:
            for count, image in enumerate(test_images()):
                if name == "shot_noise" and count > 2:
                    break  # SciPy's quantiles take long
                h, w, _ = image.shape
                draws = {
                    "uniform": random.random((3, h, w), np.float32),
                    "dx": random.uniform(-1, 1, (h, w)).astype(np.float32),
                    "dy": random.uniform(-1, 1, (h, w)).astype(np.float32),
                }
                if name == "elastic_transform":
                    draws["corner"] = random.uniform(-c[2], c[2], (3, 2)).astype(np.float32)
                ours = oracle.FUNCTIONS[name](image, c, draws, table).astype(np.float64)
                worst = max(worst, float(np.abs(ours - FORMULAE[name](image, c, draws)).max()))
    return worst
