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
import sys
import tempfile
import time
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import peers  # noqa: E402  (its own folder must be on the path first)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--subset", action="store_true", help="fewer images a check, for CI")
    parser.add_argument("--only", default="", metavar="WORD", help="checks whose name holds WORD")
    parser.add_argument("--write-table", action="store_true", help="write the table of docs/corruptions.md; no checks")
    options = parser.parse_args()

    faults = peers.faults()
    if faults:
        print("\n".join(f"error: {fault}" for fault in faults))
        print("parity: 0 checks, a peer is missing")
        return 1
    print("peers: " + ", ".join(f"{package} {version}" for package, (_, version) in peers.VERSIONS.items()))

    # After the peers' versions, as these import them.
    import apgd_replay
    import attack_end_to_end
    import attack_replay
    import autoattack
    import corruptions
    import fab_projection
    import folder
    import metrics
    import order
    import schemas

    modules = [
        attack_replay, apgd_replay, fab_projection, autoattack, attack_end_to_end, order, corruptions, folder, metrics, schemas
    ]  # fmt: skip
    began, passed, failed = time.monotonic(), 0, []
    with tempfile.TemporaryDirectory(prefix="assay-parity-") as work:
        if options.write_table:
            corruptions.write_table(Path(work))
            return 0
        rows = [row for module in modules for row in module.checks(Path(work), options.subset)]
        names = [row.name for row in rows]
        assert len(set(names)) == len(names), "two checks of one name"
        rows = [row for row in rows if options.only in row.name]
        for row in rows:
            try:
                result = row.measure()
                state = "ok  " if result.passed else "FAIL"
                line = f"{state} {row.name}: {result.value:.3g} (at most {result.tolerance:g})"
                print(line + (f"; {result.note}" if result.note else ""), flush=True)
            except Exception:
                state = "FAIL"
                print(f"FAIL {row.name}: {traceback.format_exc()}", flush=True)
            if state == "FAIL":
                failed.append(row.name)
            else:
                passed += 1
    for name in failed:
        print(f"failed: {name}")
    if options.only:
        print(f"only {len(rows)} of {len(names)} checks were asked for")
    print(f"parity: {len(rows)} checks, {passed} passed ({time.monotonic() - began:.0f} s)")
    return 0 if rows and passed == len(rows) else 1


if __name__ == "__main__":
    sys.exit(main())
