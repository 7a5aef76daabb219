"""Writes images/: small PNGs and JPEGs of every kind that `folder` reads, and images.txt: the pixels that Pillow finds.

    python3 -m venv venv && venv/bin/pip install pillow==13.0.0 && venv/bin/python tests/golden/images.py

Lines: `FILE HxW SHA256` of the bytes of ImageOps.exif_transpose(Image.open(FILE)).convert("RGB"), H x W x 3.
"""
import hashlib
import io
import struct
import warnings
import zlib
from pathlib import Path

import PIL
from PIL import Image, ImageOps, features

from pillow import noise

FOLDER = Path(__file__).with_suffix("")
W, H = 23, 17  # of no whole number of JPEG's blocks
ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))  # x, y, steps
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # of PNG's colour types


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(colour: int, depth: int, more: bytes = b"", interlaced: bool = False, w: int = W, h: int = H, seed: int = 1) -> bytes:
    """Noise of the colour type and bit depth; `more` are chunks before the pixels."""
    bits = CHANNELS[colour] * depth

    def rows(count: int, width: int) -> bytes:
        width = (width * bits + 7) // 8
        values = noise(count * width, seed)
        return b"".join(b"\0" + values[y * width : (y + 1) * width] for y in range(count)) if width else b""

    passes = [(0, 0, 1, 1)] if not interlaced else ADAM7
    data = b"".join(rows(len(range(y, h, dy)), len(range(x, w, dx))) for x, y, dx, dy in passes)
    header = struct.pack(">IIBBBBB", w, h, depth, colour, 0, 0, interlaced)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + more + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


def photo(mode: str = "RGB", w: int = W, h: int = H) -> Image.Image:
    """A smooth image with some noise, so that JPEG has something to do."""
    grain = noise(w * h * 4, seed=2)
    values = bytes(
        (x * 255 // w, y * 255 // h, (x + y) * 255 // (w + h), 90)[c] // 2 + grain[(y * w + x) * 4 + c] // 3
        for y in range(h)
        for x in range(w)
        for c in range(len(mode))
    )
    return Image.frombytes(mode, (w, h), values)


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def jpeg(image: Image.Image | None = None, **options: object) -> bytes:
    return encoded(image or photo(), "JPEG", **{"quality": 80, **options})


def tiff(orientation: int, kind: int = 3, order: str = ">") -> bytes:
    """An EXIF block with nothing else in it, the orientation a SHORT (3) or a LONG (4)."""
    value = struct.pack(order + "HH", orientation, 0) if kind == 3 else struct.pack(order + "I", orientation)
    entry = struct.pack(order + "HHI", 0x0112, kind, 1) + value
    return {">": b"MM\0*", "<": b"II*\0"}[order] + struct.pack(order + "IH", 8, 1) + entry + bytes(4)


def with_segment(data: bytes, marker: int, content: bytes) -> bytes:
    return data[:2] + struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content + data[2:]


def without_adobe(data: bytes) -> bytes:
    at = data.index(b"\xff\xee")
    return data[:at] + data[at + 2 + struct.unpack(">H", data[at + 2 : at + 4])[0] :]


def replaced(data: bytes, old: bytes, new: bytes) -> bytes:
    assert data.count(old) == 1, (old, data.count(old))
    return data.replace(old, new)


XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description %s</x:xmpmeta>'
ATTRIBUTE, ELEMENT = XMP % b'tiff:Orientation="6"/>', XMP % b"/><tiff:Orientation>3</tiff:Orientation>"


def files():
    palette = chunk(b"PLTE", noise(3 * 11, seed=3))
    for depth in (1, 2, 4, 8, 16):
        yield f"gray_{depth}.png", png(0, depth)
    for depth in (1, 2, 4, 8):
        # Of 11 colours: larger indices are those of no colour.
        yield f"palette_{depth}.png", png(3, depth, palette)
    for depth in (8, 16):
        yield f"gray_alpha_{depth}.png", png(4, depth)
        yield f"rgb_{depth}.png", png(2, depth)
        yield f"rgba_{depth}.png", png(6, depth)
    for colour, name in ((0, "gray"), (2, "rgb"), (3, "palette"), (6, "rgba")):
        yield f"interlaced_{name}.png", png(colour, 8, palette if colour == 3 else b"", interlaced=True)
    yield "interlaced_gray_1.png", png(0, 1, interlaced=True)
    yield "interlaced_gray_16.png", png(0, 16, interlaced=True)
    yield "interlaced_2x1.png", png(2, 8, interlaced=True, w=2, h=1)
    yield "filtered.png", encoded(photo(), "PNG", optimize=True)
    yield "transparent_gray.png", png(0, 8, chunk(b"tRNS", b"\0\5"))
    yield "transparent_rgb_16.png", png(2, 16, chunk(b"tRNS", b"\0\5\0\6\0\7"))
    yield "transparent_palette.png", png(3, 8, palette + chunk(b"tRNS", b"\0\x80\xff"))
    yield "gamma.png", png(2, 8, chunk(b"gAMA", struct.pack(">I", 100000)) + chunk(b"sRGB", b"\0"))
    yield "exif_6.png", png(2, 8, chunk(b"eXIf", tiff(6)))
    yield "xmp_6.png", png(2, 8, chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + ATTRIBUTE))

    for name, subsampling in (("444", 0), ("422", 1), ("420", 2)):
        yield f"rgb_{name}.jpg", jpeg(subsampling=subsampling)
        yield f"progressive_{name}.jpg", jpeg(subsampling=subsampling, progressive=True)
    # As many blocks stand upright as lay side by side.
    upright = jpeg(photo(w=32, h=32), subsampling=1)
    yield "rgb_440.jpg", replaced(upright, b"\x01\x21\x00\x02\x11", b"\x01\x12\x00\x02\x11")
    yield "gray.jpg", jpeg(photo("L"))
    yield "gray_progressive.jpg", jpeg(photo("L"), progressive=True)
    yield "not_transformed.jpg", jpeg(keep_rgb=True)
    yield "restarts.jpg", jpeg(restart_marker_blocks=1)
    yield "quality_10.jpg", jpeg(quality=10)
    yield "one_pixel.jpg", jpeg(photo(w=1, h=1))
    cmyk = jpeg(photo("CMYK"))
    yield "cmyk.jpg", cmyk
    yield "cmyk_progressive.jpg", jpeg(photo("CMYK"), progressive=True)
    yield "cmyk_without_adobe.jpg", without_adobe(cmyk)
    # The last byte says that the four are YCCK.
    yield "ycck.jpg", replaced(cmyk, b"Adobe\0\x64\0\0\0\0\0", b"Adobe\0\x64\0\0\0\0\2")
    for orientation in range(10):
        yield f"exif_{orientation}.jpg", jpeg(exif=b"Exif\0\0" + tiff(orientation))
    yield "exif_little_endian.jpg", jpeg(exif=b"Exif\0\0" + tiff(8, order="<"))
    yield "exif_long.jpg", jpeg(exif=b"Exif\0\0" + tiff(5, kind=4))
    xmp = b"http://ns.adobe.com/xap/1.0/\0"
    yield "xmp_attribute.jpg", with_segment(jpeg(), 0xE1, xmp + ATTRIBUTE)
    yield "xmp_element.jpg", with_segment(jpeg(), 0xE1, xmp + ELEMENT)
    yield "exif_before_xmp.jpg", with_segment(jpeg(exif=b"Exif\0\0" + tiff(2)), 0xE1, xmp + ATTRIBUTE)


def lines():
    yield f"# Pillow {PIL.__version__}, libjpeg-turbo {features.version('libjpeg_turbo')}"
    for name, data in sorted(files()):
        (FOLDER / name).write_bytes(data)
        with Image.open(FOLDER / name) as image:
            pixels = ImageOps.exif_transpose(image).convert("RGB")
        yield f"{name} {pixels.height}x{pixels.width} {hashlib.sha256(pixels.tobytes()).hexdigest()}"


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    FOLDER.mkdir(exist_ok=True)
    FOLDER.with_suffix(".txt").write_text("\n".join(lines()) + "\n")
