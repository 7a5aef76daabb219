"""Where a run computes: what --device takes, what auto says, and what is refused. In both builds; needs no GPU and uses none."""
import json
import os
import subprocess
import unittest

from program import ENVIRONMENT, ROBUST, Case
from program import attack, run, sweep

FAKE_DRIVER = os.environ.get("ASSAY_FAKE_DRIVER")
BACKENDS = json.loads(run("doctor", "--json").stdout)["backends"]


class Device(Case):
    def verbs(self) -> dict[str, tuple[object, ...]]:
        config = self.write_sweep(sweep(attack("fgsm", "epsilon = 0.1")))
        return {
            "run": ("run", config, "--out", self.dir / "out"),
            "plan": ("plan", config),
            "attack": ("attack", ROBUST, "fashion_mnist", "fgsm", "--epsilon", 0.1, "--limit", 16, "--out", self.dir / "out"),
            "corrupt": ("corrupt", "fashion_mnist", "contrast", "--severity", 1, "--limit", 2, "--out", self.dir / "out"),
            "doctor": ("doctor",),
        }

    def test_cuda_that_is_asked_for_and_not_there_is_refused(self) -> None:
        for device, words in (*(("cuda", words) for words in self.verbs().values()), ("cuda:1", ("doctor",))):
            with self.subTest(f"{words[0]} --device {device}"):
                result = run(*words, "--device", device)
                error = self.is_refusal(69, f"device '{device}' was asked for, but ", result)
                self.assertNotRegex(error, "but $")
                self.assertEqual(result.stderr.splitlines()[-1], "hint:  use --device cpu or --device auto")
                self.assertEqual(result.stdout, "")
        self.assertFalse((self.dir / "out").exists())

    def test_auto_says_that_it_took_the_cpu_and_why(self) -> None:
        for verb in ("run", "plan", "doctor"):
            with self.subTest(verb):
                result = self.done(*self.verbs()[verb], "--device", "auto")
                self.assertRegex(result.stderr, r"(?m)^device: cpu \(no CUDA device: .+\)$")
                self.assertNotIn("device: cpu", result.stdout)

    def test_auto_and_cpu_are_one_plan(self) -> None:
        plan = self.verbs()["plan"]
        self.assertEqual(self.json(*plan, "--device", "auto"), self.json(*plan, "--device", "cpu"))
        self.assertNotIn("device:", self.done(*plan, "--device", "cpu").stderr)

    def test_an_unknown_device_is_refused(self) -> None:
        for words in self.verbs().values():
            self.refused(2, "unknown device 'tpu'", *words, "--device", "tpu")
        for device in ("CUDA", "cuda:", "cuda:x", "cuda:-1", "cuda:1x", "cuda0", "cuda:99999999999", "cpu:0"):
            with self.subTest(device):
                self.refused(2, f"unknown device '{device}'", "doctor", f"--device={device}")

    def test_doctor_says_what_is_there(self) -> None:
        report = self.json("doctor")
        self.assertEqual((report["device"], report["cuda"]["available"], report["cuda"]["devices"]), ("cpu", False, []))
        self.assertTrue(report["cuda"]["reason"])
        self.assertIn(f"no device: {report['cuda']['reason']}\n", self.done("doctor").stdout)
        if "cuda" not in BACKENDS:
            self.assertEqual(report["cuda"]["reason"], "this build of assay has the CPU backend only")


@unittest.skipUnless("cuda" in BACKENDS, "this build has the CPU backend only")
class Driver(Case):
    """What the runtime answers is set."""

    def with_driver(self, *words: object, error: int = 0, count: int = 0, driver: int = 13000, capability: int = 90):
        fakes = {"FAKE_ERROR": error, "FAKE_COUNT": count, "FAKE_DRIVER": driver, "FAKE_CAPABILITY": capability}
        preload = {"LD_PRELOAD": FAKE_DRIVER, **{name: str(value) for name, value in fakes.items()}}
        return run(*words, env={**ENVIRONMENT, **preload})

    def assert_no_device(self, why: str, device: str = "cuda", **driver: int) -> None:
        self.is_refusal(69, f"device '{device}' was asked for, but {why}", self.with_driver("doctor", "--device", device, **driver))
        if device == "cuda":
            result = self.with_driver("plan", self.write_sweep(sweep()), **driver)
            self.assertEqual(result.returncode, 0, result.stderr)
            about_device = [line for line in result.stderr.splitlines() if not line.startswith("model robust: ")]
            self.assertEqual(about_device, [f"device: cpu (no CUDA device: {why})"])

    def test_no_driver(self) -> None:
        self.assert_no_device("no NVIDIA driver was found", error=35, driver=0)
        self.assert_no_device("no NVIDIA driver was found", error=100, driver=0)

    def test_a_driver_that_is_too_old(self) -> None:
        self.assert_no_device("the NVIDIA driver is too old: found one for CUDA 12.8, expected 13.0 or later", error=35, driver=12080)

    def test_a_driver_that_is_too_old_leaves_the_cpu_alone(self) -> None:
        config = self.write_sweep(sweep(attack("fgsm", "epsilon = 0.1")))
        result = self.with_driver("run", config, "--out", self.dir / "out", error=35, driver=12080)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(result.stderr.count("driver"), 1, result.stderr)  # LibTorch says nothing of its own
        self.done("run", config, "--out", self.dir / "plain")
        for name in ("results.json", "plan.json"):
            self.assertEqual((self.dir / "out" / name).read_bytes(), (self.dir / "plain" / name).read_bytes())

    def test_a_driver_that_sees_no_device(self) -> None:
        self.assert_no_device("the NVIDIA driver sees no device", error=100)
        self.assert_no_device("the NVIDIA driver sees no device", count=0)

    def test_a_driver_that_fails(self) -> None:
        self.assert_no_device("CUDA does not start: system not yet initialized (error 802)", error=802)

    def test_a_device_that_is_too_old(self) -> None:
        self.assert_no_device("cuda:0 (Fake 0) has compute capability 7.5, expected 8.0 or above", count=1, capability=75)

    def test_an_index_without_a_device(self) -> None:
        self.assert_no_device("there is one CUDA device, cuda:0", "cuda:1", count=1)
        self.assert_no_device("there are 2 CUDA devices, cuda:0 to cuda:1", "cuda:2", count=2)

    def test_a_device_that_was_lost(self) -> None:
        # Counted and described, but nothing more: neither CUDA nor auto quietly goes on with the CPU.
        for device in ("cuda", "auto"):
            result = self.with_driver("doctor", "--device", device, count=1)
            self.is_refusal(69, "cuda:0 (Fake 0, compute capability 9.0, 80.0 GiB) cannot be opened: ", result)

    def test_doctor_lists_the_devices(self) -> None:
        cuda = json.loads(self.with_driver("doctor", "--json", count=2, capability=86).stdout)["cuda"]
        device = {"compute_capability": "8.6", "memory": 80 << 30, "reason": ""}
        self.assertEqual(cuda["devices"], [{"name": "Fake 0", **device}, {"name": "Fake 1", **device}])
        self.assertEqual((cuda["available"], cuda["driver"]), (True, "13.0"))
        self.assertIn("cuda:1 (Fake 1, compute capability 8.6, 80.0 GiB)\n", self.with_driver("doctor", count=2, capability=86).stdout)

    def test_the_program_names_no_driver_library(self) -> None:
        # Or it would not start where there is none.
        loaded = subprocess.run(["ldd", os.environ["ASSAY_BIN"]], capture_output=True, text=True, check=True).stdout
        self.assertNotIn("not found", loaded)
        self.assertNotRegex(loaded, r"libcuda\.so")


if __name__ == "__main__":
    unittest.main()
