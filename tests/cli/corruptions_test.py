"""Corruptions with files of their own, after each other, before attacks, and as the benchmark's files were stored."""
import json
import random
import shutil
import unittest
from pathlib import Path

from program import ROBUST, STANDARD, Case, attack, corruption, identity, model, png, read_npy, run, sweep, write

SIDE = 28
PICTURES = ("frost1.png", "frost2.png", "frost3.png", "frost4.jpg", "frost5.jpg")


class Corruptions(Case):
    def pictures(self, side: int = 160, name: str = "frost") -> Path:
        """Noise; what a file is named does not say what it is."""
        for k, file in enumerate(PICTURES):
            rgb = random.Random(k).randbytes(3 * side * (side + k))
            write(self.dir / name / file, png(side + k, side, rgb))
        return self.dir / name

    def cells(self, out: Path) -> list[dict]:
        return json.loads((out / "results.json").read_text())["cells"]


class Frost(Corruptions):
    def test_a_sweep_knows_its_pictures_by_their_bytes(self) -> None:
        folder, out = self.pictures(), self.dir / "out"
        config = self.write_sweep(sweep(corruption("frost", [1, 5]) + '\ntextures = "frost"'))  # beside the sweep
        self.done("run", config, "--out", out)
        digests = {cell["perturbation"][0]["params"]["textures"] for cell in self.cells(out)[1:]}
        self.assertEqual(len(digests), 1)
        self.assertRegex(digests.pop(), "^[0-9a-f]{64}$")
        self.assertNotIn(str(self.dir), (out / "results.json").read_text())
        results, before = (out / "results.json").read_bytes(), identity(out)
        shutil.move(folder, self.dir / "elsewhere")
        moved = self.write_sweep(sweep(corruption("frost", [1, 5]) + f'\ntextures = "{self.dir / "elsewhere"}"'))
        self.done("run", moved, "--out", out)
        self.assertEqual(((out / "results.json").read_bytes(), identity(out)), (results, before), "nothing is computed again")
        write(self.dir / "elsewhere" / "frost3.png", png(170, 170, bytes(3 * 170 * 170)))
        self.refused(65, "they differ in perturbations", "run", moved, "--out", out)
        self.assertEqual(identity(out), before)

    def test_pictures_that_are_missing_damaged_or_small_are_named(self) -> None:
        corrupt = ("corrupt", "fashion_mnist", "frost", "--severity", 1, "--limit", 2, "--out", self.dir / "made")
        self.refused(2, "missing 'textures'", *corrupt)
        self.assertIn("hint:  textures: folder of frost1.png", run(*corrupt).stderr)
        self.refused(65, "none/frost1.png' does not exist", *corrupt, "--textures", self.dir / "none")
        write(self.pictures() / "frost4.jpg", b"\xff\xd8\xff\xe0 torn")
        self.refused(65, "frost4.jpg", *corrupt, "--textures", self.dir / "frost")
        error = self.refused(65, "28 x 28 are too large", *corrupt, "--textures", self.pictures(100, "small"))
        self.assertIn("20 x 20 pixels with table 32", error)
        self.refused(2, "has no parameter 'textures'", "corrupt", "fashion_mnist", "fog", *corrupt[3:], "--textures", "x")
        self.assertFalse((self.dir / "made").exists())
        with_none = self.write_sweep(sweep(corruption("frost", 1) + '\ntextures = "none"'))
        self.refused(65, "none/frost1.png' does not exist", "run", with_none, "--out", self.dir / "out")
        self.assertFalse((self.dir / "out").exists())

    def test_the_made_up_one_needs_none(self) -> None:
        self.done("corrupt", "fashion_mnist", "frost_proc", "--severity", 3, "--limit", 2, "--out", self.dir / "made")
        self.assertEqual(read_npy(self.dir / "made/images.npy")[1], (2, SIDE, SIDE, 1))


class Package(Corruptions):
    TABLE = ("--table", "imagecorruptions-1.1.2")

    def test_its_table_is_chosen_by_name_alone(self) -> None:
        photo = png(40, 36, random.Random(1).randbytes(3 * 36 * 40))
        write(self.dir / "photos/one/a.png", photo)
        source, corrupted = f"folder:{self.dir / 'photos'}", {}
        for table in ("auto", "224", "imagecorruptions-1.1.2"):
            made = ("corrupt", source, "motion_blur", "--severity", 3, "--table", table, "--out", self.dir / table, "--json")
            self.assertEqual(json.loads(self.done(*made).stdout)["table"], {"224": 224, "auto": 32}.get(table, table))
            corrupted[table] = (self.dir / table / "images.npy").read_bytes()
        self.assertEqual(len(set(corrupted.values())), 3)
        self.assertIn("table imagecorruptions-1.1.2", self.done(*made[:-1]).stdout)

    def test_what_the_package_does_not_take_is_refused(self) -> None:
        corrupt = ("corrupt", "fashion_mnist", "fog", "--severity", 1, "--out", self.dir / "made", *self.TABLE)
        self.refused(65, "fog with table imagecorruptions-1.1.2 needs images of at least 32 x 32", *corrupt)
        self.refused(2, "not a choice", *corrupt[:2], "frost_proc", *corrupt[3:])
        self.assertFalse((self.dir / "made").exists())


class Compositions(Corruptions):
    AFTER = (
        attack("pgd_linf", 'epsilon = [0.02, 0.05]\nsteps = 3\nmode = "exact"\nafter = {name = "fog", severity = [1, 3]}'),
        corruption("contrast", 2) + '\nafter = [{name = "fog", severity = 2}, {name = "jpeg_compression", severity = 1}]',
    )

    def test_results_name_every_step_whatever_the_shards(self) -> None:
        config = self.write_sweep(sweep(*self.AFTER, top='metrics = ["accuracy", "robust_accuracy"]'))
        out, sharded = self.dir / "out", self.dir / "sharded"
        shown = self.done("run", config, "--out", out).stdout
        self.assertRegex(shown, r"(?m)^  fog severity=3 \+ pgd_linf epsilon=0.05 ")
        self.assertRegex(shown, r"(?m)^  fog severity=2 \+ jpeg_compression severity=1 \+ contrast severity=2 ")
        steps = [[step["name"] for step in cell["perturbation"]] for cell in self.cells(out)]
        self.assertEqual(steps, [[]] + 4 * [["fog", "pgd_linf"]] + [["fog", "jpeg_compression", "contrast"]])
        self.assertIn('"kind":"corruption","name":"fog"', (out / "results.jsonl").read_text().replace(" ", ""))
        self.assertRegex((out / "results.csv").read_text(), r"(?m),attack,fog \+ pgd_linf,")
        for shard in ("1/3", "0/3", "2/3"):
            self.done("run", config, "--out", sharded, "--shard", shard)
        self.done("merge", sharded)
        self.assertEqual((sharded / "results.json").read_bytes(), (out / "results.json").read_bytes())

    def test_an_attack_is_around_the_corrupted_image(self) -> None:
        """Epsilon 0 attacks nothing: what is right then is right under the corruption alone."""
        nothing = attack("fgsm", 'epsilon = 0\nafter = {name = "fog", severity = 3}')
        out = self.dir / "out"
        self.done("run", self.write_sweep(sweep(nothing, corruption("fog", 3), top='metrics = ["accuracy"]')), "--out", out)
        clean, attacked, corrupted = (cell["metrics"]["accuracy"]["value"] for cell in self.cells(out))
        self.assertEqual(attacked, corrupted)
        self.assertNotEqual(attacked, clean)

    def test_points_around_corrupted_images_are_not_saved(self) -> None:
        config = self.write_sweep(sweep(*self.AFTER))
        self.refused(2, "attacks corrupted images", "run", config, "--out", self.dir / "out", "--save-adversarials")
        self.assertFalse((self.dir / "out").exists())


class Stored(Corruptions):
    def test_the_pipeline_is_said_with_what_it_made(self) -> None:
        made = ("corrupt", "fashion_mnist", "fog", "--severity", 3, "--limit", 4, "--float")
        plain = self.json(*made, "--out", self.dir / "plain")
        stored = self.json(*made, "--out", self.dir / "stored", "--pipeline", "stored")
        self.assertEqual((plain["pipeline"], stored["pipeline"]), ("in_memory", "stored"))
        self.assertIn("pipeline stored", self.done(*made, "--out", self.dir / "again", "--pipeline", "stored").stdout)
        files = [[read_npy(self.dir / name / file)[2] for name in ("plain", "stored", "again")] for file in ("images.npy", "float.npy")]
        self.assertNotEqual(files[0][0], files[0][1])
        self.assertEqual(files[0][1], files[0][2])
        self.assertEqual(files[1][0], files[1][1], "floats are before any quantisation")
        self.refused(2, "pipeline = \"jpeg\": not a choice", *made, "--out", self.dir / "no", "--pipeline", "jpeg")

    def test_a_sweep_evaluates_both_apart(self) -> None:
        both = corruption("gaussian_noise", 5) + '\npipeline = ["in_memory", "stored"]'
        shown = self.done("run", self.write_sweep(sweep(both, top='metrics = ["nll"]')), "--out", self.dir / "out").stdout
        self.assertRegex(shown, r"(?m)^  gaussian_noise pipeline=stored severity=5 ")
        _, in_memory, stored = (cell["metrics"]["nll"]["value"] for cell in self.cells(self.dir / "out"))
        self.assertNotEqual(in_memory, stored)


class MeanErrors(Corruptions):
    FIFTEEN = (
        "gaussian_noise shot_noise impulse_noise defocus_blur glass_blur motion_blur zoom_blur snow fog brightness contrast"
        " elastic_transform pixelate jpeg_compression"
    ).split()

    def test_a_whole_benchmark_has_its_mce(self) -> None:
        rest = "severity = [1, 2, 3, 4, 5]\ntable = \"224\"\n"
        self.pictures()
        whole = (f"[[corruption]]\nname = {json.dumps(self.FIFTEEN)}\n{rest}", f'[[corruption]]\nname = "frost"\ntextures = "frost"\n{rest}')
        out = self.dir / "out"
        shown = self.done("run", self.write_sweep(sweep(*whole, limit=16, top='metrics = ["accuracy"]')), "--out", out).stdout
        results = json.loads((out / "results.json").read_text())
        (found,) = results["corruption_errors"]
        self.assertEqual((found["model"], found["table"], found["pipeline"], found["baseline"]), ("robust", "224", "in_memory", "alexnet"))
        errors = {}
        for cell in results["cells"][1:]:
            step = cell["perturbation"][0]
            errors.setdefault(step["name"], []).append(1 - cell["metrics"]["accuracy"]["value"])
        self.assertEqual(set(errors), {*self.FIFTEEN, "frost"})
        for name, by_severity in errors.items():
            for mine, theirs in zip(by_severity, found["corruptions"][name]["by_severity"], strict=True):
                self.assertAlmostEqual(mine, theirs)
        self.assertAlmostEqual(found["mean_error"], sum(map(sum, errors.values())) / 75)
        self.assertIn("AlexNet", found["definition"])
        self.assertRegex(shown, r"(?m)^robust: errors at severities 1 to 5, .* over AlexNet's \(table 224, pipeline in_memory\):\n  brightness( +[\d.]+%){7}\n")
        self.assertRegex(shown, r"(?m)^robust: error .* over the 15 corruptions of ImageNet-C, mCE .*% of AlexNet's\.$")

    def test_a_baseline_is_a_model_of_the_sweep_or_of_another_run(self) -> None:
        noise = corruption("gaussian_noise", [1, 2, 3, 4, 5])

        def errors(out: Path, baseline: str, models: str) -> list[dict]:
            self.done("run", self.write_sweep(sweep(noise, baseline, models=models, top='metrics = ["accuracy"]')), "--out", out)
            return json.loads((out / "results.json").read_text())["corruption_errors"]

        both = model(ROBUST) + model(STANDARD)
        (other,) = errors(self.dir / "other", "", model(ROBUST))
        self.assertIsNone(other["baseline"], "none is published for Fashion-MNIST")
        (found,) = errors(self.dir / "out", '[baseline]\nresults = "other/results.json"', model(STANDARD))
        robust, standard = (one["corruptions"]["gaussian_noise"]["error"] for one in (other, found))
        self.assertEqual(found["baseline"], "results:robust")
        self.assertAlmostEqual(found["corruptions"]["gaussian_noise"]["ce"], standard / robust)
        merged = (self.dir / "out" / "results.json").read_bytes()
        (self.dir / "other" / "results.json").unlink()
        self.done("merge", self.dir / "out")
        self.assertEqual((self.dir / "out" / "results.json").read_bytes(), merged, "the plan has the baseline")

        first, second = errors(self.dir / "both", '[baseline]\nmodel = "robust"', both)
        self.assertEqual((first["baseline"], first["corruptions"]["gaussian_noise"]["ce"]), ("model:robust", 1))
        self.assertAlmostEqual(second["corruptions"]["gaussian_noise"]["ce"], standard / robust)
        # Another baseline over the same units.
        first, second = errors(self.dir / "both", '[baseline]\nmodel = "standard"', both)
        self.assertAlmostEqual(first["corruptions"]["gaussian_noise"]["ce"], robust / standard)

        def refused(code: int, said: str, baseline: str) -> None:
            self.refused(code, said, "run", self.write_sweep(sweep(noise, "[baseline]\n" + baseline)), "--out", self.dir / "no")

        refused(2, "names 'robst', no model of this sweep; did you mean 'robust'?", 'model = "robst"')
        refused(2, "names neither a model of this sweep nor the results of another run", "")
        refused(2, "unknown key 'result'", 'result = "x"')
        refused(65, "other/results.json' is not there", 'results = "other/results.json"')


if __name__ == "__main__":
    unittest.main()
