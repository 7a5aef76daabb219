#!/usr/bin/env python3
"""Fuzzes the PNG and JPEG decoders under AddressSanitizer and UndefinedBehaviorSanitizer.

usage: tests/fuzz/fuzz.py [--seconds 3600] [--jobs 1]

Builds with clang-19 into build/fuzz, where the corpus stays for the next time and an input that breaks something is left as
crash-*. Begins from small files of every kind that the decoders tell apart, written by Pillow. Run in .venv-parity, after
./run parity has made it.
"""
import argparse
import io
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "fuzz"
SOURCES = ("tests/fuzz/decode_image.cpp", "src/data/image.cpp", "src/data/file.cpp", "src/core/error.cpp", "src/core/text.cpp")
FLAGS = "-std=c++20 -O1 -g1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined -DFMT_SHARED".split()


def seeds() -> dict[str, bytes]:
    rng = np.random.default_rng(0)
    rgb = Image.fromarray(rng.integers(0, 256, (21, 18, 3), dtype=np.uint8))
    kinds = {"rgb": rgb, "gray": rgb.convert("L"), "alpha": rgb.convert("RGBA"), "palette": rgb.convert("P"), "bit": rgb.convert("1"),
             "gray_alpha": rgb.convert("LA"), "deep": Image.fromarray(rng.integers(0, 65536, (9, 7), dtype=np.uint16))}  # fmt: skip
    saved = {}

    def save(name: str, image: Image.Image, form: str, **options: object) -> None:
        to = io.BytesIO()
        image.save(to, form, **options)
        saved[f"{name}.{form.lower()}"] = to.getvalue()

    for name, image in kinds.items():
        save(name, image, "PNG")
    save("transparent", kinds["palette"], "PNG", transparency=3)
    for name, image in (("rgb", rgb), ("gray", kinds["gray"]), ("cmyk", rgb.convert("CMYK"))):
        save(name, image, "JPEG", quality=80)
        save(f"{name}_progressive", image, "JPEG", progressive=True, subsampling=0 if name == "rgb" else -1)
    exif = Image.Exif()
    exif[0x0112] = 6
    save("turned", rgb, "JPEG", exif=exif)
    save("turned", rgb, "PNG", exif=exif)
    return saved


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=3600)
    parser.add_argument("--jobs", type=int, default=1, help="processes side by side")
    options = parser.parse_args()
    corpus = BUILD / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for name, content in seeds().items():
        (corpus / name).write_bytes(content)
    program = BUILD / "decode_image"
    subprocess.run(["clang++-19", *FLAGS, "-I", ROOT / "include", "-I", ROOT / "src", *(ROOT / source for source in SOURCES),
                    "-o", program, "-lpng", "-ljpeg", "-lfmt"], check=True)  # fmt: skip
    return subprocess.run([program, corpus, f"-max_total_time={options.seconds}", f"-fork={options.jobs}", "-max_len=4096",
                           "-rss_limit_mb=4096", "-timeout=60", f"-artifact_prefix={BUILD}/"]).returncode  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
