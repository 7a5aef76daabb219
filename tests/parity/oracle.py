#!/usr/bin/env python3
"""ImageNet-C's corruptions as their libraries compute them, given what assay drew. Runs in .venv-oracle.

Each function takes an image, H x W x 3 bytes, the severity's constants and the draws of that image by name, and returns what
the benchmark's code would turn into bytes by numpy.uint8: H x W x 3 in [0, 255]. Where that code asks its random numbers,
the draws stand; where it asks a library, so does this, with the same types and in the same order. So nothing here is fast,
and nothing shares a line with assay. Motion blur alone is our own definition: the benchmark's is that of whichever
ImageMagick was installed.

As a program it answers requests, a line of JSON each, on its standard streams (corruptions.py starts it).
"""
import json
import os
import sys
from io import BytesIO
from pathlib import Path

import cv2
import imagecorruptions
import numpy as np
from PIL import Image
from scipy.ndimage import map_coordinates, zoom
from scipy.special import pdtr
from skimage.color import hsv2rgb, rgb2hsv
from skimage.filters import gaussian

from imagenet_c import CONSTANTS, FROST_SCALE, PACKAGE, constants, fog_side

TEXTURES = Path(imagecorruptions.__file__).parent / "frost"
Draws = dict[str, np.ndarray]


def unit(image: np.ndarray) -> np.ndarray:
    return image / 255.0


def to_bytes(x: np.ndarray) -> np.ndarray:
    return np.clip(x, 0, 1) * 255


def planes_last(draw: np.ndarray) -> np.ndarray:
    return np.moveaxis(draw, 0, -1).astype(np.float64)


def gaussian_noise(image, c, draws, table):
    return to_bytes(unit(image) + c * planes_last(draws["normal"]))


def speckle_noise(image, c, draws, table):
    x = unit(image)
    return to_bytes(x + x * (c * planes_last(draws["normal"])))


def shot_noise(image, c, draws, table):
    # A Poisson number is the one whose interval of the cumulative distribution holds the uniform.
    counts, uniform = np.arange(2 * c + 200), planes_last(draws["uniform"])
    numbers = np.empty(image.shape)
    for level in np.unique(image):
        here = image == level
        numbers[here] = np.searchsorted(pdtr(counts, level / 255.0 * c), uniform[here], side="right")
    return to_bytes(numbers / c)


def impulse_noise(image, c, draws, table):
    out = unit(image)
    flipped, salted = planes_last(draws["flip"]) <= c, planes_last(draws["salt"]) <= 0.5
    out[flipped & salted] = 1
    out[flipped & ~salted] = 0
    return to_bytes(out)


def blur(x, sigma):
    return gaussian(x, sigma=sigma, channel_axis=-1)


def gaussian_blur(image, c, draws, table):
    return to_bytes(blur(unit(image), c))


def disk(radius, sigma):
    reach, side = (8, 3) if radius <= 8 else (radius, 5)
    line = np.arange(-reach, reach + 1)
    inside = (line[:, None] ** 2 + line**2 <= radius**2).astype(np.float32)
    inside /= np.sum(inside)
    return cv2.GaussianBlur(inside, ksize=(side, side), sigmaX=sigma)


def defocus_blur(image, c, draws, table):
    x, kernel = unit(image), disk(*c)
    return to_bytes(np.stack([cv2.filter2D(np.ascontiguousarray(x[..., k]), -1, kernel) for k in range(3)], axis=-1))


def copied(pixels, reach, offsets):
    """The benchmark's loop over offsets, iterations x H x W x (dx, dy), on any list of a pixel's value each, row by row.

    It means to swap two pixels, but NumPy's rows are views: what it does is to copy, one way.
    """
    _, h, w, _ = offsets.shape
    sources = np.arange(h * w).reshape(h, w) + offsets[..., 1].astype(int) * w + offsets[..., 0].astype(int)
    for source in sources:
        at = source.reshape(-1).tolist()
        for y in range(h - reach, reach, -1):
            for i in range(y * w + w - reach, y * w + reach, -1):
                pixels[i] = pixels[at[i]]
    return pixels


def glass_blur(image, c, draws, table):
    sigma, reach, _ = c
    x = np.uint8(blur(unit(image), sigma) * 255)
    moved = copied(list(range(x.shape[0] * x.shape[1])), reach, draws["offset"])
    x = x.reshape(-1, 3)[moved].reshape(x.shape)
    return to_bytes(blur(x / 255.0, sigma))


def along(levels, radius, sigma, angle):
    """Motion blur of bytes, H x W or H x W x 3: a one-sided normal kernel, pixels of the line at their nearest places."""
    h, w = levels.shape[:2]
    steps = np.arange(2 * radius + 1)
    weights = np.exp(-(steps**2) / (2 * sigma**2))
    weights /= weights.sum()
    turn = np.deg2rad(float(angle))
    down, right = np.ceil(steps * np.sin(turn) - 0.5).astype(int), np.ceil(steps * np.cos(turn) - 0.5).astype(int)
    total = np.zeros(levels.shape)
    for weight, dy, dx in zip(weights, down, right, strict=True):
        rows, columns = np.clip(np.arange(h) + dy, 0, h - 1), np.clip(np.arange(w) + dx, 0, w - 1)
        total += weight * levels[rows[:, None], columns]
    return np.floor(total + 0.5)


def motion_blur(image, c, draws, table):
    return along(image, *c, draws["angle"][0])


def clipped_zoom(x, factor):
    h, w = x.shape[:2]
    rows, columns = int(np.ceil(h / factor)), int(np.ceil(w / factor))
    top, left = (h - rows) // 2, (w - columns) // 2
    x = zoom(x[top : top + rows, left : left + columns], (factor, factor, 1), order=1)
    top, left = (x.shape[0] - h) // 2, (x.shape[1] - w) // 2
    return x[top : top + h, left : left + w]


def zoom_blur(image, c, draws, table):
    factors = np.arange(1, *c)
    x = unit(image).astype(np.float32)
    out = np.zeros_like(x)
    for factor in factors:
        out += clipped_zoom(x, factor)
    return to_bytes((x + out) / (len(factors) + 1))


def snow(image, c, draws, table):
    loc, scale, factor, threshold, radius, sigma, keep = c
    x = np.array(image, dtype=np.float32) / 255.0
    layer = loc + scale * draws["normal"].astype(np.float64)
    layer = clipped_zoom(layer[..., np.newaxis], factor)
    layer[layer < threshold] = 0
    flakes = (np.clip(layer[..., 0], 0, 1) * 255).astype(np.uint8)
    flakes = (along(flakes, radius, sigma, draws["angle"][0]) / 255.0)[..., np.newaxis]
    gray = cv2.cvtColor(x, cv2.COLOR_RGB2GRAY)[..., np.newaxis]
    x = keep * x + (1 - keep) * np.maximum(x, gray * 1.5 + 0.5)
    return to_bytes(x + flakes + np.rot90(flakes, k=2))


TEXTURE_NAMES = ("frost1.png", "frost2.png", "frost3.png", "frost4.jpg", "frost5.jpg")


def frost(image, c, draws, table):
    texture, top, left = draws["crop"].astype(int)
    ice = cv2.imread(str(TEXTURES / TEXTURE_NAMES[texture]))
    if table != 224:
        ice = cv2.resize(ice, (0, 0), fx=FROST_SCALE[table], fy=FROST_SCALE[table])
    ice = ice[top : top + image.shape[0], left : left + image.shape[1]][..., [2, 1, 0]]
    return np.clip(c[0] * image + c[1] * ice, 0, 255)


def frost_proc(image, c, draws, table):
    h, w = image.shape[:2]
    ridge = 1 - np.abs(2 * plasma(draws["uniform"], 1.6)[:h, :w] - 1)
    ice = (60 + 180 * ridge**2)[..., np.newaxis] * np.array([0.85, 0.95, 1])
    return np.clip(c[0] * image + c[1] * ice, 0, 255)


def plasma(uniform, decay):
    """A height map in [0, 1] by midpoints of squares and diamonds, on a torus.

    A point's shift is uniform(-wibble, wibble) times wibble: its amplitude is the square of what was meant.
    """
    side = uniform.shape[0]
    shift = 2 * uniform.astype(np.float64) - 1
    heights = np.empty((side, side))
    heights[0, 0] = 0
    step, wibble = side, 100.0
    while step >= 2:
        half = step // 2
        corner, middle = slice(0, side, step), slice(half, side, step)

        def midpoint(total, rows, columns, wibble=wibble):
            heights[rows, columns] = total / 4 + wibble * (shift[rows, columns] * wibble)

        corners = heights[corner, corner]
        pairs = corners + np.roll(corners, shift=-1, axis=0)
        midpoint(pairs + np.roll(pairs, shift=-1, axis=1), middle, middle)
        centres, corners = heights[middle, middle], heights[corner, corner]
        midpoint(centres + np.roll(centres, 1, axis=0) + (corners + np.roll(corners, -1, axis=1)), corner, middle)
        midpoint(centres + np.roll(centres, 1, axis=1) + (corners + np.roll(corners, -1, axis=0)), middle, corner)
        step //= 2
        wibble /= decay
    heights -= heights.min()
    return heights / heights.max()


def fog(image, c, draws, table):
    h, w = image.shape[:2]
    if draws["uniform"].shape != (fog_side(h, w, table),) * 2:
        raise ValueError(f"a plasma of {draws['uniform'].shape} for an image of {h} x {w}")
    x = unit(image)
    most = x.max()
    x += c[0] * plasma(draws["uniform"], c[1])[:h, :w, np.newaxis]
    return to_bytes(x * most / (most + c[0]))


def in_hsv(image, channel, change):
    x = rgb2hsv(unit(image))
    x[..., channel] = np.clip(change(x[..., channel]), 0, 1)
    return to_bytes(hsv2rgb(x))


def brightness(image, c, draws, table):
    return in_hsv(image, 2, lambda value: value + c)


def saturate(image, c, draws, table):
    return in_hsv(image, 1, lambda saturation: saturation * c[0] + c[1])


def contrast(image, c, draws, table):
    x = unit(image)
    means = np.mean(x, axis=(0, 1), keepdims=True)
    return to_bytes((x - means) * c + means)


def elastic_transform(image, c, draws, table):
    alpha, sigma, _ = c
    x = np.array(image, dtype=np.float32) / 255.0
    h, w = x.shape[:2]
    # (rows, columns), as the benchmark has it, though OpenCV reads (x, y): an image that is not square turns about another point.
    centre, reach = np.float32((h, w)) // 2, min(h, w) // 3
    before = np.float32([centre + reach, [centre[0] + reach, centre[1] - reach], centre - reach])
    affine = cv2.getAffineTransform(before, before + draws["corner"].astype(np.float32))
    x = cv2.warpAffine(x, affine, (w, h), borderMode=cv2.BORDER_REFLECT_101)

    def displacement(name):
        smooth = gaussian(draws[name].astype(np.float64), sigma, mode="reflect", truncate=3)
        return (smooth * alpha).astype(np.float32)[..., np.newaxis]

    columns, rows, channels = np.meshgrid(np.arange(w), np.arange(h), np.arange(3))
    places = [rows + displacement("dy"), columns + displacement("dx"), channels]
    moved = map_coordinates(x, [place.reshape(-1, 1) for place in places], order=1, mode="reflect")
    return to_bytes(moved.reshape(x.shape))


def pixelate(image, c, draws, table):
    h, w = image.shape[:2]
    small = (max(1, int(w * c)), max(1, int(h * c)))
    return np.asarray(Image.fromarray(image).resize(small, Image.BOX).resize((w, h), Image.BOX)).astype(np.float64)


def as_jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    file = BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def jpeg_compression(image, c, draws, table):
    return as_jpeg(image, c).astype(np.float64)


def spatter(image, c, draws, table):
    loc, scale, sigma, threshold, strength, mud = c
    x = np.array(image, dtype=np.float32) / 255.0
    liquid = gaussian(loc + scale * draws["normal"].astype(np.float64), sigma=sigma)
    liquid[liquid < threshold] = 0
    if mud:
        cover = gaussian(np.where(liquid > threshold, 1, 0).astype(np.float32), sigma=strength)
        cover[cover < 0.8] = 0
        cover = cover[..., np.newaxis]
        return to_bytes(x * (1 - cover) + (np.array([63, 42, 20]) / 255.0).astype(np.float32) * cover)
    liquid = (liquid * 255).astype(np.uint8)
    distance = cv2.distanceTransform(255 - cv2.Canny(liquid, 50, 150), cv2.DIST_L2, 5)
    distance = cv2.threshold(distance, 20, 20, cv2.THRESH_TRUNC)[1]
    distance = cv2.equalizeHist(cv2.blur(distance, (3, 3)).astype(np.uint8))
    relief = cv2.filter2D(distance, cv2.CV_8U, np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]]))
    cover = liquid * cv2.blur(relief, (3, 3)).astype(np.float32)
    most = cover.max()
    if most == 0:  # the benchmark divides 0 by 0 here
        return to_bytes(x)
    cover = (cover / most * np.float32(strength))[..., np.newaxis]
    return to_bytes(x + cover * (np.array([175, 238, 238]) / 255.0).astype(np.float32))


FUNCTIONS = {
    f.__name__: f
    for f in (gaussian_noise, shot_noise, impulse_noise, defocus_blur, glass_blur, motion_blur, zoom_blur, snow, frost, frost_proc, fog,
              brightness, contrast, elastic_transform, pixelate, jpeg_compression, speckle_noise, gaussian_blur, spatter, saturate)
}  # fmt: skip
assert set(FUNCTIONS) == set(CONSTANTS)


def corrupted(image: np.ndarray, name: str, severity: int, table: int | str, draws: Draws) -> tuple[np.ndarray, np.ndarray]:
    """Of H x W x 1 or 3 bytes: reals in [0, 1] before quantisation, and bytes, of the same shape."""
    from peer_corruptions import packaged  # which imports this module

    c = constants(name, table)[severity - 1]

    def of_colour(pixels: np.ndarray) -> np.ndarray:
        if table == PACKAGE:
            return packaged(pixels, name, severity, draws)
        return FUNCTIONS[name](pixels, c, draws, table).astype(np.float64)

    if image.shape[-1] == 3:
        real = of_colour(image)
        return real / 255.0, np.uint8(real)
    if name == "jpeg_compression" and table != PACKAGE:  # an image of mode L is compressed as one
        levels = as_jpeg(image[..., 0], c)[..., np.newaxis]
        return levels / 255.0, levels
    real = of_colour(np.repeat(image, 3, axis=-1))
    levels = np.asarray(Image.fromarray(np.uint8(real)).convert("L"))[..., np.newaxis]
    return (real / 255.0 @ np.array([0.299, 0.587, 0.114]))[..., np.newaxis], levels


# Answers to requests. Arrays pass as files beside what assay wrote.
def reference(folder: str, images: str, name: str, severity: int, table: int | str, count: int) -> None:
    """For the draws in folder/draws: folder/reference.npy and folder/reference_bytes.npy, of the first `count` images."""
    out, pixels = Path(folder), np.load(images)[:count]
    draws = {path.stem: np.load(path) for path in (out / "draws").glob("*.npy")}
    real, levels = np.empty(pixels.shape), np.empty_like(pixels)
    for i, image in enumerate(pixels):
        real[i], levels[i] = corrupted(image, name, severity, table, {kind: values[i] for kind, values in draws.items()})
    np.save(out / "reference.npy", real)
    np.save(out / "reference_bytes.npy", levels)


def main() -> None:
    from peer_corruptions import against_formula, against_peer  # which imports this module

    answers = {f.__name__: f for f in (reference, against_formula, against_peer)}
    # Libraries print to stdout at times: answers go to a stream of their own.
    stream = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = {"value": answers[request.pop("do")](**request)}
        except Exception as error:  # the check that asked fails with it
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=stream, flush=True)


cv2.setNumThreads(1)
if __name__ == "__main__":
    main()
