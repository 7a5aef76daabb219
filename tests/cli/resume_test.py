"""Runs that are killed, interrupted or damaged, and go on: nothing committed is computed again, and the results are the same."""
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

from program import NORMALISED, ROBUST, SECONDS, STANDARD, Case
from program import attack, content, corruption, identity, model, run, start, sweep, units, write

KILLS = 10
CONFIG = sweep(
    attack("pgd_linf", "epsilon = [0.02, 0.1]\nsteps = 4"),
    corruption("gaussian_noise", 3),
    models=model(STANDARD, NORMALISED) + model(ROBUST, NORMALISED),
    top='metrics = ["accuracy", "robust_accuracy", "robust_accuracy_final", "ece"]',
    limit=80,
)
TOTAL = 2 * 4 * 5  # models, cells of each, units of each


def setUpModule() -> None:
    folder = tempfile.TemporaryDirectory(prefix="assay-test-")
    unittest.addModuleCleanup(folder.cleanup)
    Interrupted.whole = Path(folder.name) / "whole"
    Interrupted.config = write(Path(folder.name) / "sweep.toml", CONFIG)
    result = run("run", Interrupted.config, "--out", Interrupted.whole)
    assert result.returncode == 0, result.stderr
    assert len(units(Interrupted.whole)) == TOTAL
    Interrupted.results = (Interrupted.whole / "results.json").read_bytes()


class Interrupted(Case):
    """Tests that end where an uninterrupted run of CONFIG ended."""

    def setUp(self) -> None:
        super().setUp()
        self.out = self.dir / "out"

    def start_until(self, committed: int, **options: object) -> subprocess.Popen:
        """A run that has committed at least so many units: counted, not timed. It may have come to its end."""
        process = start("run", self.config, "--out", self.out, **options)
        give_up = time.monotonic() + SECONDS
        while len(units(self.out)) < committed and process.poll() is None:
            self.assertLess(time.monotonic(), give_up)
            time.sleep(0.002)
        return process

    def end(self, process: subprocess.Popen) -> tuple[int, str]:
        _, err = process.communicate(timeout=SECONDS)
        return process.returncode, err

    def assert_resumes(self) -> int:
        """Runs to the end: only what was missing is computed. Returns how many units there were before."""
        before = identity(self.out)
        committed = len(units(self.out))
        self.done("run", self.config, "--out", self.out)
        self.assertEqual((self.out / "results.json").read_bytes(), self.results)
        self.assertLessEqual(before.items(), identity(self.out).items(), "a committed unit was written again")
        counts = json.loads((self.out / "run-info.json").read_text())["units"]
        self.assertEqual(counts, {"planned": TOTAL, "reused": committed, "computed": TOTAL - committed, "failed": 0})
        return committed


class Kill(Interrupted):
    def test_a_killed_run_goes_on_where_it_was(self) -> None:
        table = []
        for kill in range(KILLS):
            with self.subTest(kill=kill):
                shutil.rmtree(self.out, ignore_errors=True)
                # 10% to 90% of the units. The attacks are nearly all of the work, and begin after an eighth of it.
                process = self.start_until(round(TOTAL * (0.1 + 0.8 * kill / (KILLS - 1))))
                process.kill()
                self.end(process)
                committed = self.assert_resumes()
                table.append((committed, TOTAL - committed))
        print("committed and missing after each kill:", *(f"{a}+{b}" for a, b in table))
        self.assertGreaterEqual(sum(a > 0 and b > 0 for a, b in table), KILLS / 2, table)

    def test_a_run_killed_again_and_again_still_comes_to_its_end(self) -> None:
        for share in (0.3, 0.5, 0.7):
            process = self.start_until(round(TOTAL * share))
            process.kill()
            self.end(process)
        self.assert_resumes()

    def test_a_killed_shard_goes_on_and_merges(self) -> None:
        self.done("run", self.config, "--out", self.out, "--shard", "0/2")
        there = len(units(self.out))
        process = start("run", self.config, "--out", self.out, "--shard", "1/2")
        while len(units(self.out)) == there and process.poll() is None:
            time.sleep(0.002)
        process.kill()
        self.end(process)
        before = identity(self.out)
        self.done("run", self.config, "--out", self.out, "--shard", "1/2")
        self.assertLessEqual(before.items(), identity(self.out).items())
        self.done("merge", self.out)
        self.assertEqual((self.out / "results.json").read_bytes(), self.results)


class Stop(Interrupted):
    def test_sigint_and_sigterm_keep_what_is_finished(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(signal=number.name):
                shutil.rmtree(self.out, ignore_errors=True)
                process = self.start_until(TOTAL // 4)
                process.send_signal(number)
                code, err = self.end(process)
                self.assertEqual(code, 75, err)
                self.assertIn("interrupted: what is finished is kept; run the same command again to go on\n", err)
                self.assertFalse((self.out / "results.json").exists())
                info = json.loads((self.out / "run-info.json").read_text())
                self.assertTrue(info["interrupted"])
                self.assertEqual(info["units"]["computed"], len(units(self.out)))
                self.assertEqual(list(self.out.glob("units/*/.*")), [], "temporary files are left")
                self.assertGreaterEqual(self.assert_resumes(), TOTAL // 4)

    def test_a_second_signal_kills_at_once(self) -> None:
        # Its stderr is a pipe that is full by then, so the process waits there after the first signal.
        reads, writes = os.pipe()
        self.addCleanup(os.close, reads)
        process = self.start_until(TOTAL // 4, stderr=writes)
        os.set_blocking(writes, False)
        try:
            while os.write(writes, b"x" * 512):
                pass
        except BlockingIOError:
            pass
        # Non-blocking is a property of the pipe's end, which the process shares.
        os.set_blocking(writes, True)
        process.send_signal(signal.SIGINT)
        give_up = time.monotonic() + SECONDS
        while not (self.out / "run-info.json").exists():  # the last that it writes before it speaks
            self.assertLess(time.monotonic(), give_up)
            self.assertIsNone(process.poll())
            time.sleep(0.001)
        process.send_signal(signal.SIGINT)
        self.assertEqual(self.end(process)[0], -signal.SIGINT)
        os.close(writes)
        (self.out / "run-info.json").unlink()
        self.assertGreater(self.assert_resumes(), 0)

    def test_an_interrupted_attack_or_corruption_writes_nothing(self) -> None:
        many = ("fashion_mnist", "pgd_linf", "--epsilon", "0.1", "--steps", "500", "--out", self.out)
        with start("attack", STANDARD, *many) as process:
            self.assertRegex(process.stderr.readline(), "^model ")
            # Its own handler is in place once it ignores nothing and catches SIGINT.
            while not self.catches(process.pid, signal.SIGINT):
                time.sleep(0.001)
            process.send_signal(signal.SIGINT)
            code, err = self.end(process)
        self.is_refusal(75, "interrupted", subprocess.CompletedProcess((), code, "", err))
        self.assertFalse(self.out.exists())

    def catches(self, pid: int, number: int) -> bool:
        caught = re.search(r"SigCgt:\s*([0-9a-f]+)", Path(f"/proc/{pid}/status").read_text())
        return bool(int(caught[1], 16) >> (number - 1) & 1)


class Damage(Interrupted):
    def setUp(self) -> None:
        super().setUp()
        shutil.copytree(self.whole, self.out)

    def assert_recomputed(self, damaged: list[Path]) -> None:
        files = identity(self.whole)
        damaged_there = [self.whole / path.relative_to(self.out) for path in damaged]
        sound = {self.out / path.relative_to(self.whole) for path in files if path.with_suffix(".json") not in damaged_there}
        stamps = {path: path.stat().st_mtime_ns for path in sound}
        (self.out / "results.json").unlink()
        self.assertEqual(self.json("status", self.out)["missing"], len(damaged))
        self.refused(4, f"{len(damaged)} of {TOTAL} units are missing", "merge", self.out)
        self.done("run", self.config, "--out", self.out)
        self.assertEqual((self.out / "results.json").read_bytes(), self.results)
        counts = json.loads((self.out / "run-info.json").read_text())["units"]
        self.assertEqual(counts["computed"], len(damaged))
        self.assertEqual({path: path.stat().st_mtime_ns for path in sound}, stamps)

    def test_torn_records_are_computed_again(self) -> None:
        damaged = sorted(units(self.out).values())[:4]
        for path, keep in zip(damaged, (0, 1, 0.5, 0.99)):
            text = path.read_bytes()
            path.write_bytes(text[: keep if isinstance(keep, int) else int(len(text) * keep)])
        self.assert_recomputed(damaged)

    def test_records_with_a_changed_byte_are_computed_again(self) -> None:
        damaged = sorted(units(self.out).values())[:8]
        for i, path in enumerate(damaged):
            text = bytearray(path.read_bytes())
            begin = text.index(b'"payload"')  # what comes before it is about the run, not about the results
            at = begin + 12 + (len(text) - begin - 16) * i // len(damaged)
            text[at] ^= 1
            path.write_bytes(text)
        self.assert_recomputed(damaged)

    def test_columns_that_are_torn_changed_or_gone_are_computed_again(self) -> None:
        damaged = sorted(units(self.out).values())[:4]
        columns = [path.with_suffix(".npy") for path in damaged]
        columns[0].write_bytes(columns[0].read_bytes()[:-1])
        columns[1].write_bytes(columns[1].read_bytes() + b"\0")
        changed = bytearray(columns[2].read_bytes())
        changed[-5] ^= 0x40
        columns[2].write_bytes(changed)
        columns[3].unlink()
        self.assert_recomputed(damaged)

    def test_a_record_in_the_place_of_another_is_computed_again(self) -> None:
        one, other = sorted(units(self.out).values())[:2]
        for suffix in (".json", ".npy"):
            shutil.copy(one.with_suffix(suffix), other.with_suffix(suffix))
        self.assert_recomputed([other])

    def test_files_that_a_killed_process_left_are_no_units(self) -> None:
        folder = sorted(units(self.out).values())[0].parent
        write(folder / ".left.json.host.1.0", b"{")
        write(folder / "left.npy", b"\x93NUMPY")
        before = content(self.out / "units")
        self.done("run", self.config, "--out", self.out)
        self.assertEqual((self.out / "results.json").read_bytes(), self.results)
        self.assertEqual(content(self.out / "units"), before)

    def test_results_that_are_lost_come_back_from_the_units(self) -> None:
        for path in self.out.glob("results.*"):
            path.unlink()
        self.done("merge", self.out)
        self.assertEqual((self.out / "results.json").read_bytes(), self.results)


if __name__ == "__main__":
    unittest.main()
