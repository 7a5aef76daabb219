"""The program under test, its inputs and its outputs, as a user's script would see them."""
import csv
import gzip
import json
import os
import subprocess
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
ASSAY = ROOT / "build" / "release" / "assay"
ORACLE = ROOT / ".venv-oracle" / "bin" / "python"
REPLAY = ROOT / "build" / "release" / "assay_replay"
BATCH = 128  # lanes; the peers get batches of the same size, as a model's own arithmetic may depend on it


def run(*command: object, cwd: Path = ROOT) -> str:
    """Runs a command; returns its stdout. Raises RuntimeError with its stderr when it fails."""
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True, cwd=cwd)
    if done.returncode != 0:
        raise RuntimeError(f"exit {done.returncode} of: {' '.join(words)}\n{done.stderr.strip()}")
    return done.stdout


def registered(kind: str) -> set[str]:
    return {entry["name"] for entry in json.loads(run(ASSAY, "list", "--json")) if entry["kind"] == kind}


@dataclass(frozen=True)
class DemoModel:
    """A model of configs/demo.toml."""

    name: str
    path: Path
    mean: tuple[float, ...]
    std: tuple[float, ...]


def demo_models() -> list[DemoModel]:
    config = ROOT / "configs" / "demo.toml"
    with config.open("rb") as file:
        models = tomllib.load(file)["model"]
    return [
        DemoModel(m.get("name", Path(m["path"]).stem), (config.parent / m["path"]).resolve(), tuple(m["mean"]), tuple(m["std"]))
        for m in models
    ]


def fashion_mnist(limit: int) -> tuple[np.ndarray, np.ndarray]:
    """The first test images, N x 1 x 28 x 28 uint8, and their labels, int64."""
    folder = ROOT / "data" / "fashion_mnist"

    def load(name: str, header: int) -> np.ndarray:
        return np.frombuffer(gzip.decompress((folder / name).read_bytes()), np.uint8, offset=header)

    images = load("t10k-images-idx3-ubyte.gz", 16).reshape(-1, 1, 28, 28)
    labels = load("t10k-labels-idx1-ubyte.gz", 8).astype(np.int64)
    return images[:limit].copy(), labels[:limit].copy()


def pixels(images: np.ndarray) -> np.ndarray:
    """[0, 1] float32, as assay and torchvision's ToTensor read bytes: one division."""
    return images.astype(np.float32) / np.float32(255)


def save_data(folder: Path, images: np.ndarray, labels: np.ndarray) -> Path:
    """A folder for `npy:`; images N x H x W x C uint8."""
    folder.mkdir(parents=True)
    np.save(folder / "images.npy", images)
    np.save(folder / "labels.npy", labels)
    return folder


@cache
def assay_attack(demo: DemoModel, name: str, params: tuple, n: int, folder: Path):
    """assay's last iterates and its predictions on them."""
    given = [word for key, value in params for word in (f"--{key}", str(value).lower())]
    run(ASSAY, "attack", demo.path, "fashion_mnist", name, *given, "--full", "--limit", n, "--batch", BATCH,
        "--no-fold", "--mean", *demo.mean, "--std", *demo.std, "--out", folder)  # fmt: skip
    with (folder / "samples.csv").open() as file:
        rows = list(csv.DictReader(file))
    column = {key: np.array([int(row[key]) for row in rows]) for key in ("index", "label", "pred_clean", "pred_adv", "success")}
    if len(rows) != n or (column["index"] != np.arange(n)).any():
        raise RuntimeError(f"samples.csv has {len(rows)} rows, or not in data order; expected {n}")
    return np.load(folder / "adversarial.npy"), column


def installed(package: str, environment: str = ".venv-oracle") -> Path:
    """The folder of a package's files, in an environment that need not be the running one."""
    found = sorted((ROOT / environment).glob(f"lib/python3*/site-packages/{package}"))
    if not found:
        raise FileNotFoundError(f"{environment} has no {package}")
    return found[0]


def threads() -> int:
    return len(os.sched_getaffinity(0))
