"""Saved adversarials, and `verify`, which believes nothing that it can check."""
import csv
import hashlib
import json
import shutil
import unittest
from pathlib import Path

from program import ROBUST, STANDARD, Case, attack, model, read_npy, run, sweep, write

NORMALISED = ("--mean", 0.286, "--std", 0.353)


def images(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


class Run(Case):
    """A sweep of two models under a curve of radii, with its adversarials."""

    @classmethod
    def setUpClass(cls) -> None:
        case = cls("test_every_witness_holds")
        case.setUp()
        cls.addClassCleanup(case.doCleanups)
        cls.shared = case.dir
        shutil.copy(STANDARD, case.dir / "standard.pt")
        attacks = attack("pgd_linf", 'epsilon = [0.02, 0.05, 0.1]\nsteps = 3\nmode = "bisect"'), attack("fgm_l2", "epsilon = 1.5")
        cls.config = case.write_sweep(sweep(*attacks, models=model("standard.pt") + model(ROBUST)))
        case.done("run", cls.config, "--out", case.dir / "out", "--save-adversarials")

    def setUp(self) -> None:
        super().setUp()
        self.out = self.dir / "out"
        if hasattr(self, "shared"):
            shutil.copytree(self.shared / "out", self.out)

    def test_every_witness_holds(self) -> None:
        report = self.json("verify", self.out)
        results = json.loads((self.out / "results.json").read_text())["cells"]
        attacked = [cell for cell in results if cell["perturbation"]]
        clean = {cell["model"]: cell["metrics"]["accuracy"]["value"] for cell in results if not cell["perturbation"]}
        fallen = {}
        for cell in attacked:
            params = " ".join(f"{name}={text(value)}" for name, value in sorted(cell["perturbation"][0]["params"].items()))
            fallen[f"{cell['model']} {cell['perturbation'][0]['name']} {params}"] = round(
                32 * (clean[cell["model"]] - cell["metrics"]["accuracy"]["value"]))  # fmt: skip
        self.assertEqual({cell["cell"]: cell["witnesses"] for cell in report["cells"]}, fallen)
        self.assertEqual((report["witnesses"], report["refuted"]), (sum(fallen.values()), 0))
        self.assertGreater(report["witnesses"], 60)
        said = self.done("verify", self.out).stdout
        self.assertTrue(said.endswith(f"\n{report['witnesses']} of {report['witnesses']} witnesses hold\n"), said)

    def test_shards_and_another_run_save_the_same_bytes(self) -> None:
        for shard in ("0/2", "1/2"):
            self.done("run", self.config, "--out", self.dir / "parts", "--save-adversarials", "--shard", shard)
        mine, theirs = images(self.out / "witnesses"), images(self.dir / "parts" / "witnesses")
        self.assertEqual([path.name for path in mine], [path.name for path in theirs])
        self.assertEqual([path.read_bytes() for path in mine], [path.read_bytes() for path in theirs])
        self.assertEqual(self.json("verify", self.dir / "parts"), self.json("verify", self.out))

    def test_what_is_damaged_is_refused_and_computed_again(self) -> None:
        manifests = [path for path in images(self.out / "witnesses") if path.suffix == ".json"]
        points = manifests[0].with_suffix(".npy")
        whole = points.read_bytes()
        points.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        self.refused(65, "its content is not that of the manifest's SHA-256", "verify", self.out)
        self.done("run", self.config, "--out", self.out, "--save-adversarials")
        self.assertEqual(points.read_bytes(), whole)
        manifests[1].write_bytes(manifests[1].read_bytes()[:-40])
        self.refused(65, "found no manifest of witnesses in it", "verify", self.out)

    def test_models_and_data_are_found_where_they_are_now(self) -> None:
        for info in self.out.glob("run-info*.json"):
            info.unlink()
        self.refused(65, "found no file of model '", "verify", self.out)
        self.refused(65, "found no such file", "verify", self.out, "--model", self.dir / "gone.pt")
        self.refused(65, "found no file of model 'standard'", "verify", self.out, "--model", ROBUST)
        other = write(self.dir / "other.pt", "x")
        self.refused(65, f"'{other}' with SHA-256 2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881 is the model of no",
                     "verify", self.out, "--model", ROBUST, "--model", STANDARD, "--model", other)  # fmt: skip
        report = self.json("verify", self.out, "--model", ROBUST, "--model", STANDARD, "--data", "fashion_mnist", "--no-fold")
        self.assertEqual(report["refuted"], 0)


def text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


class Attack(Case):
    def attack(self, *more: object) -> Path:
        out = self.dir / "out"
        self.done("attack", STANDARD, "fashion_mnist", "fgsm", "--epsilon", 0.1, "--limit", 20, "--out", out, *NORMALISED, *more)
        return out

    def test_its_successes_are_its_witnesses(self) -> None:
        out = self.attack()
        report = self.json("verify", out)
        rows = (out / "samples.csv").read_text().splitlines()[1:]
        self.assertEqual(report["witnesses"], sum(row.split(",")[4] == "1" for row in rows))
        self.assertEqual(report["refuted"], 0)

    def test_another_models_points_do_not_hold(self) -> None:
        out = self.attack()
        manifest = json.loads((out / "witnesses.json").read_text())
        # The robust model under the standard one's name: a forger who knows of the digests.
        manifest["payload"]["model"]["sha256"] = hashlib.sha256(ROBUST.read_bytes()).hexdigest()
        compact = json.dumps(manifest["payload"], separators=(",", ":"), sort_keys=True)
        write(out / "witnesses.json", json.dumps({"payload": manifest["payload"], "sha256": hashlib.sha256(compact.encode()).hexdigest()}))
        result = run("verify", out, "--model", ROBUST, "--json")
        self.assertEqual(result.returncode, 1, result.stderr)
        report = json.loads(result.stdout)
        self.assertGreater(report["refuted"], 10)
        self.assertRegex(report["cells"][0]["refuted"][0]["why"], r"^the model says \d, its label$")
        said = run("verify", out, "--model", ROBUST)
        self.assertEqual(said.returncode, 1)
        self.assertIn(f"\n  image {report['cells'][0]['refuted'][0]['index']}: the model says ", said.stdout)

    def test_a_target_is_part_of_the_claim(self) -> None:
        out = self.attack("--target", "second")
        rows = list(csv.DictReader((out / "samples.csv").read_text().splitlines()))
        for row in rows:
            reached = row["pred_clean"] == row["label"] and row["pred_adv"] == row["target"]
            self.assertEqual(row["success"], str(int(reached)), row)
        found = [row for row in rows if row["success"] == "1"]
        self.assertGreater(len(found), 3)
        self.assertLess(len(found), sum(row["pred_adv"] != row["label"] == row["pred_clean"] for row in rows))
        report = self.json("verify", out)
        self.assertEqual((report["witnesses"], report["refuted"]), (len(found), 0))
        manifest = json.loads((out / "witnesses.json").read_text())["payload"]
        self.assertEqual(manifest["samples"]["target"], [int(row["target"]) for row in found])
        other = {int(row["index"]): next(k for k in "012" if k not in (row["label"], row["target"])) for row in found}
        manifest["samples"]["target"] = [int(other[index]) for index in manifest["samples"]["index"]]
        compact = json.dumps(manifest, separators=(",", ":"), sort_keys=True)
        write(out / "witnesses.json", json.dumps({"payload": manifest, "sha256": hashlib.sha256(compact.encode()).hexdigest()}))
        result = run("verify", out, "--json")
        self.assertEqual(result.returncode, 1, result.stderr)
        self.assertRegex(json.loads(result.stdout)["cells"][0]["refuted"][0]["why"], r"^the model says \d, expected its target \d$")

    def test_a_folder_without_witnesses_is_refused(self) -> None:
        self.refused(65, f"'{self.dir}' holds no witnesses", "verify", self.dir)
        self.refused(65, "holds no witnesses", "verify", self.dir / "gone")
        self.refused(2, "is empty, expected a path", "verify", "")

    def test_points_stand_beside_their_manifest(self) -> None:
        out = self.attack("--full")
        dtype, shape, _ = read_npy(out / "adversarial.npy")
        points = json.loads((out / "witnesses.json").read_text())["payload"]["points"]
        self.assertEqual((points["file"], points["shape"]), ("adversarial.npy", list(shape)))
        self.assertEqual(self.json("verify", out)["refuted"], 0)


if __name__ == "__main__":
    unittest.main()
