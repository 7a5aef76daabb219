#!/usr/bin/env python3
"""Times every corruption, severities 1 to 5, on one thread: assay beside imagecorruptions 1.1.2.

usage: bench/corruptions_bench.py [--sides 224 32] [--repeats 3] [--only WORD] [--severities 1 2 3 4 5] [--json FILE]

Milliseconds an image. Both corrupt with the constants of ImageNet-C at either size, because imagecorruptions has no others; it is
given what it needs to run on these versions, and called as people call it, image by image, on photographs: its processor time.
assay's is what `assay bench` says of the corruption and of the quantisation to bytes and pixels behind it, as in a sweep, where
images stay where the model wants them: the fastest loop, on noise. Contenders run in turn, one severity after the other; a
ratio is the median over turns of imagecorruptions' time / assay's of the same turn. Not the same operators everywhere
(docs/corruptions.md), but the same names. Run in .venv-oracle, after ./run parity has made it.
"""
import argparse
import contextlib
import io
import json
import os
import statistics
import sys
import time
import warnings
from pathlib import Path

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--sides", type=int, nargs="+", default=[224, 32], choices=(224, 32))
parser.add_argument("--severities", type=int, nargs="+", default=[1, 2, 3, 4, 5])
parser.add_argument("--repeats", type=int, default=3)
parser.add_argument("--only", default="", metavar="WORD", help="corruptions whose name holds WORD")
parser.add_argument("--json", type=Path, help="also write every time measured here")
options = parser.parse_args()
# Before NumPy is imported, and inherited by assay.
os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"
os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-1:])
warnings.simplefilter("ignore")

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "parity"))
import imagecorruptions  # noqa: E402
import numpy as np  # noqa: E402

import peer_corruptions  # noqa: E402, F401  (mends the peer)
from imagenet_c import NAMES  # noqa: E402
from photos import natural  # noqa: E402
from program import ASSAY, registered, run  # noqa: E402

LEAST_SECONDS = 0.25
BATCHES = {224: 64, 32: 128}  # of `assay bench`, which has no other sides


class Assay:
    def __init__(self, side: int):
        self.side = side
        self.quantise = self.line("engine quantise", 3)

    def line(self, what: str, severity: int) -> float:
        """Milliseconds an image of a kernel."""
        shape = f"{BATCHES[self.side]}x3x{self.side}x{self.side}"
        # imagecorruptions' fog is as large as the image, ImageNet-C's at table 224 always 256 x 256.
        table = self.side if what == "corruption fog" else 224
        lines = json.loads(run(ASSAY, "bench", "--filter", f"{what} {shape}", "--severity", severity, "--table", table, "--repeat", 3,
                               "--threads", 1, "--json"))["lines"]  # fmt: skip
        return lines[0]["fastest_ms"] / BATCHES[self.side]

    def ms(self, name: str, severity: int) -> float:
        return self.line(f"corruption {name}", severity) + self.quantise


class Peer:
    def __init__(self, side: int):
        self.photos = natural(side, side)
        np.random.seed(0)

    def ms(self, name: str, severity: int) -> float:
        done, began = 0, time.process_time()
        with contextlib.redirect_stdout(io.StringIO()):  # it reports sizes that it does not expect
            while done == 0 or time.process_time() - began < LEAST_SECONDS:
                imagecorruptions.corrupt(self.photos[done % len(self.photos)], severity=severity, corruption_name=name)
                done += 1
        return 1e3 * (time.process_time() - began) / done


def measure(side: int, names: list[str]):
    """Milliseconds an image by corruption and contender, turns of severities."""
    contenders = {"assay": Assay(side), "imagecorruptions": Peer(side)}
    times = {name: {contender: [] for contender in contenders} for name in names}
    contenders["imagecorruptions"].ms("contrast", 1)  # warm up
    for turn in range(options.repeats):
        for name in names:
            found = {contender: [] for contender in contenders}
            for severity in options.severities:
                for contender in list(contenders)[:: 1 if turn % 2 == 0 else -1]:
                    found[contender].append(contenders[contender].ms(name, severity))
            for contender, ms in found.items():
                times[name][contender].append(ms)
        print(f"side {side}: turn {turn + 1}/{options.repeats}", file=sys.stderr)
    return times


def report(side: int, times) -> None:
    def median_by_severity(turns):
        return [statistics.median(ms) for ms in zip(*turns, strict=True)]

    def ratios(own, theirs):
        return [sum(t) / max(sum(o), 1e-9) for o, t in zip(own, theirs, strict=True)]

    severities = " ".join(map(str, options.severities))
    print(f"\n{side} x {side}, severities {severities}, constants of 224, one thread, {options.repeats} turns: ms an image")
    print(f"{'':18} {'assay':>40} {'imagecorruptions 1.1.2':>44} {'takes':>8}")
    for name, by in times.items():
        own, theirs = median_by_severity(by["assay"]), median_by_severity(by["imagecorruptions"])
        found = ratios(by["assay"], by["imagecorruptions"])
        print(f"{name:18} {' '.join(f'{ms:7.3f}' for ms in own):>40} {' '.join(f'{ms:8.3f}' for ms in theirs):>44}"
              f" {statistics.median(found):7.1f}x ({min(found):.1f} to {max(found):.1f})")  # fmt: skip
    for title, left_out in (("all", ()), ("without glass_blur", ("glass_blur",))):
        kept = [by for name, by in times.items() if name not in left_out]
        if not kept or len(kept) == len(times) and left_out:
            continue
        turns, share = range(options.repeats), 1 / len(options.severities)
        sums = {contender: [share * sum(sum(by[contender][turn]) for by in kept) for turn in turns] for contender in kept[0]}
        found = [t / o for o, t in zip(sums["assay"], sums["imagecorruptions"], strict=True)]
        print(f"{title}, {len(kept)} corruptions: assay {statistics.median(sums['assay']):.1f} ms an image, mean over severities,"
              f" imagecorruptions {statistics.median(sums['imagecorruptions']):.1f} ms:"
              f" {statistics.median(found):.1f} times as long ({min(found):.1f} to {max(found):.1f})")  # fmt: skip


def main() -> int:
    wanted = [name for name in NAMES if options.only in name]
    absent = sorted(set(wanted) - registered("corruption"))
    names = [name for name in wanted if name not in absent]
    everything = {}
    for side in options.sides:
        everything[side] = measure(side, names)
        report(side, everything[side])
    if options.json:
        said = {key: str(value) for key, value in vars(options).items()}
        options.json.write_text(json.dumps({"options": said, "ms": everything}, indent=1) + "\n")
    for name in absent:
        print(f"FAIL: assay has no corruption '{name}'")
    return 1 if absent else 0


if __name__ == "__main__":
    sys.exit(main())
