"""ImageNet-C's corruptions by table (224 ImageNet-C, 64 Tiny-ImageNet-C, 32 CIFAR-10-C): constants of severities 1 to 5.

Read off the code that made the benchmarks (Hendrycks & Dietterich 2019, arXiv:1903.12261). Plain data, for any Python.
A fourth table is the Python package's, whose constants are those of 224 and which has its own ways.
"""
import math

TABLES = (224, 64, 32)
PACKAGE = "imagecorruptions-1.1.2"
SEVERITIES = (1, 2, 3, 4, 5)


# ImageNet-C's elastic transform was written for images of 244 pixels, by a slip that its authors kept.
def elastic(side: int, *parts: tuple[float, float, float]) -> tuple[tuple[float, float, float], ...]:
    """(alpha, sigma, affine) in pixels, from parts of a side."""
    return tuple((side * alpha, side * sigma, side * affine) for alpha, sigma, affine in parts)


CONSTANTS: dict[str, dict[int, tuple]] = {
    # standard deviation
    "gaussian_noise": {
        224: (0.08, 0.12, 0.18, 0.26, 0.38),
        64: (0.04, 0.08, 0.12, 0.15, 0.18),
        32: (0.04, 0.06, 0.08, 0.09, 0.10),
    },
    # counts of white
    "shot_noise": {224: (60, 25, 12, 5, 3), 64: (250, 100, 50, 30, 15), 32: (500, 250, 100, 75, 50)},
    # share of values
    "impulse_noise": {
        224: (0.03, 0.06, 0.09, 0.17, 0.27),
        64: (0.01, 0.02, 0.05, 0.08, 0.14),
        32: (0.01, 0.02, 0.03, 0.05, 0.07),
    },
    # radius of the disk, sigma of its own blur
    "defocus_blur": {
        224: ((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5)),
        64: ((0.5, 0.6), (1, 0.1), (1.5, 0.1), (2.5, 0.01), (3, 0.1)),
        32: ((0.3, 0.4), (0.4, 0.5), (0.5, 0.6), (1, 0.2), (1.5, 0.1)),
    },
    # sigma, furthest offset, iterations
    "glass_blur": {
        224: ((0.7, 1, 2), (0.9, 2, 1), (1, 2, 3), (1.1, 3, 2), (1.5, 4, 2)),
        64: ((0.1, 1, 1), (0.5, 1, 1), (0.6, 1, 2), (0.7, 2, 1), (0.9, 2, 2)),
        32: ((0.05, 1, 1), (0.25, 1, 1), (0.4, 1, 1), (0.25, 1, 2), (0.4, 1, 2)),
    },
    # radius, sigma
    "motion_blur": {
        224: ((10, 3), (15, 5), (15, 8), (15, 12), (20, 15)),
        64: ((10, 1), (10, 1.5), (10, 2), (10, 2.5), (12, 3)),
        32: ((6, 1), (6, 1.5), (6, 2), (8, 2), (9, 2.5)),
    },
    # numpy.arange(1, stop, step) of zoom factors
    "zoom_blur": {
        224: ((1.11, 0.01), (1.16, 0.01), (1.21, 0.02), (1.26, 0.02), (1.31, 0.03)),
        64: ((1.06, 0.01), (1.11, 0.01), (1.16, 0.01), (1.21, 0.01), (1.26, 0.01)),
        32: ((1.06, 0.01), (1.11, 0.01), (1.16, 0.01), (1.21, 0.01), (1.26, 0.01)),
    },
    # mean, standard deviation, zoom, threshold, radius and sigma of the motion, how much of the image stays
    "snow": {
        224: (
            (0.1, 0.3, 3, 0.5, 10, 4, 0.8),
            (0.2, 0.3, 2, 0.5, 12, 4, 0.7),
            (0.55, 0.3, 4, 0.9, 12, 8, 0.7),
            (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65),
            (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55),
        ),
        64: (
            (0.1, 0.2, 1, 0.6, 8, 3, 0.8),
            (0.1, 0.2, 1, 0.5, 10, 4, 0.8),
            (0.15, 0.3, 1.75, 0.55, 10, 4, 0.7),
            (0.25, 0.3, 2.25, 0.6, 12, 6, 0.65),
            (0.3, 0.3, 1.25, 0.65, 14, 12, 0.6),
        ),
        32: (
            (0.1, 0.2, 1, 0.6, 8, 3, 0.95),
            (0.1, 0.2, 1, 0.5, 10, 4, 0.9),
            (0.15, 0.3, 1.75, 0.55, 10, 4, 0.9),
            (0.25, 0.3, 2.25, 0.6, 12, 6, 0.85),
            (0.3, 0.3, 1.25, 0.65, 14, 12, 0.8),
        ),
    },
    # weights of the image and of the frost
    "frost": {
        224: ((1, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75)),
        64: ((1, 0.3), (0.9, 0.4), (0.8, 0.45), (0.75, 0.5), (0.7, 0.55)),
        32: ((1, 0.2), (1, 0.3), (0.9, 0.4), (0.85, 0.4), (0.75, 0.45)),
    },
    # weight of the plasma, how its amplitude shrinks from level to level
    "fog": {
        224: ((1.5, 2), (2, 2), (2.5, 1.7), (2.5, 1.5), (3, 1.4)),
        64: ((0.4, 3), (0.7, 3), (1, 2.5), (1.5, 2), (2, 1.75)),
        32: ((0.2, 3), (0.5, 3), (0.75, 2.5), (1, 2), (1.5, 1.75)),
    },
    # what is added to the value
    "brightness": {
        224: (0.1, 0.2, 0.3, 0.4, 0.5),
        64: (0.1, 0.2, 0.3, 0.4, 0.5),
        32: (0.05, 0.1, 0.15, 0.2, 0.3),
    },
    # what is left of the distance from the mean
    "contrast": {
        224: (0.4, 0.3, 0.2, 0.1, 0.05),
        64: (0.4, 0.3, 0.2, 0.1, 0.05),
        32: (0.75, 0.5, 0.4, 0.3, 0.15),
    },
    "elastic_transform": {
        224: elastic(244, (2, 0.7, 0.1), (2, 0.08, 0.2), (0.05, 0.01, 0.02), (0.07, 0.01, 0.02), (0.12, 0.01, 0.02)),
        64: elastic(64, (0, 0, 0.08), (0.05, 0.3, 0.06), (0.1, 0.08, 0.06), (0.1, 0.03, 0.03), (0.16, 0.03, 0.02)),
        32: elastic(32, (0, 0, 0.08), (0.05, 0.2, 0.07), (0.08, 0.06, 0.06), (0.1, 0.04, 0.05), (0.1, 0.03, 0.03)),
    },
    # part of a side that is left
    "pixelate": {
        224: (0.6, 0.5, 0.4, 0.3, 0.25),
        64: (0.9, 0.8, 0.7, 0.6, 0.5),
        32: (0.95, 0.9, 0.85, 0.75, 0.65),
    },
    # Pillow's quality
    "jpeg_compression": {224: (25, 18, 15, 10, 7), 64: (65, 58, 50, 40, 25), 32: (80, 65, 58, 50, 40)},
    # standard deviation at white
    "speckle_noise": {
        224: (0.15, 0.2, 0.35, 0.45, 0.6),
        64: (0.15, 0.2, 0.25, 0.3, 0.35),
        32: (0.06, 0.1, 0.12, 0.16, 0.2),
    },
    # sigma
    "gaussian_blur": {224: (1, 2, 3, 4, 6), 64: (0.5, 0.75, 1, 1.25, 1.5), 32: (0.4, 0.6, 0.7, 0.8, 1)},
    # mean, standard deviation, sigma, threshold, strength or sigma of the mud's edge, 0 water or 1 mud
    "spatter": {
        224: (
            (0.65, 0.3, 4, 0.69, 0.6, 0),
            (0.65, 0.3, 3, 0.68, 0.6, 0),
            (0.65, 0.3, 2, 0.68, 0.5, 0),
            (0.65, 0.3, 1, 0.65, 1.5, 1),
            (0.67, 0.4, 1, 0.65, 1.5, 1),
        ),
        64: (
            (0.62, 0.1, 0.7, 0.7, 0.6, 0),
            (0.65, 0.1, 0.8, 0.7, 0.6, 0),
            (0.65, 0.3, 1, 0.69, 0.6, 0),
            (0.65, 0.1, 0.7, 0.68, 0.6, 1),
            (0.65, 0.1, 0.5, 0.67, 0.6, 1),
        ),
        32: (
            (0.62, 0.1, 0.7, 0.7, 0.5, 0),
            (0.65, 0.1, 0.8, 0.7, 0.5, 0),
            (0.65, 0.3, 1, 0.69, 0.5, 0),
            (0.65, 0.1, 0.7, 0.69, 0.6, 1),
            (0.65, 0.1, 0.5, 0.68, 0.6, 1),
        ),
    },
    # factor and offset of the saturation
    "saturate": {
        224: ((0.3, 0), (0.1, 0), (2, 0), (5, 0.1), (20, 0.2)),
        64: ((0.3, 0), (0.1, 0), (2, 0), (5, 0.1), (30, 0.2)),
        32: ((0.3, 0), (0.1, 0), (1.5, 0), (2, 0.1), (2.5, 0.2)),
    },
}
NAMES = tuple(CONSTANTS)
CONSTANTS["frost_proc"] = CONSTANTS["frost"]  # assay's own, of which there is no other code
OFFERED = tuple(CONSTANTS)


def offered(table: int | str) -> tuple[str, ...]:
    return NAMES if table == PACKAGE else OFFERED


def constants(name: str, table: int | str) -> tuple:
    return CONSTANTS[name][224 if table == PACKAGE else table]


FROST_SCALE = {224: 1.0, 64: 0.3, 32: 0.2}  # what the textures are resized by
FROST_SHAPES = ((600, 900), (315, 560), (315, 560), (350, 527), (495, 660))  # rows and columns before that


def fog_side(h: int, w: int, table: int | str) -> int:
    """The plasma's side: the table's own, or the next power of two that holds the image."""
    return max({224: 256, PACKAGE: 1}.get(table, table), 1 << (max(h, w) - 1).bit_length())


def frost_room(texture: int, h: int, w: int, table: int | str) -> tuple[int, int]:
    """How many first rows and first columns a crop of h x w can have; the last one is left out, as by numpy's randint."""
    rows, columns = FROST_SHAPES[texture]
    if table == PACKAGE:
        scale = 1.1 * max(1, h / rows, w / columns)
        return math.ceil(rows * scale) - h, math.ceil(columns * scale) - w
    rows, columns = (int(round(side * FROST_SCALE[table])) for side in (rows, columns))
    return rows - h, columns - w
