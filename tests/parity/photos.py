"""Photographs that come inside packages, cut and shrunk to the benchmarks' sizes, and images at the edges of what can be."""
from functools import cache

import numpy as np
from PIL import Image

from program import installed

NAMES = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg", "motorcycle_left.png", "retina.jpg", "ihc.png",
         "hubble_deep_field.jpg", "china.jpg", "flower.jpg")  # fmt: skip
CUTS = ((0, 0), (1, 1), (0, 1), (1, 0))  # from which corner
PHOTOGRAPHS = len(NAMES) * len(CUTS)


@cache
def photographs() -> list[np.ndarray]:
    """As bytes, H x W x 3."""
    folders = (installed("skimage/data"), installed("sklearn/datasets/images", ".venv-parity"))
    files = {path.name: path for folder in folders for path in folder.iterdir()}
    return [np.asarray(Image.open(files[name]).convert("RGB")) for name in NAMES]


def natural(h: int, w: int) -> np.ndarray:
    """40 x h x w x 3: from every photograph, four corners of it at 224 and above, shrunk to size below that."""
    found = []
    for down, right in CUTS:
        for photo in photographs():
            # Three quarters of what fits, so that the corners overlap but differ; at least the size itself.
            part = max(1.0, 0.75 * min(photo.shape[0] / h, photo.shape[1] / w))
            if max(h, w) > 144:
                part = 1.0
            rows, columns = int(h * part), int(w * part)
            top, left = down * (photo.shape[0] - rows), right * (photo.shape[1] - columns)
            cut = Image.fromarray(photo[top : top + rows, left : left + columns])
            found.append(np.asarray(cut.resize((w, h), Image.Resampling.LANCZOS)))
    return np.stack(found)


def edges(h: int, w: int) -> np.ndarray:
    """12 x h x w x 3: constants, a ramp, a checkerboard, single pixels, extreme colours, noise over all levels."""
    y, x = np.mgrid[:h, :w]
    points = np.zeros((h, w), np.uint8)
    points[h // 2, w // 3] = points[0, 0] = points[h - 1, w - 1] = 255
    gray = [*(np.full((h, w), level) for level in (0, 128, 200, 255)), (x + y) % 256, (x + y) % 2 * 255, points, 255 - points]
    colour = [np.full((h, w, 3), rgb) for rgb in ((255, 0, 0), (1, 254, 128), (250, 251, 249))]
    noise = np.random.default_rng(5).integers(0, 256, (h, w, 3))
    return np.stack([*(np.repeat(image[..., np.newaxis], 3, axis=-1) for image in gray), *colour, noise]).astype(np.uint8)
