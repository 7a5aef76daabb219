"""Runs the program as its users do, and writes the small files that the tests feed it. Standard library only."""
import json
import os
import struct
import subprocess
import tempfile
import unittest
import zlib
from pathlib import Path

ASSAY = Path(os.environ["ASSAY_BIN"])
ROOT = Path(os.environ["ASSAY_ROOT"])
STANDARD = ROOT / "models" / "standard.pt"
ROBUST = ROOT / "models" / "robust.pt"
NORMALISED = "mean = [0.286]\nstd = [0.353]\n"

# The data's place must not depend on where the program was built. And where tests run side by side, threads that spin while
# they wait take the processors from those that work: ten times the time.
# And no test but those of devices may depend on whether this machine has one.
ENVIRONMENT = {**os.environ, "ASSAY_DATA": str(ROOT / "data"), "OMP_WAIT_POLICY": "passive", "CUDA_VISIBLE_DEVICES": ""}
# Of a hang, not of slowness: a sanitizer build on a busy machine takes its time.
SECONDS = 300


def command(*arguments: object) -> list[str]:
    return [str(ASSAY), *map(str, arguments)]


def start(*arguments: object, **options: object) -> subprocess.Popen:
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "env": ENVIRONMENT}
    return subprocess.Popen(command(*arguments), **{**pipes, **options})


def run(*arguments: object, **options: object) -> subprocess.CompletedProcess:
    with start(*arguments, **options) as process:
        try:
            out, err = process.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    return subprocess.CompletedProcess(arguments, process.returncode, out, err)


def model(path: object, more: str = NORMALISED) -> str:
    return f'[[model]]\npath = "{path}"\n{more}'


def sweep(
    *perturbations: str,
    models: str = model(ROBUST),
    top: str = 'metrics = ["accuracy", "nll"]',
    source: str = "fashion_mnist",
    limit: int = 32,
    batch: int = 16,
) -> str:
    """A sweep as TOML; `top` stands before its first table."""
    return f'batch = {batch}\n{top}\n[data]\nsource = "{source}"\nlimit = {limit}\n{models}' + "\n".join(perturbations) + "\n"


def attack(name: str, more: str) -> str:
    return f'[[attack]]\nname = "{name}"\n{more}'


def corruption(name: str, severity: object) -> str:
    return f'[[corruption]]\nname = "{name}"\nseverity = {severity}'


def write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


FORMATS = {"|u1": "B", "|i1": "b", "<u2": "H", "<f2": "e", "<i4": "i", "<i8": "q", "<f4": "f", "<f8": "d"}


def npy(dtype: str, shape: tuple[int, ...], values: object) -> bytes:
    """An .npy file, version 1."""
    data = values if isinstance(values, bytes) else struct.pack(f"<{len(values)}{FORMATS[dtype]}", *values)
    header = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}"
    header += " " * (63 - (10 + len(header)) % 64) + "\n"
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header.encode() + data


def read_npy(path: Path) -> tuple[str, tuple[int, ...], list]:
    """Its dtype, its shape and its values, flat."""
    content = path.read_bytes()
    assert content[:8] == b"\x93NUMPY\1\0", path
    end = 10 + struct.unpack("<H", content[8:10])[0]
    header = eval(content[10:end], {"__builtins__": {}})
    assert header["fortran_order"] is False
    kind = FORMATS[header["descr"]]
    count = (len(content) - end) // struct.calcsize(kind)
    return header["descr"], header["shape"], list(struct.unpack(f"<{count}{kind}", content[end:]))


def idx(shape: tuple[int, ...], values: bytes) -> bytes:
    return struct.pack(f">I{len(shape)}I", 0x0800 + len(shape), *shape) + values


def png(width: int, height: int, rgb: bytes) -> bytes:
    """An RGB image; `rgb` is H x W x 3."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + rgb[y * width * 3 : (y + 1) * width * 3] for y in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def units(out: Path) -> dict[str, Path]:
    """The committed units of an output folder: their commit records by key."""
    return {path.stem: path for path in out.glob("units/*/[!.]*.json")}


def fetched(out: Path) -> int:
    """What the ends of a folder's units brought back: 16 bytes a sample, 8 a word of their metrics' states, and of an attack's
    unit two sums of passes."""
    payloads = [json.loads(record.read_text())["payload"] for record in units(out).values()]
    words = sum(len(state) for unit in payloads for state in unit["states"].values())
    attacked = sum("robust_accuracy" in unit["states"] for unit in payloads)
    return 16 * sum(unit["hi"] - unit["lo"] for unit in payloads) + 8 * words + 16 * attacked


def identity(out: Path) -> dict[Path, tuple[int, int]]:
    """What changes when a unit's file is written again, for both files of each committed unit."""
    files = [path.with_suffix(suffix) for path in units(out).values() for suffix in (".json", ".npy")]
    return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in files}


def content(folder: Path) -> dict[Path, tuple[bytes, int]]:
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}


class Case(unittest.TestCase):
    """A test with a folder of its own, self.dir."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory(prefix="assay-test-")
        self.addCleanup(folder.cleanup)
        self.dir = Path(folder.name)

    def write_sweep(self, text: str, name: str = "sweep.toml") -> Path:
        return write(self.dir / name, text)

    def done(self, *arguments: object, code: int = 0, **options: object) -> subprocess.CompletedProcess:
        """Runs the program, which is to end with `code` and no word of an error."""
        result = run(*arguments, **options)
        self.assertEqual(result.returncode, code, result.stderr)
        self.assertNotIn("error:", result.stderr)
        return result

    def json(self, *arguments: object, **options: object) -> object:
        return json.loads(self.done(*arguments, "--json", **options).stdout)

    def refused(self, code: int, says: str, *arguments: object, **options: object) -> str:
        """Runs the program, which is to end with `code` and one error line that says `says`; returns that line."""
        return self.is_refusal(code, says, run(*arguments, **options))

    def is_refusal(self, code: int, says: str, result: subprocess.CompletedProcess) -> str:
        shown = f"exit {result.returncode}, stderr:\n{result.stderr}"
        self.assertEqual(result.returncode, code, shown)
        lines = result.stderr.splitlines()
        errors = [line for line in lines if line.startswith("error: ")]
        self.assertEqual(len(errors), 1, shown)
        # The error and its hint are the last words.
        hints = [line for line in lines if line.startswith("hint: ")]
        self.assertLessEqual(len(hints), 1, shown)
        self.assertEqual(lines[-1 - len(hints) :], errors + hints, shown)
        for line in lines:
            self.assertRegex(line, r"^(error: |hint: |device: |model |note: |units: |warning: |progress: )\S*", shown)
        self.assertIn(says, errors[0])
        self.assertNotIn(": : ", errors[0])
        return errors[0]
