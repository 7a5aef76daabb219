#!/usr/bin/env python3
"""Runs the tests of the CUDA backend on a GPU under compute-sanitizer: memcheck for bounds, racecheck for shared memory.

    tests/device/sanitizer.py build/cuda/assay build/cuda/tests/assay_device_tests

Exit code 77, and a line that says why, where there is no device or no compute-sanitizer. Standard library only.
"""
import json
import shutil
import subprocess
import sys

FOUND_SOMETHING = 9


def skip(why: str) -> None:
    print(f"skipped: {why}")
    sys.exit(77)


def main() -> int:
    assay, tests = sys.argv[1:3]
    doctor = subprocess.run([assay, "doctor", "--json"], capture_output=True, text=True, check=True)
    cuda = json.loads(doctor.stdout)["cuda"]
    if not cuda["available"]:
        skip(f"no CUDA device here: {cuda['reason']}")
    tool = shutil.which("compute-sanitizer") or shutil.which("/usr/local/cuda/bin/compute-sanitizer")
    if tool is None:
        skip("no compute-sanitizer on PATH or in /usr/local/cuda/bin; it comes with the CUDA toolkit")
    for check in ("memcheck", "racecheck"):
        print(f"{check} of {tests}", flush=True)
        code = subprocess.run([tool, "--tool", check, "--error-exitcode", str(FOUND_SOMETHING), tests, "--gtest_brief=1"]).returncode
        if code != 0:
            print(f"{check}: " + ("it found what it says above" if code == FOUND_SOMETHING else f"the tests ended with {code}"))
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
