"""Writes pillow.txt: what Pillow's integer arithmetic gives for images of a fixed generator, as SHA-256 of the bytes.

    python3 -m venv venv && venv/bin/pip install pillow==13.0.0 && venv/bin/python tests/golden/pillow.py

Lines: `pixelate HxWxC TABLE SEVERITY SHA256` (imagecorruptions, whose scales are those of 224, enlarges by NEAREST), `jpeg HxWxC TABLE SEVERITY SHA256` and, at the quality of ImageNet-C's
files, `stored HxWxC SHA256`, bytes in C x H x W order; `luma
SHA256` of convert("L") over a grid of colours, red slowest; and `resample HxW RESIZE CROP HxW SHA256`, the size and the
bytes, H x W x 3, after torchvision's Resize(int) and CenterCrop(int), 0 being neither.
"""
import hashlib
import io
from itertools import product
from pathlib import Path

import PIL
from PIL import Image

SCALES = {"32": (0.95, 0.9, 0.85, 0.75, 0.65), "64": (0.9, 0.8, 0.7, 0.6, 0.5), "224": (0.6, 0.5, 0.4, 0.3, 0.25)}
QUALITIES = {"32": (80, 65, 58, 50, 40), "64": (65, 58, 50, 40, 25), "224": (25, 18, 15, 10, 7)}
JPEG_SHAPES = ((1, 1, 3), (3, 5, 3), (7, 16, 3), (16, 9, 1), (28, 28, 1), (32, 32, 3), (31, 45, 3), (50, 33, 3), (224, 224, 3))
SHAPES = ((28, 28, 1), (32, 32, 3), (31, 45, 3), (224, 224, 3))  # H, W, C
PACKAGE = "imagecorruptions-1.1.2"
PACKAGE_SHAPES = ((32, 32, 3), (42, 57, 3), (224, 224, 3))  # in the middle one BOX and NEAREST differ
# H, W, the shorter side after resizing, side of the crop.
RESAMPLED = (
    (40, 60, 20, 0), (60, 40, 20, 0), (37, 53, 16, 0), (53, 37, 16, 15), (53, 38, 16, 16), (37, 54, 17, 16), (20, 30, 20, 17),
    (30, 20, 20, 17), (20, 20, 41, 0), (9, 31, 20, 20), (31, 9, 64, 61), (1, 1, 5, 3), (1, 50, 3, 3), (200, 301, 7, 7),
    (120, 160, 8, 0), (24, 31, 0, 8), (25, 32, 0, 7), (26, 33, 0, 7), (27, 34, 0, 8), (10, 13, 0, 16), (12, 33, 0, 17), (33, 12, 8, 17),
    (7, 5, 0, 0), (86, 42, 38, 0), (60, 28, 26, 26), (90, 45, 30, 0), (91, 45, 30, 20), (300, 2, 1, 0), (77, 25, 80, 0), (3, 1, 2, 2),
    (9, 4, 4, 3),
)  # fmt: skip


def noise(count: int, seed: int) -> bytes:
    """Knuth's MMIX generator, as in tests/data/mutate.hpp."""
    out, state = bytearray(), seed
    for _ in range(count):
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        out.append((state >> 33) % 256)
    return bytes(out)


def pixelate(plane: bytes, h: int, w: int, scale: float, back: Image.Resampling) -> bytes:
    # Pillow resamples the channels of an image apart, so that each may be an image of its own.
    image = Image.frombytes("L", (w, h), plane)
    return image.resize((int(w * scale), int(h * scale)), Image.Resampling.BOX).resize((w, h), back).tobytes()


def jpeg(planes: bytes, h: int, w: int, c: int, quality: int) -> bytes:
    image = Image.merge("RGB", [Image.frombytes("L", (w, h), planes[k * h * w : (k + 1) * h * w]) for k in range(3)]) if c == 3 else (
        Image.frombytes("L", (w, h), planes))  # fmt: skip
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return b"".join(channel.tobytes() for channel in Image.open(file).split())


def resample(image: Image.Image, shorter: int, crop: int) -> Image.Image:
    """torchvision.transforms.functional's _compute_resized_output_size, resize, center_crop, as of 0.26."""
    w, h = image.size
    if shorter:
        long = int(shorter * max(w, h) / min(w, h))
        image = image.resize((shorter, long) if w <= h else (long, shorter), Image.Resampling.BILINEAR)
        w, h = image.size
    if crop:
        if crop > w or crop > h:
            left, top = max(crop - w, 0) // 2, max(crop - h, 0) // 2
            padded = Image.new("RGB", (max(w, crop), max(h, crop)))
            padded.paste(image, (left, top))
            image, (w, h) = padded, padded.size
        left, top = int(round((w - crop) / 2.0)), int(round((h - crop) / 2.0))
        image = image.crop((left, top, left + crop, top + crop))
    return image


def lines():
    yield f"# Pillow {PIL.__version__}"
    benchmarks = [(shape, table, scales, Image.Resampling.BOX) for shape in SHAPES for table, scales in SCALES.items()]
    package = [(shape, PACKAGE, SCALES["224"], Image.Resampling.NEAREST) for shape in PACKAGE_SHAPES]
    for (h, w, c), table, scales, back in benchmarks + package:
        planes = noise(c * h * w, seed=1)
        for severity, scale in enumerate(scales, start=1):
            out = b"".join(pixelate(planes[k * h * w : (k + 1) * h * w], h, w, scale, back) for k in range(c))
            yield f"pixelate {h}x{w}x{c} {table} {severity} {hashlib.sha256(out).hexdigest()}"
    for h, w, c in JPEG_SHAPES:
        for (table, qualities) in QUALITIES.items():
            for severity, quality in enumerate(qualities, start=1):
                out = jpeg(noise(c * h * w, seed=1), h, w, c, quality)
                yield f"jpeg {h}x{w}x{c} {table} {severity} {hashlib.sha256(out).hexdigest()}"
    for h, w, c in JPEG_SHAPES:
        yield f"stored {h}x{w}x{c} {hashlib.sha256(jpeg(noise(c * h * w, seed=1), h, w, c, 85)).hexdigest()}"
    grid = range(0, 256, 5)
    colours = Image.frombytes("RGB", (len(grid) ** 3, 1), bytes(v for rgb in product(grid, repeat=3) for v in rgb))
    yield f"luma {hashlib.sha256(colours.convert('L').tobytes()).hexdigest()}"
    for h, w, shorter, crop in RESAMPLED:
        out = resample(Image.frombytes("RGB", (w, h), noise(3 * h * w, seed=1)), shorter, crop)
        digest = hashlib.sha256(out.tobytes()).hexdigest()
        yield f"resample {h}x{w} {shorter} {crop} {out.height}x{out.width} {digest}"


if __name__ == "__main__":
    Path(__file__).with_suffix(".txt").write_text("\n".join(lines()) + "\n")
