#!/usr/bin/env python3
"""Which lines of the device code the tests on fibers reach.

usage: tests/static/coverage.py [--build DIR] [--at-least PERCENT] [--forget]

Adds up what gcov says of cuda/ and of the headers that kernels are made of after the fibers' tests of a build with sanitizers
(ctest --preset ci runs all three steps). Lists every line that no test reaches; exit 1 below the given share (95%).
"""
import argparse
import json
import os
import subprocess
import sys
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HEADERS = {f"include/assay/core/{name}.hpp" for name in ("device", "kernel", "math", "philox", "team")}


def counts(data: Path) -> list[tuple[str, int, int]]:
    """(file, line, times it was reached) of one object file's part of the device code."""
    done = subprocess.run(["gcov", "--json-format", "--stdout", data], check=True, capture_output=True, cwd=data.parent)
    found = []
    for document in done.stdout.splitlines():
        for file in json.loads(document)["files"]:
            path = Path(file["file"])
            name = str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else ""
            if name.startswith("cuda/") or name in HEADERS:
                found += [(name, line["line_number"], line["count"]) for line in file["lines"]]
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=Path, default=ROOT / "build/ci")
    parser.add_argument("--at-least", type=float, default=95, metavar="PERCENT")
    parser.add_argument("--forget", action="store_true", help="remove what earlier runs counted; no sum")
    options = parser.parse_args()
    objects = options.build / "tests/CMakeFiles/assay_device_tests.dir"
    if options.forget:
        for old in objects.rglob("*.gcda"):
            old.unlink()
        return 0
    reached: dict[tuple[str, int], int] = defaultdict(int)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for lines in pool.map(counts, sorted(objects.rglob("*.gcda"))):
            for name, line, count in lines:
                reached[name, line] += count
    if not reached:
        sys.exit("error: gcov found no line of the device code")
    texts = {name: (ROOT / name).read_text().splitlines() for name, _ in reached}
    for (name, line), count in sorted(reached.items()):
        if count == 0:
            print(f"not reached: {name}:{line}: {texts[name][line - 1].strip()}")
    hit = sum(count > 0 for count in reached.values())
    share = 100 * hit / len(reached)
    print(f"coverage: {hit} of {len(reached)} lines of the device code in {len(texts)} files, {share:.1f}% (at least {options.at_least:g}%)")
    return 0 if share >= options.at_least else 1


if __name__ == "__main__":
    sys.exit(main())
