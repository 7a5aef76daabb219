"""Corruptions, given what assay drew, against the libraries that ImageNet-C was made with (oracle.py), at every severity and table.

Two rows for each corruption and set of images: the largest difference before quantisation, and the share of pixels whose
bytes differ, none by more than a level. A set's images at the edges of what can be (constants, ramps, single pixels) are
measured apart from its photographs. What is measured here is the table of docs/corruptions.md.
"""
import json
import math
import os
import shutil
import subprocess
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np

import corruption_table
from check import Check, Measured, expect_covered
from imagenet_c import FROST_SHAPES, NAMES, OFFERED, PACKAGE, SEVERITIES, TABLES, constants, fog_side, frost_room, offered
from photos import PHOTOGRAPHS, edges, natural
from program import ASSAY, ORACLE, fashion_mnist, installed, registered, run, save_data

TOLERANCE = 1e-6  # float32 against the reference's float64
# The reference itself is in float32 here, and adds up to 26 layers, or interpolates twice.
TOLERANCES = {"zoom_blur": 2e-5, "elastic_transform": 2e-5}
ICE = 3e-3  # the package's enlarged pictures are bytes: a value on the edge between two is a level of ice
PIXELS = 1e-3  # share that may differ by a level: values on the edge of one
# In levels: so near to the edge of one, the reference's own rounding decides, such as NumPy's order of adding up a mean.
UNDECIDED = 1e-9
EXACT = {"pixelate", "jpeg_compression"}  # integers throughout
ERRORS = 5.0  # standard errors; seeds are fixed, so this cannot fail by chance on another day
BY_FORMULA = ("elastic_transform", "shot_noise")  # imagecorruptions has another one, or draws it otherwise
# In levels: float32 against float64, sums in another order.
PEER_TOLERANCES = {"spatter": 1e-4, "fog": 1e-9, "elastic_transform": 1e-4}
ODD = {224: (171, 250), 64: (61, 83), 32: (37, 48), PACKAGE: (37, 48)}
# The package's loop for glass takes seconds at 224. A prime: means over 96 x 96 levels often lie on the edge of one.
SIDES = {224: 224, 64: 64, 32: 32, PACKAGE: 97}


class Oracle:
    """The other Python, started when it is first asked; one thread."""

    process: subprocess.Popen | None = None

    def ask(self, do: str, **arguments: object) -> object:
        if self.process is None:
            # NumPy has another exp where there is AVX-512, and the last bit of a blur's weights decides whole areas of one level.
            same = {"NPY_DISABLE_CPU_FEATURES": "AVX512F AVX512CD AVX512_SKX AVX512_CLX AVX512_CNL AVX512_ICL"}
            quiet = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
            self.process = subprocess.Popen(
                [ORACLE, Path(__file__).with_name("oracle.py")],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **quiet, **same})  # fmt: skip
        self.process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the oracle ended with exit {self.process.wait()}")
        answer = json.loads(line)
        if "error" in answer:
            raise RuntimeError(f"oracle: {answer['error']}")
        return answer["value"]


ORACLE_PROCESS = Oracle()


@dataclass(frozen=True)
class Images:
    name: str
    source: str = field(hash=False)
    pixels: np.ndarray = field(hash=False)  # N x H x W x C bytes, those at the edges first
    table: int | str
    edges: int = 0
    severities: tuple[int, ...] = SEVERITIES


def data_sets(work: Path, subset: bool) -> list[Images]:
    """With `subset`, the first images of each set: what assay draws depends on an image's place."""
    found = []
    for table, side in SIDES.items():
        extreme = edges(side, side)
        pixels = np.concatenate([extreme, natural(side, side)[: 4 if subset else None]])
        found.append(("square", pixels, table, len(extreme), (1, 3, 5) if subset else SEVERITIES))
        if table in (32, PACKAGE) or not subset:  # each call of the program is a quarter of a second
            severity = 5 if table == PACKAGE else 2  # where its motion reaches past sides of 37
            found.append(("odd", natural(*ODD[table])[:6], table, 0, (severity,) if subset else SEVERITIES))
    if not subset:  # pictures of ice are smaller than this
        found.append(("large", natural(360, 610)[:2], PACKAGE, 0, (2, 5)))
    gray = np.moveaxis(fashion_mnist(8 if subset else 32)[0], 1, -1)
    found.append(("gray", gray, 32, 0, (4,) if subset else SEVERITIES))
    if not subset:
        wider = np.pad(gray, ((0, 0), (4, 4), (4, 4), (0, 0)))
        found.append(("gray", wider, PACKAGE, 0, (4,)))
    sets = []
    for kind, pixels, table, extreme, severities in found:
        _, h, w, _ = pixels.shape
        folder = save_data(work / f"images-{kind}-{table}", pixels, np.zeros(len(pixels), np.int64))
        sets.append(Images(f"{h}x{w} {kind}, table {table}", f"npy:{folder}", pixels, table, extreme, severities))
    return sets


@dataclass(frozen=True)
class Side:
    """What was measured over one severity's photographs, or its images at the edges."""

    error: float  # before quantisation
    pixels: float  # share with another byte
    decided: float  # the same without values on the edge of a level: constants come out there
    levels: int  # by which bytes differ at most


@dataclass(frozen=True)
class Cell:
    natural: Side | None
    edge: Side | None
    draws: float  # how far the draws' mean or variance is off, in standard errors


def absent(name: str) -> str | None:
    return None if name in registered_corruptions() else f"assay has no corruption '{name}'"


@cache
def registered_corruptions() -> frozenset[str]:
    return frozenset(registered("corruption"))


def extra_arguments(name: str) -> list[object]:
    return ["--textures", installed("imagecorruptions/frost")] if name == "frost" else []


@cache
def measured(images: Images, name: str, severity: int, work: Path) -> Cell:
    out = work / "corrupted"
    shutil.rmtree(out, ignore_errors=True)
    run(ASSAY, "corrupt", images.source, name, "--severity", severity, "--table", images.table, *extra_arguments(name),
        "--float", "--dump-draws", "--out", out)  # fmt: skip
    draws = {path.stem: np.load(path) for path in (out / "draws").glob("*.npy")}
    floats, levels = np.load(out / "float.npy"), np.load(out / "images.npy")
    for array, dtype in ((floats, np.float32), (levels, np.uint8)):
        if array.shape != images.pixels.shape or array.dtype != dtype:
            raise RuntimeError(f"{array.dtype} {array.shape} came back, expected {np.dtype(dtype)} {images.pixels.shape}")
    off = draws_off(images, name, severity, draws)
    where = {"folder": str(out), "images": images.source.removeprefix("npy:") + "/images.npy", "name": name}
    cell = {"severity": severity, "table": images.table, "count": len(levels)}
    parts = {"edge": slice(0, images.edges), "natural": slice(images.edges, None)}
    ORACLE_PROCESS.ask("reference", **where, **cell)
    real, reference = np.load(out / "reference.npy"), np.load(out / "reference_bytes.npy")
    sides = {side: compared(floats[part], levels[part], real[part], reference[part]) for side, part in parts.items()}
    shutil.rmtree(out)
    return Cell(sides["natural"], sides["edge"], off)


def compared(floats, levels, real, reference) -> Side | None:
    if len(floats) == 0:
        return None
    gap = np.abs(levels.astype(int) - reference)
    sure = np.abs(real * 255 - np.rint(real * 255)) > UNDECIDED
    differs = [float(found.any(axis=-1).mean()) for found in (gap > 0, (gap > 0) & sure)]
    return Side(float(np.abs(floats - real).max()), *differs, int(gap.max()))


@dataclass(frozen=True)
class Drawn:
    """How a draw is distributed: shape of an image's values, and normal or uniform in [low, high), whole numbers or not."""

    shape: tuple[int, ...]
    low: float = 0.0
    high: float = 1.0
    normal: bool = False
    whole: bool = False

    def off(self, values: np.ndarray) -> float:
        """Mean and variance, in standard errors; infinite where a value cannot be."""
        values = values.astype(np.float64)
        if values.shape[1:] != self.shape:
            raise RuntimeError(f"a draw of {values.shape[1:]}, expected {self.shape}")
        if self.low == self.high:
            return 0.0 if (values == self.low).all() else math.inf
        if not self.normal and (values.min() < self.low or values.max() >= self.high):
            return math.inf
        if self.whole and (values != np.floor(values)).any():
            return math.inf
        width = self.high - self.low
        mean, variance, kurtosis = (self.low + self.high) / 2, width**2 / 12, 1.8
        if self.normal:
            mean, variance, kurtosis = 0.0, 1.0, 3.0
        if self.whole:
            mean, variance = mean - 0.5, (width**2 - 1) / 12
            if width > 1:
                kurtosis = 3 - 1.2 * (width**2 + 1) / (width**2 - 1)
            else:
                return 0.0
        root = values.size**0.5
        spread = abs(values.var() / variance - 1) * root / (kurtosis - 1) ** 0.5 if kurtosis > 1 else 0.0
        return float(max(abs(values.mean() - mean) / variance**0.5 * root, spread))


def expected_draws(name: str, severity: int, table: int | str, h: int, w: int) -> dict[str, Drawn]:
    c = constants(name, table)[severity - 1]
    affine = 0 if table == PACKAGE or name != "elastic_transform" else c[2]
    planes, plane = (3, h, w), (h, w)
    return {
        "gaussian_noise": {"normal": Drawn(planes, normal=True)},
        "speckle_noise": {"normal": Drawn(planes, normal=True)},
        "shot_noise": {"uniform": Drawn(planes)},
        "impulse_noise": {"flip": Drawn(planes), "salt": Drawn(planes)},
        "glass_blur": {"offset": Drawn((c[2], h, w, 2), -c[1], c[1], whole=True)} if name == "glass_blur" else {},
        "motion_blur": {"angle": Drawn((1,), -45, 45)},
        "snow": {"normal": Drawn(plane, normal=True), "angle": Drawn((1,), -135, -45)},
        "fog": {"uniform": Drawn((fog_side(h, w, table),) * 2)},
        "frost_proc": {"uniform": Drawn((fog_side(h, w, table),) * 2)},
        "elastic_transform": {
            "corner": Drawn((3, 2), -affine, affine),
            "dx": Drawn(plane, -1, 1),
            "dy": Drawn(plane, -1, 1),
        },
        "spatter": {"normal": Drawn(plane, normal=True)},
    }.get(name, {})  # fmt: skip


def crop_off(crops: np.ndarray, table: int | str, h: int, w: int) -> float:
    """Frost's texture and place: each has a range that hangs on the texture, so places are looked at as parts of it."""
    if crops.shape[1:] != (3,) or (crops != np.floor(crops)).any():
        raise RuntimeError(f"crops of {crops.shape[1:]}, expected three whole numbers")
    textures = crops[:, 0].astype(int)
    off = [Drawn((1,), 0, len(FROST_SHAPES), whole=True).off(crops[:, :1])]
    rooms = np.array([frost_room(texture, h, w, table) for texture in textures])
    if (crops[:, 1:] < 0).any() or (crops[:, 1:] >= rooms).any():
        return math.inf
    off += [Drawn((1,)).off((crops[:, [k + 1]] + 0.5) / rooms[:, [k]]) for k in range(2)]
    return max(off)


def draws_off(images: Images, name: str, severity: int, draws: dict[str, np.ndarray]) -> float:
    _, h, w, _ = images.pixels.shape
    if name == "frost":
        return crop_off(draws["crop"], images.table, h, w)
    expected = expected_draws(name, severity, images.table, h, w)
    if set(draws) != set(expected):
        raise RuntimeError(f"draws {sorted(draws)} were dumped, expected {sorted(expected)}")
    return max((drawn.off(draws[kind]) for kind, drawn in expected.items()), default=0.0)


def sides(images: Images, name: str, work: Path, *which: str) -> list[Side]:
    cells = [measured(images, name, severity, work) for severity in images.severities]
    return [side for cell in cells for part in which if (side := getattr(cell, part)) is not None]


def before_quantisation(images: Images, name: str, work: Path) -> Measured:
    tolerance = ICE if (name, images.table) == ("frost", PACKAGE) else TOLERANCES.get(name, TOLERANCE)
    if reason := absent(name):
        return Measured(math.nan, tolerance, reason)
    errors = [side.error for side in sides(images, name, work, "natural", "edge")]
    return Measured(max(errors), tolerance, f"{len(images.pixels)} images, severities {list(images.severities)}")


def after_quantisation(images: Images, name: str, work: Path, part: str) -> Measured:
    """The worst severity's share of pixels: of photographs all that differ, elsewhere those that rounding does not decide.

    Drawings on black, as the gray images are, have large areas of one value too.
    """
    tolerance = 0 if name in EXACT else PIXELS
    if reason := absent(name):
        return Measured(math.nan, tolerance, reason)
    found = sides(images, name, work, part)
    levels, worst = max(side.levels for side in found), max(side.pixels for side in found)
    photographs = part == "natural" and images.pixels.shape[-1] == 3
    judged = worst if photographs else max(side.decided for side in found)
    note = f"share of pixels of the worst severity ({worst:.3g} in all), by {levels} levels at most"
    return Measured(judged if levels <= 1 else math.inf, tolerance, note)


def draws_are_random(images: Images, name: str, work: Path) -> Measured:
    """The replay would pass with constant draws: their mean, variance and range."""
    if reason := absent(name):
        return Measured(math.nan, ERRORS, reason)
    off = [measured(images, name, severity, work).draws for severity in images.severities]
    return Measured(max(off), ERRORS, "worst mean or variance, in standard errors")


def saturate_refuses_gray(images: Images) -> Measured:
    if reason := absent("saturate"):
        return Measured(math.nan, 0, reason)
    try:
        run(ASSAY, "corrupt", images.source, "saturate", "--severity", 1, "--out", "/nonexistent")
    except RuntimeError as error:
        refused = "exit 65" in str(error) and "three channels" in str(error)
        return Measured(0 if refused else 1, 0, str(error).splitlines()[-1])
    return Measured(1, 0, "it was accepted")


def trusted(name: str) -> Measured:
    """The oracle itself, in levels."""
    tolerance = PEER_TOLERANCES.get(name, 0)
    if name in BY_FORMULA:
        return Measured(ORACLE_PROCESS.ask("against_formula", name=name), tolerance, "levels, beside another way to compute it")
    return Measured(ORACLE_PROCESS.ask("against_peer", name=name), tolerance, "levels, beside imagecorruptions 1.1.2")


def table_cells(sets: list[Images], work: Path) -> corruption_table.Cells:
    """What the table holds, of the corruptions that the program has."""
    squares = [images for images in sets if images.edges]
    return {
        (name, images.table): {severity: measured(images, name, severity, work) for severity in images.severities}
        for images in squares for name in offered(images.table)
    }  # fmt: skip


def table_holds(sets: list[Images], work: Path) -> Measured:
    part = next(len(images.pixels) - images.edges for images in sets if images.edges) / PHOTOGRAPHS
    found = corruption_table.stale(table_cells(sets, work), part)
    return Measured(len(found), 0, "; ".join(found[:5]))


def write_table(work: Path) -> None:
    corruption_table.write(table_cells(data_sets(work, subset=False), work))


def checks(work: Path, subset: bool) -> list[Check]:
    found = [Check(f"oracle {name}", lambda n=name: trusted(n)) for name in NAMES]
    sets = data_sets(work, subset)
    for images in sets:
        gray = images.pixels.shape[-1] == 1
        if gray:
            found.append(Check("saturate refuses gray images", lambda i=images: saturate_refuses_gray(i)))
        for name in offered(images.table):
            if gray and name == "saturate":
                continue
            title = f"{name} {images.name}"
            found.append(Check(f"{title} before quantisation", lambda i=images, n=name: before_quantisation(i, n, work)))
            for part in ("natural", "edge") if images.edges else ("natural",):
                word = "bytes" if part == "natural" else "bytes at the edges"
                found.append(Check(f"{title} {word}", lambda i=images, n=name, p=part: after_quantisation(i, n, work, p)))
            if images.edges and images.table == 32 and (name == "frost" or expected_draws(name, 1, 32, 32, 32)):
                found.append(Check(f"{title} draws", lambda i=images, n=name: draws_are_random(i, n, work)))
    found.append(Check("docs/corruptions.md is what was measured", lambda: table_holds(sets, work)))
    found.append(expect_covered("corruption", registered("corruption"), set(OFFERED)))
    return found
