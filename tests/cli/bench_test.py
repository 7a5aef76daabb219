"""The benchmark of the kernels: what it prints, not how fast they are."""
import unittest

from program import Case


class Bench(Case):
    def test_every_registered_kernel_is_timed(self) -> None:
        entries = self.json("list")
        # The smallest shapes only: this is not about speed.
        for kind, shape, suffixes in (
            ("corruption", " 128x3x32x32", [""]),
            ("attack", " 128x3x32x32", [".start", ".advance"]),
            ("loss", " 128x10", [""]),
            ("metric", " 10000", [""]),
        ):
            # Ensembles have no kernels of their own.
            own = [e["name"] for e in entries if e["kind"] == kind and not e["name"].startswith(("autoattack", "ensemble"))]
            names = {name + suffix for name in own for suffix in suffixes}
            report = self.json("bench", "--filter", shape, "--repeat", 1)
            self.assertEqual({line["name"] for line in report["lines"] if line["kind"] == kind}, names)

    def test_a_line_says_how_long_how_much_and_beside_what(self) -> None:
        report = self.json("bench", "--filter", "pgd_linf.advance 128x3x32x32", "--repeat", 3, "--threads", 1)
        self.assertEqual((report["schema"], report["threads"], report["environment"]["device"]), (1, 1, "cpu"))
        [line] = report["lines"]
        self.assertEqual((line["kind"], line["name"], line["shape"]), ("attack", "pgd_linf.advance", "128x3x32x32"))
        self.assertEqual(line["bytes"], 128 * 3 * 32 * 32 * 4 * 4)
        self.assertLessEqual(line["fastest_ms"], line["ms"])
        self.assertLessEqual(line["ms"], line["slowest_ms"])
        self.assertAlmostEqual(line["gb_s"], line["bytes"] / line["ms"] / 1e6)
        self.assertAlmostEqual(line["share"], line["gb_s"] / line["copy_gb_s"])

    def test_without_json_it_prints_a_table(self) -> None:
        lines = self.done("bench", "--filter", "loss margin 128x10", "--repeat", 1).stdout.splitlines()
        self.assertEqual(len(lines), 2)
        self.assertRegex(lines[0], "^kernel and shape +ms ")
        self.assertRegex(lines[1], r"^loss margin 128x10 +[\d.]+ .* \d+%$")

    def test_what_is_not_there_is_refused(self) -> None:
        self.refused(2, "nothing to time has 'sorting'", "bench", "--filter", "sorting", "--json")
        self.refused(2, "--repeat", "bench", "--repeat", 0)
        self.refused(2, "unknown device 'tpu'", "bench", "--device", "tpu")


if __name__ == "__main__":
    unittest.main()
