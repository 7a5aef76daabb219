#!/usr/bin/env python3
"""Compiles with nvcc, and keeps beside the object what kernels.py is to judge: PTX, and what ptxas says of each kernel.

usage: nvcc.py NVCC ARGUMENT... (CMake's launcher of the CUDA compiler, so that nothing is compiled twice)
"""
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path


def main(command: list[str]) -> int:
    if "-c" not in command:
        return subprocess.run(command).returncode
    made = Path(command[command.index("-o") + 1])
    with tempfile.TemporaryDirectory(prefix="nvcc-") as scratch:
        done = subprocess.run([*command, "-Xptxas=-v", "--keep", f"--keep-dir={scratch}"], stderr=subprocess.PIPE, text=True)
        ptx = {path.stem.rpartition(".compute_")[2]: path.read_text() for path in Path(scratch).glob("*.compute_*.ptx")}
    for line in done.stderr.splitlines():
        if not re.match(r"ptxas info|\s+\d+ bytes stack frame", line):
            print(line, file=sys.stderr)
    if done.returncode == 0:
        kept = made.with_name(made.name + ".kernels.json")
        kept.write_text(json.dumps({"command": command, "ptx": ptx, "ptxas": done.stderr}))
    return done.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
