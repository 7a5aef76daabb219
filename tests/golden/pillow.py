"""Writes pillow.txt: what Pillow's integer arithmetic gives for images of a fixed generator, as SHA-256 of the bytes.

    python3 -m venv venv && venv/bin/pip install pillow==13.0.0 && venv/bin/python tests/golden/pillow.py

Lines: `pixelate HxWxC TABLE SEVERITY SHA256` and `jpeg HxWxC TABLE SEVERITY SHA256`, bytes in C x H x W order; and
`luma SHA256` of convert("L") over a grid of colours, red slowest.
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


def noise(count: int, seed: int) -> bytes:
    """Knuth's MMIX generator, as in tests/data/mutate.hpp."""
    out, state = bytearray(), seed
    for _ in range(count):
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        out.append((state >> 33) % 256)
    return bytes(out)


def pixelate(plane: bytes, h: int, w: int, scale: float) -> bytes:
    # Pillow resamples the channels of an image apart, so that each may be an image of its own.
    image = Image.frombytes("L", (w, h), plane)
    return image.resize((int(w * scale), int(h * scale)), Image.Resampling.BOX).resize((w, h), Image.Resampling.BOX).tobytes()


def jpeg(planes: bytes, h: int, w: int, c: int, quality: int) -> bytes:
    image = Image.merge("RGB", [Image.frombytes("L", (w, h), planes[k * h * w : (k + 1) * h * w]) for k in range(3)]) if c == 3 else (
        Image.frombytes("L", (w, h), planes))  # fmt: skip
    file = io.BytesIO()
    image.save(file, "JPEG", quality=quality)
    return b"".join(channel.tobytes() for channel in Image.open(file).split())


def lines():
    yield f"# Pillow {PIL.__version__}"
    for h, w, c in SHAPES:
        planes = noise(c * h * w, seed=1)
        for (table, scales) in SCALES.items():
            for severity, scale in enumerate(scales, start=1):
                out = b"".join(pixelate(planes[k * h * w : (k + 1) * h * w], h, w, scale) for k in range(c))
                yield f"pixelate {h}x{w}x{c} {table} {severity} {hashlib.sha256(out).hexdigest()}"
    for h, w, c in JPEG_SHAPES:
        for (table, qualities) in QUALITIES.items():
            for severity, quality in enumerate(qualities, start=1):
                out = jpeg(noise(c * h * w, seed=1), h, w, c, quality)
                yield f"jpeg {h}x{w}x{c} {table} {severity} {hashlib.sha256(out).hexdigest()}"
    grid = range(0, 256, 5)
    colours = Image.frombytes("RGB", (len(grid) ** 3, 1), bytes(v for rgb in product(grid, repeat=3) for v in rgb))
    yield f"luma {hashlib.sha256(colours.convert('L').tobytes()).hexdigest()}"


if __name__ == "__main__":
    Path(__file__).with_suffix(".txt").write_text("\n".join(lines()) + "\n")
