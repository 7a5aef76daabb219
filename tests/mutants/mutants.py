#!/usr/bin/env python3
"""Breaks the device code on purpose, one line at a time, and demands that the tests of that code notice.

usage: tests/mutants/mutants.py [--only WORD] [--build DIR] [--tsan DIR]

Every barrier is taken out once, every buffer that is used in turn is used always, the atomic is made plain, bounds are shifted.
Each mutant is compiled into the fibers' tests (build/release) and must make one of them fail; what a run cannot see, such as a
plain atomic on one thread, must make TSan speak (build/tsan). Both backends share most lines: where their results are wrong
together, the tests of the kernels on the CPU are asked (assay_core_tests, a filter that begins with "cpu:"). Exit 1 when a mutant survives, or a line of LIST is gone.
"""
import argparse
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TEAM = "include/assay/core/team.hpp"
TEAM_TEST = "tests/device/team_test.cu"
FIBERS, CPU = "tests/assay_device_tests", "tests/assay_core_tests"

# Found by themselves, so that a new one is tested before anyone lists it.
BARRIERS = re.compile(r"^ *(?:block_\.(?:row_)?sync|team\.sync|__syncthreads)\(\);.*\n|(?<=\{ )(?:block_\.row_sync|__syncthreads)\(\);", re.M)
TURNS = re.compile(r"^ *turn_ \^= 1;\n", re.M)


@dataclass(frozen=True)
class Mutant:
    file: str
    what: str
    text: str  # of the whole mutated file
    tests: str  # a filter for GoogleTest

    @property
    def name(self) -> str:
        return f"{self.file}: {self.what}"


# file, text, what it becomes, tests that are to notice.
LIST = [
    (TEAM, "__atomic_fetch_add(counter, amount, __ATOMIC_RELAXED);", "*counter += amount;", "Team.LosesNo*"),
    (TEAM, "arrive(&meeting_->arrived);", ";", "Team.*"),
    (TEAM, "< expected_) __nanosleep", "< expected_ - 1) __nanosleep", "Team.*"),
    (TEAM, "together.val.cooperative = 1;", "together.val.cooperative = 0;", "Team.*"),
    (TEAM, "static_cast<unsigned>(rows * parts));", "static_cast<unsigned>(rows * parts - 1));", "Team.*"),
    (TEAM, "return 8 + 2 * 8 * joined;", "return 8 + 8 * joined;", "Team.*"),
    (TEAM, "ASSAY_CUDA_CHECK(cudaMemsetAsync(exec.workspace, 0, static_cast<std::size_t>(bytes), exec.stream));", "", "Team.*"),
    (TEAM, "row < rows; row += gridDim.x) f(team, row);", "row + 1 < rows; row += gridDim.x) f(team, row);", "Team.*"),
    (TEAM, "i < end; i += kTeamElements) f(i);", "i + 1 < end; i += kTeamElements) f(i);", "Team.*"),
    (TEAM, "k < i + 4 && k < n; ++k) f(k);", "k < i + 4 && k <= n; ++k) f(k);", "Team.*"),
    (TEAM, "k < i + 4 && k < n; ++k) f(k);", "k < i + 3 && k < n; ++k) f(k);", "Team.*"),
    (TEAM, "if (at + k < n) partial[k] += f(at + k);", "if (at + k <= n) partial[k] += f(at + k);", "Team.*"),
    (TEAM, "if (at + k < n) partial[k] += f(in[at + k]...);", "if (at + k <= n) partial[k] += f(in[at + k]...);", "Team.*"),
    (TEAM, "k < i + 4 && k < n; ++k) {", "k < i + 4 && k + 1 < n; ++k) {", "Team.*"),
    (TEAM, "k < i + 4 && k < n; ++k) out[k]", "k < i + 4 && k <= n; ++k) out[k]", "Team.*"),
    (TEAM, "? n / 4 * 4 : 0;", "? (n + 3) / 4 * 4 : 0;", "Team.*"),
    (TEAM, "if (k < count) at[k] = quad.v[k];", "if (k <= count) at[k] = quad.v[k];", "Team.*"),
    (TEAM, "s * kSegment < n; ++s) total += joined[s];", "(s + 1) * kSegment < n; ++s) total += joined[s];", "Team.*"),
    (TEAM, "p < block_.parts(); ++p) best", "p < block_.parts() - 1; ++p) best", "Team.*"),
    (TEAM, "if (worker < kWarp) {", "if (worker < kWarp - 1) {", "Team.*"),
    (TEAM, "for (int half = kWarp / 2; half > 0; half /= 2) folded", "for (int half = kWarp / 2; half > 1; half /= 2) folded", "Team.*"),
    (TEAM, "if (block_.part() == 0 && block_.worker() == 0) f();", "if (block_.worker() == 0) f();", "Team.*"),
    ("cuda/metrics/metric_kernel.hpp", "(n + kRowsPerTeam - 1) / kRowsPerTeam", "n / kRowsPerTeam", "cpu:Accuracy.*"),
    ("cuda/metrics/metric_kernel.hpp", "n - first < kRowsPerTeam ? n - first", "n - first < kRowsPerTeam ? n - first - 1", "cpu:Accuracy.*"),
    ("cuda/metrics/binned.hpp", "for (; i < n; ++i) sums[0]", "for (; i + 1 < n; ++i) sums[0]", "cpu:Ece.*"),
    ("cuda/corruptions/corruption_kernel.hpp", "if (4 * q + k < row.size()) gray", "if (4 * q + k < row.size() - 1) gray", "cpu:*EveryCorruption*gaussian_noise"),
    ("cuda/corruptions/shot_noise.cu", "kParts + (m >> 18)]", "kParts + (m >> 18) + 1]", "cpu:ShotNoise.*"),
    ("cuda/core/score.hpp", "if (before < 5)", "if (before <= 5)", "cpu:Score*"),
    ("cuda/core/side_by_side.hpp", "before[r] < 5", "before[r] <= 5", "cpu:Score*"),
    ("cuda/core/side_by_side.hpp", "v[k][r] = values[r", "v[k][r] = values[(r & 6)", "cpu:Score*"),
    ("cuda/core/rows.cu", "? from + r : until", "? from + r + 1 : until", "cpu:NumberRows.*"),
    ("cuda/corruptions/corruption_kernel.hpp", "team.map_quads(n, draws + at, drawn);", "team.map_quads(n - 1, draws + at, drawn);", "cpu:*EveryCorruption*gaussian_noise"),
    ("cuda/corruptions/hsv.hpp", "team.each(plane, ", "team.each(plane + 1, ", "*EveryCorruption*brightness"),
    ("cuda/corruptions/pixelate.cu", "sx < across.first + across.count", "sx + 1 < across.first + across.count", "cpu:*Pixelate*"),
    ("cuda/corruptions/motion.hpp", "step >= side || step <= -side", "step > side || step < -side", "cpu:MotionBlur.*"),
    ("cuda/corruptions/snow.cu", "kWhole ? w : layer_w;", "w;", "cpu:Snow.*"),
    ("cuda/corruptions/glass_blur.cu", "const bool later = source > at;", "const bool later = false;", "*EveryCorruption*glass_blur"),
    ("cuda/corruptions/glass_blur.cu", "for (int y = h - reach; y", "for (int y = h - reach - 1; y", "cpu:GlassBlur.*"),
    ("cuda/corruptions/jpeg.hpp", "inside > 0 ? inside : 0", "inside > 0 ? inside + 1 : 0", "cpu:*JpegCompression*"),
    ("cuda/core/lanes.cu", "next < pool.end && !open(pool, next)", "next < pool.end && open(pool, next)", "cpu:Lanes.*"),
    ("cuda/core/lanes.cu", "if (number < pool.winner[u]) pool.winner", "pool.winner", "cpu:Lanes.*"),
    ("cuda/core/lanes.cu", "(pool.full || winner > number)", "(pool.full || winner > number - 2)", "cpu:Lanes.*"),
    ("cuda/core/lanes.cu", "nll > best || ", "nll < best || ", "cpu:Lanes.*"),
    ("cuda/core/lanes.cu", "if (!leads(lanes.batch, source)) continue;", "if (!leads(lanes.batch, source + 1)) continue;", "cpu:Lanes.*"),
    ("cuda/core/lanes.cu", "lanes.item[r] = lanes.item[from];", "", "DeviceLanes.Shrink*"),
    ("cuda/core/lanes.cu", "lanes.batch.verdict[from] = Verdict::idle;", "lanes.batch.verdict[r] = Verdict::idle;", "DeviceLanes.Shrink*"),
    ("cuda/core/lanes.cu", "within && !seen.has", "!seen.has", "cpu:Lanes.*"),
    ("cuda/core/lanes.cu", "<= winner ? own.spent", "< winner ? own.spent", "cpu:*EveryAttack*"),
    ("cuda/core/lanes.cu", "if (!is_due(pool, u)) return false;", "", "cpu:*Curve*"),
    ("cuda/core/lanes.cu", "(high - low) / 2 : low + 1;", "(high - low) / 2 : low + 2;", "cpu:*Curve*"),
    ("cuda/core/lanes.cu", "if (first ? !served(lanes.batch, r) : lanes.batch.verdict[r] != Verdict::advance) return;", "if (!served(lanes.batch, r)) return;", "*EveryAttack*EveryParameterSet/apgd_dlr_l1"),
    ("cuda/core/lanes.cu", "own.spent[r] -= kForward;", "own.spent[r] -= kBackward;", "cpu:Lanes.*"),
    ("cuda/core/lanes.cu", "if (lanes.batch.wrong_ends && lanes.seen[r] != Seen::right) return;", "", "cpu:Lanes.*"),
    ("cuda/core/lanes.cu", "k < own.label[r] ? k : k + 1", "k < own.label[r] ? k : k + 2", "cpu:*EveryAttack*fab_l*:*Fab*"),
    ("cuda/attacks/apgd.cu", "if (back) lane.length /= 2.f;", "", "cpu:*Apgd*"),
    ("cuda/attacks/apgd.cu", "return lane.phase + 1 == phases();", "return true;", "cpu:*EveryAttack*apgd_ce_l1:*Apgd*"),
    ("cuda/attacks/l1_ball.hpp", "cut = cut < size ? cut : size;", "", "cpu:L1Ball.*"),
    ("cuda/attacks/l1_ball.hpp", "if (count == below + 1)", "if (count == below)", "cpu:SelectRising.*"),
    ("cuda/attacks/mi_fgsm.cu", "mu * m + (flat", "m + (flat", "cpu:*MiFgsm*"),
    ("cuda/core/lanes.cu", "asks(lanes.batch.verdict[own])) spent -= kForward;", "asks(lanes.batch.verdict[own])) spent -= 0;", "cpu:SpsaLinf.Charges*"),
    ("cuda/attacks/spsa_linf.cu", "return lane.asked == 0;", "return true;", "cpu:SpsaLinf.*"),
    ("cuda/attacks/spsa_linf.cu", "lane.second *= kSecondDecay;", "lane.second *= kFirstDecay;", "cpu:SpsaLinf.*"),
    ("cuda/losses/margin.cu", "cotangent[k] = k == label", "cotangent[k + 1] = k == label", "*EveryLoss*margin"),
]  # fmt: skip
# Mutants of a header are compiled into one of the files that include it.
COMPILED_IN = {
    TEAM: TEAM_TEST,
    "cuda/attacks/l1_ball.hpp": "tests/cuda/l1_ball_test.cpp",
    "cuda/core/side_by_side.hpp": "cuda/core/rows.cu",
    "cuda/core/score.hpp": "cuda/core/rows.cu",
    "cuda/metrics/binned.hpp": "cuda/metrics/ece.cu",
    "cuda/metrics/metric_kernel.hpp": "cuda/metrics/accuracy.cu",
    "cuda/corruptions/blur.hpp": "cuda/corruptions/gaussian_blur.cu",
    "cuda/corruptions/corruption_kernel.hpp": "cuda/corruptions/gaussian_noise.cu",
    "cuda/corruptions/hsv.hpp": "cuda/corruptions/brightness.cu",
    "cuda/corruptions/jpeg.hpp": "cuda/corruptions/jpeg_compression.cu",
    "cuda/corruptions/motion.hpp": "cuda/corruptions/motion_blur.cu",
    "cuda/corruptions/plasma.hpp": "cuda/corruptions/fog.cu",
    "cuda/corruptions/water.hpp": "cuda/corruptions/spatter.cu",
}
TESTS_OF = {"attacks": "*EveryAttack*", "losses": "*EveryLoss*", "corruptions": "*EveryCorruption*", "metrics": "*EveryMetric*"}


def mutants() -> list[Mutant]:
    found = []
    kernels = [str(path.relative_to(ROOT)) for path in (ROOT / "cuda").rglob("*.cu")]
    for file in [TEAM, *sorted({*kernels, *COMPILED_IN} - {TEAM})]:
        text = (ROOT / file).read_text()
        stem = Path(COMPILED_IN.get(file, file)).stem
        filter_ = "Team.*" if file == TEAM else TESTS_OF.get(Path(file).parent.name, "*Every*") + stem
        for pattern in (BARRIERS, TURNS):
            for match in pattern.finditer(text):
                line = text.count("\n", 0, match.start()) + 1
                found.append(Mutant(file, f"line {line} without `{match[0].split(';')[0].strip()};`", text[: match.start()] + text[match.end() :], filter_))
    for file, old, new, filter_ in LIST:
        text = (ROOT / file).read_text()
        if text.count(old) != 1:
            sys.exit(f"error: {file} has {text.count(old)} times `{old}`, expected once: the list of mutants is out of date")
        found.append(Mutant(file, f"`{' '.join(new.split())}` for `{' '.join(old.split())}`", text.replace(old, new), filter_))
    return found


class Build:
    """A program of tests in a build folder."""

    def __init__(self, folder: Path, program: str):
        self.folder = folder
        commands = json.loads((folder / "compile_commands.json").read_text())
        self.compile = {entry["file"]: entry["command"] for entry in commands if ("ASSAY_SIMT" in entry["command"]) == (program == FIBERS)}
        done = subprocess.run(["ninja", "-C", folder, "-t", "commands", "-s", program], check=True, capture_output=True, text=True)
        last = done.stdout.splitlines()[-1]
        words = shlex.split(last)
        self.link = words[words.index("&&") + 1 :] if words[0] == ":" else words
        self.link = self.link[: self.link.index("&&")] if "&&" in self.link else self.link

    def fails(self, mutant: Mutant, work: Path, tsan: bool) -> str:
        """How the tests fail with the mutant; empty: they pass."""
        overlay = work / "overlay" / mutant.file
        overlay.parent.mkdir(parents=True, exist_ok=True)
        overlay.write_text(mutant.text)
        source = COMPILED_IN.get(mutant.file, mutant.file)
        command = shlex.split(self.compile[str(ROOT / source)])
        if command[0].endswith("ccache"):
            command = command[1:]
        original = command[command.index("-o") + 1]
        made = work / "mutant.o"
        command[command.index("-o") + 1] = str(made)
        if source == mutant.file:
            command[-1] = str(overlay)
            command.insert(1, f"-I{(ROOT / source).parent}")
        for folder in ("cuda", "include"):
            command.insert(1, f"-I{work / 'overlay' / folder}")
        compiled = subprocess.run([*command, "-O1", "-w"], cwd=self.folder, capture_output=True, text=True)
        if compiled.returncode != 0:
            sys.exit(f"error: {mutant.name} does not compile:\n{compiled.stderr}")
        link = [str(made) if word == original else word for word in self.link]
        if mutant.file == TEAM:
            # Others' copies of the team's inline functions must not stand in for the mutant's.
            needed = (str(made), "simt/", "core/transfer", "core/sort", "src/core/")
            link = [word for word in link if not word.endswith(".o") or any(part in word for part in needed)]
        program = work / "tests"
        link[link.index("-o") + 1] = str(program)
        subprocess.run(link, cwd=self.folder, check=True)
        environment = os.environ | {"OMP_WAIT_POLICY": "passive", "TSAN_OPTIONS": "halt_on_error=1 atexit_sleep_ms=0"}
        try:
            ran = subprocess.run([program, f"--gtest_filter={mutant.tests.removeprefix('cpu:')}", "--gtest_brief=1", "--gtest_fail_fast"], env=environment, capture_output=True, text=True, timeout=300)  # fmt: skip
        except subprocess.TimeoutExpired:
            return "no end after 300 s"
        if "] 0 tests from" in ran.stdout:
            sys.exit(f"error: no test has the name {mutant.tests}")
        if ran.returncode == 0:
            return ""
        return "TSan" if tsan and "ThreadSanitizer" in ran.stderr else f"a test (exit {ran.returncode})"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", metavar="WORD", help="mutants whose name holds WORD")
    parser.add_argument("--build", type=Path, default=ROOT / "build/release")
    parser.add_argument("--tsan", type=Path, default=ROOT / "build/tsan")
    options = parser.parse_args()
    plain, tsan, cpu = Build(options.build, FIBERS), Build(options.tsan, FIBERS), Build(options.build, CPU)
    began = time.monotonic()

    def judge(mutant: Mutant) -> tuple[Mutant, str]:
        with tempfile.TemporaryDirectory(prefix="assay-mutant-") as folder:
            why = (cpu if mutant.tests.startswith("cpu:") else plain).fails(mutant, Path(folder), tsan=False)
        if not why and not mutant.tests.startswith("cpu:"):
            with tempfile.TemporaryDirectory(prefix="assay-mutant-") as folder:
                why = tsan.fails(mutant, Path(folder), tsan=True)
        return mutant, why

    chosen = [mutant for mutant in mutants() if options.only in mutant.name]
    survivors = []
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for mutant, why in pool.map(judge, chosen):
            print(f"{'killed by ' + why if why else 'SURVIVED'}: {mutant.name}", flush=True)
            if not why:
                survivors.append(mutant)
    for mutant in survivors:
        print(f"survived: {mutant.name}")
    print(f"mutants: {len(chosen)}, {len(chosen) - len(survivors)} killed ({time.monotonic() - began:.0f} s)")
    return 0 if chosen and not survivors else 1


if __name__ == "__main__":
    sys.exit(main())
