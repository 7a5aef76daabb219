#!/usr/bin/env python3
"""What the CUDA compiler knows of every kernel in cuda/, without a GPU: registers, spills, occupancy, memory accesses.

usage: kernels.py [--check TABLE | --write TABLE] [--build DIR]

--check fails where an invariant is broken or TABLE is out of date; --write makes TABLE; without both, the table goes to
the standard output. --build: a finished build of preset cuda (build/cuda), which kept what nvcc made (nvcc.py).
"""
import argparse
import json
import math
import re
import shlex
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
THREADS = 256  # kTeamWidth
LEAST_OCCUPANCY = 50
# A multiprocessor's limits: CUDA programming guide, "Technical Specifications per Compute Capability".
REGISTERS, WARPS, BLOCKS = 65536, 64, 32
SHARED_KIB = {80: 164, 90: 228, 100: 228}
ARCHITECTURES = tuple(SHARED_KIB)

# What the files of a folder, whose stems are the registered names, must have kernels of.
REQUIRED = {"attacks": {"StartKernel", "AdvanceKernel"}, "losses": {"LossKernel"}, "corruptions": {"CorruptionKernel"},
            "metrics": {"MetricKernel"}}
# How kernels that stream rows must do it: floats 128 bits at a time, bytes four at a time.
STREAMS = {r"(Start|Advance)Kernel<.*>": "ld float, st float",
           r"GatherPixels": "ld byte, ld float, st float",
           r"GatherBytes": "ld byte, st byte",
           r"Quantise": "ld float, st byte, ld byte, st float",
           r"Luma": "ld float, st float",
           r"JudgeGradients": "ld float",
           r"(BeginSamples|Collect|MoveLanes)": "ld float, st float",
           r"FillLanes": "ld byte, ld float, st float",
           r"VerifyPoints": "ld float",
           r"CorruptionKernel<(Contrast|GaussianNoise|ImpulseNoise|ShotNoise)>": "ld byte, st float"}
# Kernels, and why they may break which rule: "spill" or "occupancy".
ALLOWED: dict[str, dict[str, str]] = {
    r"ScoreLogits|ScoreEnded": {
        "occupancy": "an exponential in double takes 80 registers; a row of logits is small beside the model's pass"},
    r"(Start|Advance)Kernel<(Fab<.*|Apgd<L2>|ApgdL1|PgdL1|SquareWindows<.*|SpsaLinf)>": {
        "occupancy": "projections, norms or draws in a row keep 68 to 115 registers; a step is small beside the model's pass"},
    r"CorruptionKernel<(ElasticTransform<(true|false)>|Fog|FrostProc|GlassBlur|JpegCompression|(Mud|Snow)<(true|false)>|Water)>": {
        "occupancy": "several phases of one image in a kernel, held together by the pointers to their working memory"}}
THEIRS = r"_ZN(3cub|6thrust)"  # a library's kernels, as they are mangled
NO_KERNELS = {"autoattack", "ensemble"}  # made of other attacks


class Kernel(NamedTuple):
    """One __global__ function on one architecture."""
    registers: int
    shared: int
    stack: int
    spill: int
    accesses: Counter

    def occupancy(self, arch: int) -> int:
        """In per cent, for blocks of THREADS threads."""
        warps = THREADS // 32
        of_a_warp = math.ceil(self.registers * 32 / 256) * 256  # from one of four partitions, in units of 256
        of_a_block = math.ceil(self.shared / 128) * 128 + 1024  # 1 KiB is the system's
        blocks = min(BLOCKS, WARPS // warps, REGISTERS // 4 // of_a_warp * 4 // warps,
                     SHARED_KIB[arch] * 1024 // of_a_block)
        return 100 * blocks * warps // WARPS


class Name(NamedTuple):
    file: str
    kernel: str
    kind: str

    def __str__(self) -> str:
        return f"{self.file}  {self.kernel}  {self.kind}"


Kernels = dict[Name, dict[int, Kernel]]


class Failure(Exception):
    pass


def run(command: list[str], **options) -> subprocess.CompletedProcess:
    try:
        return subprocess.run(command, capture_output=True, text=True, **options)
    except OSError as error:
        raise Failure(f"{command[0]}: {error.strerror}") from error


def kept_by(build: Path) -> dict[Path, dict]:
    """What nvcc.py kept of every file of cuda/ that was compiled there."""
    found = {}
    for entry in json.loads((build / "compile_commands.json").read_text()):
        folder, words = Path(entry["directory"]), shlex.split(entry["command"])
        source = (folder / entry["file"]).resolve()
        if source.suffix != ".cu" or ROOT / "cuda" not in source.parents:
            continue
        kept = folder / (words[words.index("-o") + 1] + ".kernels.json")
        if not kept.exists():
            raise Failure(f"{source.relative_to(ROOT)} is not compiled: {kept} does not exist; cmake --build --preset cuda")
        found[source] = json.loads(kept.read_text())
    return found


def version_of(command: list[str]) -> str:
    nvcc = next(word for word in command if Path(word).name == "nvcc")
    found = re.search(r"\bV(\d+\.\d+\.\d+)", run([nvcc, "--version"]).stdout)
    if found is None:
        raise Failure(f"{nvcc} --version names no version")
    return f"nvcc {found[1]}"


def accesses_in(body: str) -> Counter:
    """Of global memory, in an entry's PTX: "all", and by what is moved at once: "ld float" (128 bits), "ld byte" (four
    bytes), "st float", "st byte"."""
    count, words, packed = Counter(), [], set()
    for operation, operands in re.findall(r"^\s*(?:@!?%p\d+\s+)?([a-z][\w.]*)\s+([^;]*);", body, re.M):
        how, *kinds = operation.split(".")
        if how in ("bfe", "prmt"):
            packed.update(re.findall(r"%r\d+", operands))
        if how not in ("ld", "st"):
            count["calls"] += how == "call"
            continue
        if {"shared", "param", "local", "const"} & set(kinds):
            continue
        lanes = next((int(kind[1:]) for kind in kinds if re.fullmatch(r"v\d", kind)), 1)
        bits = int(re.search(r"\d+$", kinds[-1])[0])
        count["all"] += 1
        count[f"{how} float"] += lanes * bits >= 128
        count[f"{how} byte"] += lanes == 4 and bits == 8
        count["single bytes"] += lanes == 1 and bits == 8
        if lanes == 1 and bits == 32:
            words += [(how, register) for register in re.findall(r"%r\d+", operands)]
    # From sm_100 on, four bytes are one 32-bit word: taken apart, put together, or (where a tail goes byte by byte)
    # copied.
    seen = Counter(words)
    for how, register in words:
        copied = count["single bytes"] and seen["ld", register] and seen["st", register]
        count[f"{how} byte"] += bool(register in packed or copied)
    return count


def kernels_of(source: Path, kept: dict) -> dict[int, dict[str, Kernel]]:
    """The kernels by architecture and mangled name."""
    if absent := {str(arch) for arch in ARCHITECTURES} - kept["ptx"].keys():
        raise Failure(f"{source.relative_to(ROOT)} is not compiled for {', '.join(sorted(absent))}")
    ptx = {arch: kept["ptx"][str(arch)] for arch in ARCHITECTURES}
    accesses = {(arch, entry): accesses_in(body) for arch in ARCHITECTURES for entry, body in re.findall(
        r"^(?:\.visible |\.weak )?\.entry (\w+)\(.*?^\{(.*?)^\}", ptx[arch], re.S | re.M)}
    kernels: dict[int, dict[str, Kernel]] = {arch: {} for arch in ARCHITECTURES}
    for entry, arch, said in re.findall(
            r"Compiling entry function '(\w+)' for 'sm_(\d+)'(.*?registers[^\n]*)", kept["ptxas"], re.S):
        if re.match(THEIRS, entry):
            accesses.pop((int(arch), entry))
            continue

        def number(pattern: str) -> int:
            found = re.search(pattern, said)
            return int(found[1]) if found else 0
        kernels[int(arch)][entry] = Kernel(
            number(r"Used (\d+) registers"), number(r"(\d+) bytes smem"), number(r"(\d+) bytes stack frame"),
            number(r"(\d+) bytes spill stores") + number(r"(\d+) bytes spill loads"), accesses.pop((int(arch), entry)))
    if accesses:
        raise Failure(f"{source.relative_to(ROOT)}: ptxas said nothing of {sorted(accesses)}")
    return kernels


def short_names(file: str, mangled: list[str]) -> dict[str, Name]:
    tool = shutil.which("c++filt") or shutil.which("cu++filt") or shutil.which("cu++filt", path="/usr/local/cuda/bin")
    if tool is None:
        raise Failure("neither c++filt nor cu++filt found")
    names = {}
    for entry, full in zip(mangled, run([tool], input="\n".join(mangled)).stdout.splitlines(), strict=True):
        bare = re.sub(r"(\(anonymous namespace\)|\b[A-Za-z_]\w*)::", "", full).replace(" >", ">")
        # The functor is named twice, as the template's argument and as the function's last parameter.
        found = re.search(r"\b(wide_)?team_kernel<(.*)>\((?:.*, )?\2\)$", bare)
        names[entry] = Name(file, found[2], "wide" if found[1] else "solo") if found else Name(file, bare, "other")
    return names


def measure(build: Path) -> tuple[str, Kernels, list[Path]]:
    sources, kept = sorted((ROOT / "cuda").rglob("*.cu")), kept_by(build)
    if absent := [str(source.relative_to(ROOT)) for source in sources if source not in kept]:
        raise Failure(f"{build}: nvcc does not compile {', '.join(absent)} there")
    kernels: Kernels = {}
    for source in sources:
        for arch, entries in kernels_of(source, kept[source]).items():
            for entry, name in short_names(source.stem, sorted(entries)).items():
                kernels.setdefault(name, {})[arch] = entries[entry]
    return version_of(kept[sources[0]]["command"]), dict(sorted(kernels.items())), sources


HEADER = """\
# Kernels

What {compiler} makes of every kernel in `cuda/` (Thrust's own left out). Made by `tests/static/kernels.py --write`, held by
`--check`: no spill and no stack, an occupancy of {least}% or more (less where rows of logits are scored in double, and in
steps of several norms or projections), streams in 128-bit accesses.

- kernel: the functor, on one block a row (`solo`) or several (`wide`)
- a/b/c: sm_80, sm_90 and sm_100, where they differ
- registers: of a thread; shared, stack and spilled: bytes
- occupancy: of a multiprocessor's threads, in per cent, with blocks of {threads} and whatever else the kernel uses
- accesses: the loads and stores of global memory in its PTX; of these, quads: of 128 bits; bytes: of four bytes at once.
  They are counted as they are written, however often they run; the others are mostly tails, of rows whose length is no
  multiple of four

| file | kernel | kind | registers | shared | stack | spilled | occupancy | accesses | quads | bytes |
|---|---|---|---:|---:|---:|---:|---:|---:|---:|---:|
"""


def row(name: Name, by_arch: dict[int, Kernel]) -> str:
    def cell(of) -> str:
        values = [str(of(arch, by_arch[arch])) if arch in by_arch else "-" for arch in ARCHITECTURES]
        return values[0] if len(set(values)) == 1 else "/".join(values)
    cells = [*name, cell(lambda _, k: k.registers), cell(lambda _, k: k.shared), cell(lambda _, k: k.stack),
             cell(lambda _, k: k.spill), cell(lambda arch, k: k.occupancy(arch)), cell(lambda _, k: k.accesses["all"]),
             cell(lambda _, k: k.accesses["ld float"] + k.accesses["st float"]),
             cell(lambda _, k: k.accesses["ld byte"] + k.accesses["st byte"])]
    return f"| {' | '.join(cells)} |"


def table(compiler: str, kernels: Kernels) -> str:
    rows = [row(name, by_arch) for name, by_arch in kernels.items()]
    return HEADER.format(compiler=compiler, least=LEAST_OCCUPANCY, threads=THREADS) + "\n".join(rows) + "\n"


def broken_invariants(kernels: Kernels, sources: list[Path]) -> list[str]:
    findings = []
    for name, by_arch in kernels.items():
        allowed = next((why for pattern, why in ALLOWED.items() if re.fullmatch(pattern, name.kernel)), {})
        wanted = next((what.split(", ") for pattern, what in STREAMS.items() if re.fullmatch(pattern, name.kernel)), [])
        said: dict[str, list[str]] = {}  # what is wrong, and where
        for arch in ARCHITECTURES:
            if arch not in by_arch:
                said.setdefault("is missing", []).append(f"sm_{arch}")
                continue
            kernel, occupancy = by_arch[arch], by_arch[arch].occupancy(arch)
            if "spill" not in allowed and kernel.stack + kernel.spill > 0:
                said.setdefault("spills", []).append(
                    f"sm_{arch} ({kernel.stack} bytes of stack, {kernel.spill} bytes spilled, "
                    f"{kernel.registers} registers)")
            if "occupancy" not in allowed and occupancy < LEAST_OCCUPANCY:
                said.setdefault(f"has an occupancy under {LEAST_OCCUPANCY}%", []).append(
                    f"sm_{arch} ({occupancy}%, {kernel.registers} registers)")
            if kernel.accesses["calls"] > 0:
                said.setdefault("calls a function, whose accesses are not counted,", []).append(f"sm_{arch}")
            for what in wanted:
                if kernel.accesses[what] == 0:
                    width = "128-bit" if what.endswith("float") else "four-byte"
                    access = "load" if what.startswith("ld") else "store"
                    said.setdefault(f"has no {width} {access}", []).append(f"sm_{arch}")
        findings += [f"{name}: {what} on {', '.join(where)}" for what, where in said.items()]
    for source in sources:
        needed = REQUIRED.get(source.parent.name, set()) if source.stem not in NO_KERNELS else set()
        found = {name.kernel.split("<")[0] for name in kernels if name.file == source.stem}
        findings += [f"{source.stem}: {source.relative_to(ROOT)} has no {kernel}" for kernel in sorted(needed - found)]
    for pattern in STREAMS:
        if not any(re.fullmatch(pattern, name.kernel) for name in kernels):
            findings.append(f"no kernel is called {pattern}: bring STREAMS in kernels.py up to date")
    findings += [f"no kernel is {pattern}: take it out of ALLOWED in kernels.py" for pattern in ALLOWED
                 if not any(re.fullmatch(pattern, name.kernel) for name in kernels)]
    return findings


def out_of_date(path: Path, old: str, compiler: str, kernels: Kernels) -> list[str]:
    new = table(compiler, kernels)
    if old == new:
        return []
    made_by = re.search(r"^What (nvcc [\d.]+) makes", old, re.M)
    if made_by and made_by[1] != compiler:
        print(f"kernels: {path.name} is of {made_by[1]} and this is {compiler}: figures not compared")
        return []

    def rows(text: str) -> dict[Name, str]:
        cells = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
        return {Name(*each[:3]): " ".join(each[3:]) for each in cells[1:]}
    before, now = rows(old), rows(new)
    findings = [f"{name}: {before.get(name, 'nothing')} in {path.name}, {now.get(name, 'nothing')} now"
                for name in sorted(before.keys() | now.keys()) if before.get(name) != now.get(name)]
    return findings or [f"{path.name}: text or order differ from what --write makes"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--check", metavar="TABLE", type=Path)
    mode.add_argument("--write", metavar="TABLE", type=Path)
    parser.add_argument("--build", metavar="DIR", type=Path, default=ROOT / "build/cuda")
    options = parser.parse_args()
    try:
        old = options.check.read_text() if options.check else ""
        compiler, kernels, sources = measure(options.build)
        findings = broken_invariants(kernels, sources)
        if options.check:
            findings += out_of_date(options.check, old, compiler, kernels)
    except (Failure, OSError) as error:
        print(f"kernels: {error}", file=sys.stderr)
        return 2
    if options.write:
        options.write.write_text(table(compiler, kernels))
    elif not options.check:
        print(table(compiler, kernels), end="")
    for finding in findings:
        print(finding)
    every = [(arch, kernel) for by_arch in kernels.values() for arch, kernel in by_arch.items()]
    print(f"kernels: {len(kernels)} entries x {len(ARCHITECTURES)} architectures, "
          f"{sum(k.stack + k.spill > 0 for _, k in every)} spills, "
          f"at most {max(k.registers for _, k in every)} registers, "
          f"occupancy at least {min(k.occupancy(arch) for arch, k in every)}%, {len(findings)} findings")
    return 1 if options.check and findings else 0


if __name__ == "__main__":
    sys.exit(main())
