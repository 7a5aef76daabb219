#!/usr/bin/env python3
"""Compares assay with the tools that people use today, number by number.

usage: tests/parity/run.py [--subset] [--only WORD] [--write-table]

--subset       fewer images a check, for CI; every kind of check stays
--only         checks whose name holds WORD (for work on one of them: says so at the end)
--write-table  measures every corruption and writes the table of docs/corruptions.md; no checks

One line a check: the largest difference measured and the tolerance. Exit 1 when a check fails, a peer is missing or a row
was skipped. Run by ./run parity, in .venv-parity.
"""
import argparse
import importlib
import re
import subprocess
import sys
import tempfile
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import peers  # noqa: E402  (its own folder must be on the path first)


# Two processes, of about equal length, as most of a check runs on one processor.
PARTS = (
    ("corruptions", "folder", "metrics", "schemas", "order"),
    ("attack_replay", "apgd_replay", "fab_projection", "autoattack", "attack_end_to_end", "spsa"),
)


def measure(part: int, subset: bool, only: str) -> None:
    """Prints a line a check."""
    modules = [importlib.import_module(name) for name in PARTS[part]]
    with tempfile.TemporaryDirectory(prefix="assay-parity-") as work:
        for row in [row for module in modules for row in module.checks(Path(work), subset)]:
            if only not in row.name:
                continue
            try:
                result = row.measure()
                state = "ok  " if result.passed else "FAIL"
                line = f"{state} {row.name}: {result.value:.3g} (at most {result.tolerance:g})"
                print(line + (f"; {result.note}" if result.note else ""), flush=True)
            except Exception:
                print(f"FAIL {row.name}: {traceback.format_exc()}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--subset", action="store_true", help="fewer images a check, for CI")
    parser.add_argument("--only", default="", metavar="WORD", help="checks whose name holds WORD")
    parser.add_argument("--write-table", action="store_true", help="write the table of docs/corruptions.md; no checks")
    parser.add_argument("--part", type=int, choices=range(len(PARTS)), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part is not None:
        measure(options.part, options.subset, options.only)
        return 0

    faults = peers.faults()
    if faults:
        print("\n".join(f"error: {fault}" for fault in faults))
        print("parity: 0 checks, a peer is missing")
        return 1
    print("peers: " + ", ".join(f"{package} {version}" for package, (_, version) in peers.VERSIONS.items()), flush=True)
    if options.write_table:
        with tempfile.TemporaryDirectory(prefix="assay-parity-") as work:
            importlib.import_module("corruptions").write_table(Path(work))
        return 0

    began, names, failed = time.monotonic(), [], []
    words = [sys.executable, __file__, "--only", options.only, *(["--subset"] if options.subset else [])]

    def follow(part: int) -> int:
        with subprocess.Popen([*words, "--part", str(part)], stdout=subprocess.PIPE, text=True) as process:
            for line in process.stdout:
                print(line, end="", flush=True)
                # A name may hold a colon; behind it stands a number or an exception.
                if found := re.match(r"(ok  |FAIL) (.+?): (?=\S+ \(at most |Traceback)", line):
                    names.append(found[2])
                    if found[1] == "FAIL":
                        failed.append(names[-1])
        return process.returncode

    with ThreadPoolExecutor(len(PARTS)) as pool:
        codes = list(pool.map(follow, range(len(PARTS))))
    for name in failed:
        print(f"failed: {name}")
    if options.only:
        print("only some of the checks were asked for")
    if twice := {name for name in names if names.count(name) > 1}:
        print(f"two checks of one name: {sorted(twice)}")
    if any(codes):
        print(f"a part ended with {codes}")
    print(f"parity: {len(names)} checks, {len(names) - len(failed)} passed ({time.monotonic() - began:.0f} s)")
    return 0 if names and not failed and not twice and not any(codes) else 1


if __name__ == "__main__":
    sys.exit(main())
