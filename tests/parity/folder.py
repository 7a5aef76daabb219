"""The source `folder` against Pillow, byte by byte: every kind of file that Pillow writes, resized and cropped photographs, and
the order and labels of torchvision's ImageFolder, whose rules stand here (torchvision/datasets/folder.py, 0.26)."""
import csv
import io
import os
import random
import sys
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from sklearn.datasets import load_sample_images

from check import Check, Measured
from program import ASSAY, ROOT, run

sys.path.insert(0, str(ROOT / "tests" / "golden"))
from images import jpeg, tiff  # noqa: E402  (the golden files' own writers)
from pillow import resample  # noqa: E402

MODEL = ROOT / "tests" / "golden" / "mean_colour.pt"  # of three classes
CLASSES = ("a", "b c", "d")


def pixels(folder: Path, out: Path, options: str = "") -> tuple[np.ndarray, list[int]]:
    """What assay reads, N x H x W x 3, by an attack that leaves it as it is, and the labels."""
    run(ASSAY, "attack", MODEL, f"folder:{folder}{options}", "fgsm", "--epsilon", 0, "--out", out)
    values = np.load(out / "adversarial.npy") * np.float32(255)
    levels = np.rint(values)
    if np.abs(values - levels).max() > 1e-4:
        raise RuntimeError("values that are no bytes")
    with (out / "samples.csv").open() as rows:
        labels = [int(row["label"]) for row in csv.DictReader(rows)]
    return np.moveaxis(levels.astype(np.uint8), 1, -1), labels


def image_folder(folder: Path) -> list[tuple[Path, int]]:
    """ImageFolder.samples."""
    found = []
    for label, name in enumerate(sorted(entry.name for entry in os.scandir(folder) if entry.is_dir())):
        for root, _, files in sorted(os.walk(folder / name, followlinks=True)):
            found += [(Path(root) / file, label) for file in sorted(files) if file.lower().endswith((".png", ".jpg", ".jpeg"))]
    return found


def upright(path: Path) -> Image.Image:
    with Image.open(path) as image:
        return ImageOps.exif_transpose(image).convert("RGB")


@cache
def photographs() -> list[Image.Image]:
    return [Image.fromarray(image) for image in load_sample_images().images]


def kinds(image: Image.Image):
    """The image in every form that Pillow writes, as names and bytes."""
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"):
        out = io.BytesIO()
        (image.convert("L").convert("I").point(lambda v: v * 3).convert(mode) if mode == "I;16" else image.convert(mode)).save(out, "PNG")
        yield f"{mode}.png", out.getvalue()
    for quality in (5, 75, 100):
        for subsampling in (0, 1, 2):
            for more in ({}, {"progressive": True}, {"optimize": True, "restart_marker_rows": 1}):
                yield f"{quality}-{subsampling}-{len(more)}.jpg", jpeg(image, quality=quality, subsampling=subsampling, **more)
    for mode in ("L", "CMYK"):
        yield f"{mode}.jpg", jpeg(image.convert(mode))
        yield f"{mode}-progressive.JPEG", jpeg(image.convert(mode), progressive=True)
    yield "rgb.jpg", jpeg(image, keep_rgb=True)
    for orientation in range(1, 9):
        yield f"turned-{orientation}.jpeg", jpeg(image, exif=b"Exif\0\0" + tiff(orientation))


def decoding(side: int, work: Path) -> Measured:
    folder, n = work / f"decode-{side}", 0
    for name, photo in zip(CLASSES, (*photographs(), photographs()[0].transpose(Image.Transpose.TRANSPOSE)), strict=True):
        (folder / name).mkdir(parents=True)
        for file, data in kinds(photo.crop((200, 150, 200 + side, 150 + side))):
            (folder / name / file).write_bytes(data)
            n += 1
    found, _ = pixels(folder, work / f"decoded-{side}")
    expected = np.stack([np.asarray(upright(path)) for path, _ in image_folder(folder)])
    return Measured(int(np.count_nonzero(found != expected)), 0, f"bytes that differ, {n} files")


def resampling(shorter: int, crop: int, work: Path, subset: bool) -> Measured:
    folder, random_ = work / f"resample-{shorter}-{crop}", random.Random(shorter)
    for i in range(6 if subset else 60):
        photo = random_.choice(photographs())
        w, h = random_.randint(20, photo.width), random_.randint(20, photo.height)
        path = folder / CLASSES[i % 3] / f"{i}.{random_.choice(['png', 'jpg'])}"
        path.parent.mkdir(parents=True, exist_ok=True)
        photo.crop((0, 0, w, h)).rotate(random_.choice([0, 90]), expand=True).save(path)
    found, _ = pixels(folder, work / f"resampled-{shorter}-{crop}", f",resize={shorter},crop={crop}")
    expected = np.stack([np.asarray(resample(upright(path), shorter, crop)) for path, _ in image_folder(folder)])
    return Measured(int(np.count_nonzero(found != expected)), 0, f"bytes that differ, {len(found)} images of any size")


def order(work: Path) -> Measured:
    """Each image has a colour of its own, so that its place says which it is."""
    folder, random_ = work / "order", random.Random(1)
    for i in range(120):
        parts = [random_.choice(["a", "A", "a-", "a b", "1", "10", "9", "\u00e4", "_"]) for _ in range(random_.randint(0, 2))]
        path = folder.joinpath(random_.choice(CLASSES), *parts, f"{random_.choice(['', 'x', 'X', '-'])}{i}.{random_.choice(['png', 'PNG'])}")
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (2, 2), (i, 255 - i, 7)).save(path)
    found, labels = pixels(folder, work / "ordered")
    expected = image_folder(folder)
    apart = sum(upright(path).getpixel((0, 0)) != tuple(image[0, 0]) for (path, _), image in zip(expected, found, strict=True))
    return Measured(apart + (labels != [label for _, label in expected]), 0, f"places that differ, {len(found)} images")


def checks(work: Path, subset: bool) -> list[Check]:
    os.environ["XDG_CACHE_HOME"] = str(work / "cache")
    found = [Check(f"folder decodes {side} x {side}", lambda s=side: decoding(s, work)) for side in ((1, 61) if subset else (1, 8, 61, 200))]
    for shorter, crop in ((256, 224), (50, 64)) if subset else ((256, 224), (232, 224), (50, 64), (33, 32), (0, 97)):
        found.append(Check(f"folder resize={shorter} crop={crop}", lambda s=shorter, c=crop: resampling(s, c, work, subset)))
    found.append(Check("folder order", lambda: order(work)))
    return found
