"""What a sweep leaves: results that say the same in every form, whoever computed them and in whatever order."""
import csv
import gzip
import hashlib
import io
import json
import math
import os
import pty
import re
import shutil
import signal
import socket
import tempfile
import unittest
from pathlib import Path

from program import NORMALISED, ROBUST, ROOT, SECONDS, STANDARD, Case
from program import attack, corruption, fetched, identity, model, npy, read_npy, run, start, sweep, units, write

METRICS = ["accuracy", "top5_accuracy", "robust_accuracy", "robust_accuracy_final", "nll", "brier", "ece"]
MODELS = model(STANDARD, NORMALISED) + model(ROBUST, 'name = "held"\n' + NORMALISED)
PERTURBATIONS = [
    attack("pgd_linf", 'epsilon = ["4/255", 0.1]\nsteps = 3'),
    attack("fgm_l2", "epsilon = 1"),
    corruption("contrast", "[1, 5]"),
]
# Clean, three attacks, two corruptions; each of 40 images in units of 16, 16 and 8.
CELLS, UNITS_A_CELL = 6, 3


def small(metrics: list[str] = METRICS) -> str:
    return sweep(*PERTURBATIONS, models=MODELS, top=f"metrics = {json.dumps(metrics)}", limit=40)


def digests(out: Path) -> dict[str, str]:
    return {name: hashlib.sha256((out / name).read_bytes()).hexdigest() for name in ("results.json", "results.csv", "results.jsonl")}


def setUpModule() -> None:
    folder = tempfile.TemporaryDirectory(prefix="assay-test-")
    unittest.addModuleCleanup(folder.cleanup)
    Whole.whole = Path(folder.name) / "whole"
    Whole.config = write(Path(folder.name) / "whole.toml", small())
    Whole.result = run("run", Whole.config, "--out", Whole.whole)
    assert Whole.result.returncode == 0, Whole.result.stderr
    Whole.text = (Whole.whole / "results.json").read_text()
    Whole.cells = json.loads(Whole.text)["cells"]


class Whole(Case):
    """Tests that look at one unsharded run of small()."""

    def copy(self) -> Path:
        return Path(shutil.copytree(self.whole, self.dir / "copy"))


class Form(Case):
    """In which form a model runs is the plan's."""

    def planned(self, keys: str) -> dict:
        config = self.write_sweep(sweep(attack("fgsm", "epsilon = 0.1"), models=model(STANDARD, NORMALISED + keys)))
        return self.json("plan", config, "--json")

    def test_a_plan_says_it_and_its_units_are_others(self) -> None:
        plans = {keys: self.planned(keys) for keys in ("", "fold = true\n", "fold = false\n", "channels_last = true\n")}
        forms = {keys: (plan["models"][0]["fold"], plan["models"][0]["channels_last"]) for keys, plan in plans.items()}
        self.assertEqual(list(forms.values()), [(True, False), (True, False), (False, False), (True, True)])
        units = {keys: {unit["key"] for unit in plan["units"]} for keys, plan in plans.items()}
        self.assertEqual(units[""], units["fold = true\n"])
        self.assertEqual(len(set.union(*units.values())), 3 * len(units[""]))

    def test_a_folder_with_a_plan_goes_on_in_its_form(self) -> None:
        out = self.dir / "out"
        config = self.write_sweep(sweep(attack("fgsm", "epsilon = 0.1"), models=model(STANDARD, NORMALISED + "fold = false\n")))
        self.done("run", config, "--out", out)
        form = json.loads((out / "run-info.json").read_text())["models"][0]
        self.assertEqual((form["fold"], form["channels_last"]), (False, False))
        unsaid = self.write_sweep(sweep(attack("fgsm", "epsilon = 0.1"), models=model(STANDARD)), "unsaid.toml")
        self.assertIn(", 0 computed,", self.done("run", unsaid, "--out", out).stderr)
        other = self.write_sweep(sweep(attack("fgsm", "epsilon = 0.1"), models=model(STANDARD, NORMALISED + "fold = true\n")), "other.toml")
        self.refused(65, "they differ in models", "run", other, "--out", out)

    def test_attack_folds_unless_told_not_to(self) -> None:
        words = ("attack", STANDARD, "fashion_mnist", "fgsm", "--epsilon", 0.1, "--limit", 2, "--mean", 0.286, "--std", 0.353)
        for more, folded in (((), True), (("--fold",), True), (("--no-fold",), False)):
            line = self.done(*words, "--out", self.dir, *more).stderr.splitlines()[0]
            self.assertEqual(line.endswith(", folded"), folded, line)
        self.refused(2, "--fold excludes --no-fold", *words, "--out", self.dir, "--fold", "--no-fold")

    def test_doctor_times_every_form(self) -> None:
        config = self.write_sweep(sweep(attack("fgsm", "epsilon = 0.1"), models=model(STANDARD)))
        [timed] = self.json("doctor", "--tune", config, "--json")["models"]
        forms = {(form["fold"], form["channels_last"]): form["ms"] for form in timed["forms"]}
        self.assertEqual(len(forms), 4)
        self.assertEqual(forms[timed["fastest"]["fold"], timed["fastest"]["channels_last"]], min(forms.values()))
        self.assertIn("fastest: write fold = ", self.done("doctor", "--tune", config).stdout)
        self.refused(2, "cannot read", "doctor", "--tune", self.dir / "none.toml")


class Targets(Case):
    def test_are_an_axis_with_a_success_of_their_own(self) -> None:
        out = self.dir / "out"
        targets = attack("pgd_linf", 'epsilon = 0.05\nsteps = 5\ntarget = ["none", "second", 3]')
        config = self.write_sweep(sweep(targets, models=model(STANDARD), top='metrics = ["accuracy", "robust_accuracy"]', limit=40))
        table = self.done("run", config, "--out", out).stdout
        clean, untargeted, second, third = json.loads((out / "results.json").read_text())["cells"]
        self.assertNotIn("target", untargeted["perturbation"][0]["params"])
        self.assertNotIn("label_is_target", untargeted)
        self.assertEqual([cell["perturbation"][0]["params"]["target"] for cell in (second, third)], ["second", "3"])
        self.assertEqual(second["label_is_target"], 0)
        self.assertEqual(third["label_is_target"], fashion_labels(40).count(3))
        robust = [cell["metrics"]["robust_accuracy"] for cell in (untargeted, second, third)]
        self.assertLessEqual(robust[0]["value"], robust[1]["value"])
        self.assertLess(robust[1]["value"], robust[2]["value"])
        self.assertLess(robust[2]["value"], clean["metrics"]["accuracy"]["value"])
        for estimate, means in zip(robust, ("fooled by no point", "taken for its target by no point", "taken for its target"), strict=True):
            self.assertIn(means, estimate["definition"])
        self.assertIn(f"target=3  ", table)
        self.assertIn(f"({third['label_is_target']} of the target's class)", table)
        self.assertIn("with a target: right when clean and taken for its target", table)
        # The cell without a target is the one that it was before there were any.
        plain = self.write_sweep(sweep(attack("pgd_linf", "epsilon = 0.05\nsteps = 5"), models=model(STANDARD), limit=40), "plain.toml")
        units = {unit["key"] for unit in self.json("plan", plain)["units"]}
        self.assertLess(units, {unit["key"] for unit in self.json("plan", config)["units"]})


def fashion_labels(count: int) -> list[int]:
    with gzip.open(next((ROOT / "data" / "fashion_mnist").glob("t10k-labels-*.gz"))) as file:
        return list(file.read(8 + count)[8:])


class Results(Whole):

    def test_results_json_holds_every_cell_in_the_documented_form(self) -> None:
        document = json.loads(self.text)
        self.assertEqual(document["schema"], 1)
        self.assertEqual(json.dumps(document, sort_keys=True), json.dumps(document), "keys are not sorted")
        self.assertEqual([cell["model"] for cell in self.cells], ["standard"] * CELLS + ["held"] * CELLS)
        for at in (0, CELLS):
            names = [[p["name"] for p in cell["perturbation"]] for cell in self.cells[at : at + CELLS]]
            self.assertEqual(names, [[], ["pgd_linf"], ["pgd_linf"], ["fgm_l2"], ["contrast"], ["contrast"]])
        for cell in self.cells:
            self.assertEqual(set(cell), {"model", "data", "perturbation", "n", "undecided", "passes", "evaluated", "flags", "metrics"})
            self.assertEqual((cell["n"], cell["undecided"], cell["flags"]), (40, 0, []))
            kind = cell["perturbation"][0]["kind"] if cell["perturbation"] else "clean"
            attacked = {"robust_accuracy", "robust_accuracy_final"} if kind == "attack" else set()
            self.assertEqual(set(cell["metrics"]) & {"robust_accuracy", "robust_accuracy_final"}, attacked)
            self.assertLessEqual({"accuracy", "top5_accuracy", "nll", "brier", "ece"}, set(cell["metrics"]))
            self.assertEqual(cell["passes"]["backward"] > 0, kind == "attack")
            for name, estimate in cell["metrics"].items():
                why = {"undefined"} if name == "robust_accuracy_final" else set()
                self.assertEqual(set(estimate), {"value", "lo", "hi", "confidence", "definition"} | why)
                self.assertTrue(estimate["definition"])
                if name == "robust_accuracy_final":
                    self.assertIsNone(estimate["value"], "fooled samples retired before their last iterate")
                elif name.endswith("accuracy"):
                    self.assertTrue(0 <= estimate["lo"] <= estimate["value"] <= estimate["hi"] <= 1)
                    self.assertEqual(estimate["confidence"], 0.95)
                    self.assertAlmostEqual(estimate["value"] * 40, round(estimate["value"] * 40))

    def test_numbers_are_finite_or_null_and_the_shortest_that_round_trip(self) -> None:
        def exact(text: str) -> float:
            value = float(text)
            self.assertTrue(math.isfinite(value))
            self.assertEqual(float(repr(value)), value)
            self.assertLessEqual(len(text), len(repr(value)) + len("e+0"), text)
            return value

        def never(text: str) -> None:
            self.fail(f"{text} is not JSON")

        json.loads(self.text, parse_float=exact, parse_constant=never)

    def test_results_say_nothing_of_the_machine_the_time_or_the_folder(self) -> None:
        for name in ("results.json", "results.csv", "results.jsonl"):
            text = (self.whole / name).read_text()
            self.assertNotIn(str(self.whole.parent), text)
            self.assertNotIn(str(ROOT), text)
            self.assertIsNone(re.search(rf"(?i)\b(host|hostname|seconds|date|path|{re.escape(socket.gethostname())})\b", text), name)

    def test_csv_and_jsonl_have_a_row_a_cell_and_metric_that_agrees_with_the_json(self) -> None:
        expected = [(cell, name, estimate) for cell in self.cells for name, estimate in cell["metrics"].items()]
        rows = list(csv.DictReader(io.StringIO((self.whole / "results.csv").read_text())))
        lines = [json.loads(line) for line in (self.whole / "results.jsonl").read_text().splitlines()]
        self.assertEqual((len(rows), len(lines)), (len(expected), len(expected)))
        for (cell, name, estimate), row, line in zip(expected, rows, lines, strict=True):
            self.assertEqual({key: line[key] for key in estimate}, estimate)
            for key in ("model", "n", "undecided", "perturbation"):
                self.assertEqual(line[key], cell[key])
            self.assertEqual((line["metric"], row["metric"]), (name, name))
            self.assertEqual((row["model"], row["n"], row["undecided"]), (cell["model"], str(cell["n"]), str(cell["undecided"])))
            for key in ("value", "lo", "hi", "confidence"):
                self.assertEqual(float(row[key]) if row[key] else None, estimate[key])
            self.assertEqual(row["definition"], estimate["definition"])
            self.assertEqual([row["perturbation"]] if row["perturbation"] else [], [p["name"] for p in cell["perturbation"]])
            self.assertEqual([json.loads(row["params"])] if row["params"] else [], [p["params"] for p in cell["perturbation"]])

    def test_the_table_goes_to_stdout_and_the_log_to_stderr(self) -> None:
        words = ("fashion_mnist: 40 images", "standard", "held", "clean", "pgd_linf", "fgm_l2", "contrast", "accuracy", "robust_accuracy")
        for word in words:
            self.assertIn(word, self.result.stdout)
        self.assertTrue(self.result.stdout.endswith(f"results: {self.whole}/results.json\n"))
        for word in ("sha256", "units:", "device:"):
            self.assertNotIn(word, self.result.stdout)
            self.assertIn(word, self.result.stderr)
        self.assertNotIn("\x1b", self.result.stdout + self.result.stderr)
        self.assertNotIn("\r", self.result.stderr)

    def test_units_bring_back_16_bytes_a_sample_and_their_states(self) -> None:
        info = json.loads((self.whole / "run-info.json").read_text())
        self.assertEqual(info["host_bytes"], fetched(self.whole))
        self.assertGreater(info["host_bytes"], 2 * CELLS * 40 * 16)

    def test_metrics_are_added_to_a_finished_sweep_and_taken_away_without_computing(self) -> None:
        few, out = self.write_sweep(small(["accuracy"])), self.copy()
        before, whole = identity(out), digests(out)
        for config in (few, self.config):
            again = self.done("run", config, "--out", out)
            self.assertNotIn("model ", again.stderr, "a model was loaded")
            info = json.loads((out / "run-info.json").read_text())
            self.assertEqual((info["units"]["computed"], info["host_bytes"]), (0, 0))
            self.assertEqual(identity(out), before)
            if config == few:
                cells = json.loads((out / "results.json").read_text())["cells"]
                self.assertEqual([set(cell["metrics"]) for cell in cells], [{"accuracy"}] * 2 * CELLS)
        self.assertEqual(digests(out), whole)

    def test_metrics_that_a_sweep_began_without_are_those_of_one_that_had_them(self) -> None:
        few = self.write_sweep(sweep(*PERTURBATIONS, models=MODELS, top='metrics = ["brier"]', limit=40))
        self.done("run", few, "--out", self.dir / "out")
        self.done("run", self.config, "--out", self.dir / "out")
        self.assertEqual(digests(self.dir / "out"), digests(self.whole))

    def test_a_finished_sweep_is_scored_again_cell_by_cell(self) -> None:
        metrics = ["accuracy", "nll", "ece", "balanced_accuracy", "ece_classwise", "misclassification_auroc"]
        top = f'metrics = {json.dumps(metrics[:-1])}\nkeep = "logits"'
        steps = (attack("pgd_linf", "epsilon = 0.1\nsteps = 3"), corruption("contrast", 3))
        out = self.dir / "kept"
        self.done("run", self.write_sweep(sweep(*steps, models=MODELS, top=top)), "--out", out)
        cells = json.loads((out / "results.json").read_text())["cells"]
        words = [word for metric in metrics for word in ("--metric", metric)]
        scored = self.json("score", "--run", out, *words)
        self.assertEqual(len(scored["cells"]), 6)
        for cell, again in zip(cells, scored["cells"]):
            for key in ("model", "perturbation", "n"):
                self.assertEqual(again[key], cell[key])
            for metric in metrics[:-1]:
                self.assertEqual(again["metrics"][metric]["value"], cell["metrics"][metric]["value"], metric)
            self.assertIn("misclassification_auroc", again["metrics"])
        # By a peer's rule: the finished sweep without a pass, and scored again; or by our own all the same.
        peer = self.write_sweep(sweep(*steps, models=MODELS, top=top + '\nprofile = "torchmetrics"'))
        followed = self.done("run", peer, "--out", out)
        self.assertIn(" 0 computed", followed.stderr)
        self.assertRegex(followed.stdout, r"(?m)^  ece +ece/top-label/w15 \+ a bin for 1\.0/")
        results = json.loads((out / "results.json").read_text())
        self.assertEqual(results["profile"], "torchmetrics-1.9")
        for profile, expected in (((), results["cells"]), (("--profile", "assay"), cells)):
            for cell, again in zip(expected, self.json("score", "--run", out, "--metric", "ece", *profile)["cells"]):
                self.assertEqual(again["metrics"]["ece"], cell["metrics"]["ece"] | {"data": again["metrics"]["ece"]["data"]})
        # A held-out split of the samples, beside the same one in files.
        plan = json.loads((out / "plan.json").read_text())
        labels = read_npy(out / "labels.npy")[2]

        def saved(cell: int, lo: int, hi: int) -> tuple[Path, Path]:
            values = []
            for unit in plan["units"]:
                if unit["cell"] == cell:
                    values += read_npy(out / "logits" / unit["key"][:2] / f"{unit['key']}.npy")[2]
            stem = f"{cell}-{lo}"
            return (write(self.dir / f"{stem}.npy", npy("<f4", (hi - lo, 10), values[10 * lo : 10 * hi])),
                    write(self.dir / f"{stem}-labels.npy", npy("<i8", (hi - lo,), labels[lo:hi])))  # fmt: skip

        for options in (("--metric", "conformal_lac", "--metric", "conformal_aps"), ("--metric", "nll", "--scaling", "temperature")):
            report = self.json("score", "--run", out, *options, "--fit-samples", "0:20", "--filter", "held", "--by-class")
            self.assertEqual([report["fit_samples"], len(report["cells"])], [[0, 20], 3])
            for again in report["cells"]:
                which = next(i for i, cell in enumerate(cells) if all(cell[key] == again[key] for key in ("model", "perturbation")))
                clean = next(i for i, cell in enumerate(cells) if cell["model"] == "held" and not cell["perturbation"])
                files, split = saved(which, 20, 32), saved(clean, 0, 20)
                expected = self.json("score", "--logits", files[0], "--labels", files[1], "--fit-logits", split[0],
                                     "--fit-labels", split[1], *options, "--by-class")  # fmt: skip
                self.assertEqual(again["n"], 12)
                if not again["perturbation"]:  # an attack's nll is that of its own last pass
                    self.assertEqual({key: again[key] for key in expected if key != "schema"}, {k: v for k, v in expected.items() if k != "schema"})
                    continue
                for name, one in expected["metrics"].items():
                    self.assertAlmostEqual(again["metrics"][name]["value"], one["value"], delta=1e-6, msg=name)
                self.assertEqual(again.get("scalings", {}).get("temperature", {}).get("parameters"),
                                 expected.get("scalings", {}).get("temperature", {}).get("parameters"))  # fmt: skip
        # And a second one, for sets after a scaling.
        options = ("--metric", "conformal_lac", "--scaling", "temperature")
        report = self.json("score", "--run", out, *options, "--fit-samples", "20:32", "--conformal-samples", "0:8", "--filter", "held clean")
        self.assertEqual([report["fit_samples"], report["conformal_samples"]], [[20, 32], [0, 8]])
        clean = next(i for i, cell in enumerate(cells) if cell["model"] == "held" and not cell["perturbation"])
        files, fit, conformal = saved(clean, 8, 20), saved(clean, 20, 32), saved(clean, 0, 8)
        expected = self.json("score", "--logits", files[0], "--labels", files[1], "--fit-logits", fit[0], "--fit-labels", fit[1],
                             "--conformal-logits", conformal[0], "--conformal-labels", conformal[1], *options)  # fmt: skip
        self.assertEqual({key: report["cells"][0][key] for key in ("n", "metrics", "scalings")}, {key: expected[key] for key in ("n", "metrics", "scalings")})
        shown = self.done("score", "--run", out, "--metric", "accuracy", "--filter", "held", "--filter", "contrast").stdout
        self.assertRegex(shown, r"^held contrast .*, 32 samples\naccuracy +0\.\d+  \[0\.\d{4}, [01]\.\d{4}\]\n\naccuracy +correct/n")
        # What cannot be done, and why.
        fit = ("--metric", "conformal_aps", "--fit-samples")
        for code, says, *options in (
            (2, "no cell is called 'fog'", "--metric", "ece", "--filter", "fog"),
            (2, "conformal_aps is fitted on a held-out split", "--metric", "conformal_aps"),
            (2, "on one held-out split", *fit, "0:20", "--scaling", "vector"),
            (2, "temperature is fitted on a held-out split", *fit[:2], "--conformal-samples", "0:20", "--scaling", "temperature"),
            (2, "--fit-samples 0:20 and --conformal-samples 19:30 overlap", *fit, "0:20", "--conformal-samples", "19:30"),
            (2, "all 32 samples of this sweep are fitted on", *fit, "16:32", "--conformal-samples", "0:16"),
            (2, "all 32 samples of this sweep are fitted on", *fit, "0:32"),
            (2, "--conformal-samples 0:33", *fit[:2], "--conformal-samples", "0:33"),
            *((2, "expected LO:HI", *fit, text) for text in ("5", "20:10", "-1:3", "0:33", "0:9x", ":", "3:3")),
            (2, "has its own labels", "--metric", "ece", "--labels", labels_file := out / "labels.npy"),
            (2, "one of --logits, --probs and --run", "--metric", "ece", "--logits", labels_file),
            (65, "expected (32,), a group a row", "--metric", "ece", "--groups", saved(0, 0, 8)[1]),
        ):
            result = run("score", "--run", out, *options)
            self.assertEqual(result.returncode, code, options)
            self.assertIn(says, result.stderr)
        self.assertIn("keeps no logits", run("score", "--run", self.whole, "--metric", "ece").stderr)
        self.assertIn("holds no plan.json", run("score", "--run", self.dir, "--metric", "ece").stderr)
        lost = plan["units"][0]["key"]
        for path in (out / "units" / lost[:2]).glob(f"{lost}.*"):
            path.unlink()
        result = run("score", "--run", out, "--metric", "ece")
        self.assertEqual(result.returncode, 4)
        self.assertIn("images 0 to 15, are missing", result.stderr)

    def test_kept_logits_score_as_the_sweep_does(self) -> None:
        metrics = ["accuracy", "nll", "balanced_accuracy", "ece_classwise"]
        top = f'metrics = {json.dumps(metrics)}\nkeep = "logits"'
        text = sweep(attack("pgd_linf", "epsilon = 0.1\nsteps = 3"), corruption("contrast", 3), top=top)
        config, out = self.write_sweep(text), self.dir / "kept"
        self.done("run", config, "--out", out)
        results = (out / "results.json").read_bytes()
        plan, cells = json.loads((out / "plan.json").read_text()), json.loads(results)["cells"]
        for number, cell in enumerate(cells):
            values = []
            for unit in plan["units"]:
                if unit["cell"] == number:
                    values += read_npy(out / "logits" / unit["key"][:2] / f"{unit['key']}.npy")[2]
            logits = write(self.dir / "logits.npy", npy("<f4", (32, 10), values))
            words = [word for metric in metrics for word in ("--metric", metric)]
            scored = self.json("score", "--logits", logits, "--labels", out / "labels.npy", *words)["metrics"]
            for metric in metrics:
                self.assertAlmostEqual(scored[metric]["value"], cell["metrics"][metric]["value"], delta=1e-6, msg=metric)
        # One file lost: its unit is computed again, to the same bytes.
        lost = plan["units"][0]["key"]
        (out / "logits" / lost[:2] / f"{lost}.npy").unlink()
        self.assertIn("the logits of", run("merge", out).stderr)
        self.assertIn("1 computed", self.done("run", config, "--out", out).stderr)
        self.assertEqual((out / "results.json").read_bytes(), results)

    def test_the_same_sweep_as_json_and_from_another_folder_gives_the_same_bytes(self) -> None:
        document = {
            "batch": 16,
            "metrics": METRICS,
            "data": {"source": "fashion_mnist", "limit": 40},
            "model": [
                {"path": "models/standard.pt", "mean": [0.286], "std": [0.353]},
                {"path": "models/robust.pt", "name": "held", "mean": [0.286], "std": [0.353]},
            ],
            "attack": [{"name": "pgd_linf", "epsilon": ["4/255", 0.1], "steps": 3}, {"name": "fgm_l2", "epsilon": 1}],
            "corruption": [{"name": "contrast", "severity": [1, 5]}],
        }
        elsewhere = self.dir / "elsewhere"
        write(elsewhere / "config.json", json.dumps(document))
        (elsewhere / "models").symlink_to(ROOT / "models")
        self.done("run", "elsewhere/config.json", cwd=self.dir)
        self.assertEqual((self.dir / "out" / "config" / "results.json").read_text(), self.text)


class Shards(Whole):
    def test_shards_merge_to_the_bytes_of_one_process_in_any_order(self) -> None:
        for order in ((0, 1, 2), (1, 2, 0), (2, 1, 0)):
            out = self.dir / "".join(map(str, order))
            for done, shard in enumerate(order):
                if done > 0:
                    error = self.refused(4, "units are missing", "merge", out)
                    left = 2 * CELLS * UNITS_A_CELL - len(units(out))
                    self.assertIn(f"{left} of {2 * CELLS * UNITS_A_CELL} units", error)
                    self.assertRegex(error, r"the first: (standard|held) .*, images \d+ to \d+")
                self.done("run", self.config, "--out", out, "--shard", f"{shard}/3")
                self.assertEqual(list(out.glob("results.*")), [])
                self.assertTrue((out / f"run-info.{shard}-of-3.json").exists())
            self.done("merge", out)
            self.assertEqual(digests(out), digests(self.whole))

    def test_shards_at_once_share_the_units_out(self) -> None:
        out = self.dir / "out"
        processes = [start("run", self.config, "--out", out, "--shard", f"{shard}/3") for shard in range(3)]
        for process in processes:
            _, err = process.communicate(timeout=SECONDS)
            self.assertEqual(process.returncode, 0, err)
        infos = [json.loads((out / f"run-info.{shard}-of-3.json").read_text())["units"] for shard in range(3)]
        self.assertEqual([info["reused"] for info in infos], [0, 0, 0])
        self.assertEqual(sum(info["computed"] for info in infos), 2 * CELLS * UNITS_A_CELL)
        self.assertTrue(all(info["computed"] > 0 for info in infos))
        self.done("merge", out)
        self.assertEqual(digests(out), digests(self.whole))

    def test_more_shards_than_jobs_leave_some_with_nothing_to_do(self) -> None:
        config, out = self.write_sweep(sweep(limit=16)), self.dir / "out"
        for shard in range(3):
            self.done("run", config, "--out", out, "--shard", f"{shard}/3")
        self.done("merge", out)

    def test_an_unsharded_run_takes_over_what_shards_left(self) -> None:
        out = self.dir / "out"
        self.done("run", self.config, "--out", out, "--shard", "1/3")
        before = identity(out)
        self.assertGreater(len(before), 0)
        self.done("run", self.config, "--out", out)
        self.assertLessEqual(before.items(), identity(out).items())
        counts = json.loads((out / "run-info.json").read_text())["units"]
        self.assertEqual(counts["reused"], len(before) // 2)
        self.assertEqual(digests(out), digests(self.whole))


class Verbs(Case):
    def test_every_verb_prints_one_json_value(self) -> None:
        config, out = self.write_sweep(sweep(attack("fgsm", "epsilon = 0.1"))), self.dir / "out"
        plan = self.json("plan", config)
        self.assertEqual(len(plan["units"]), 4)
        dry = self.json("run", config, "--out", out, "--dry-run")
        self.assertEqual((dry["units"], dry["missing"], dry["plan_id"]), (4, 4, plan["plan_id"]))
        self.assertFalse(out.exists(), "--dry-run wrote")
        shard = self.json("run", config, "--out", out, "--shard", "0/2")
        self.assertEqual((shard["shard"], shard["shards"], shard["units"]["failed"]), (0, 2, 0))
        status = self.json("status", out)
        self.assertEqual((status["units"], status["done"]), (4, shard["units"]["done"]))
        self.assertEqual(status["done"] + status["missing"], 4)
        whole = self.json("run", config, "--out", out)
        self.assertEqual((whole["units"], whole["undecided"]), ({"planned": 4, "done": 4, "failed": 0}, 0))
        self.assertEqual(self.json("merge", out), whole)
        self.assertEqual(self.json("run", config, "--out", out, "--dry-run")["missing"], 0)
        self.assertEqual(self.json("status", out)["done"], 4)
        self.assertTrue(self.json("list"))
        self.assertFalse(self.json("doctor")["cuda"]["available"])
        made = self.json("attack", ROBUST, "fashion_mnist", "fgsm", "--epsilon", "0.1", "--limit", 16, "--out", self.dir / "a")
        self.assertEqual(made["n"], 16)
        made = self.json("corrupt", "fashion_mnist", "contrast", "--severity", 2, "--limit", 3, "--out", self.dir / "c")
        self.assertEqual((made["n"], made["corruption"], made["severity"], made["table"]), (3, "contrast", 2, 32))
        logits = write(self.dir / "logits.npy", npy("<f4", (1, 2), [0, 1]))
        labels = write(self.dir / "labels.npy", npy("<i4", (1,), [1]))
        scored = self.json("score", "--logits", logits, "--labels", labels, "--metric", "accuracy")
        self.assertEqual(set(scored), {"schema", "n", "metrics"})
        self.assertTrue(self.json("bench", "--filter", "metric ece 10000", "--repeat", 1)["lines"])

    def test_the_same_verbs_print_words_for_people(self) -> None:
        config, out = self.write_sweep(sweep(attack("fgsm", "epsilon = 0.1"))), self.dir / "out"
        self.assertRegex(self.done("plan", config).stdout, r"2 cells, 4 units of up to 16 images of fashion_mnist; plan [0-9a-f]{12}\n$")
        self.assertRegex(self.done("run", config, "--out", out, "--dry-run").stdout, "4 units .* 4 missing")
        self.done("run", config, "--out", out)
        self.assertEqual(self.done("status", out).stdout, "4 of 4 units done, 0 failed, 0 missing\n")
        self.assertRegex(self.done("doctor").stdout, "(?m)^device +cpu")
        self.assertRegex(self.done("list", "attacks").stdout, r"(?m)^  pgd_linf ")
        self.assertRegex(self.done("--help").stdout, "merge")
        self.assertRegex(self.done("--version").stdout, r"^\d+\.\d+\.\d+\n$")

    def test_list_names_each_part_once_with_its_parameters(self) -> None:
        entries = self.json("list")
        names = [(entry["kind"], entry["name"]) for entry in entries]
        self.assertEqual(len(set(names)), len(names))
        expected = {
            "attack": "fgsm fgm_l2 pgd_linf pgd_l2",
            "corruption": "gaussian_noise shot_noise impulse_noise contrast brightness pixelate",
            "metric": " ".join(METRICS),
            "source": "fashion_mnist idx npy cifar10",
            "sink": "json csv jsonl table",
        }
        for kind, words in expected.items():
            self.assertLessEqual({(kind, name) for name in words.split()}, set(names))
        for entry in entries:
            for parameter in entry["params"]:
                self.assertLessEqual({"name", "type", "default", "min", "max"}, set(parameter))
        self.assertEqual(self.json("list", "metrics"), self.json("list", "metric"))
        ece = next(entry for entry in entries if entry["name"] == "ece")
        self.assertEqual(sorted(ece["profiles"]), ["netcal-1.4", "sklearn-1.9", "torchmetrics-1.9"])
        self.assertRegex(self.done("list", "metrics").stdout, r"(?m)^      relplot-1\.0 +mean over ")

    def test_out_defaults_to_the_stem_of_the_config(self) -> None:
        self.write_sweep(sweep(limit=16), "folder/tiny.toml")
        self.done("run", "folder/tiny.toml", cwd=self.dir)
        self.assertTrue((self.dir / "out" / "tiny" / "results.json").exists())

    def test_the_shipped_smoke_sweep_runs(self) -> None:
        result = self.done("run", ROOT / "configs" / "smoke.toml", "--out", self.dir / "out")
        self.assertIn("gaussian_noise severity=3", result.stdout)

    def test_plan_writes_what_run_would_write(self) -> None:
        config, out = self.write_sweep(sweep(limit=16)), self.dir / "out"
        self.done("plan", config, "--out", self.dir / "plan.json")
        self.done("run", config, "--out", out)
        self.assertEqual((self.dir / "plan.json").read_bytes(), (out / "plan.json").read_bytes())

    def test_the_number_of_threads_is_kept_with_the_plan(self) -> None:
        config, out = self.write_sweep(sweep(limit=16)), self.dir / "out"
        self.done("run", config, "--out", out, "--threads", 1, "--shard", "0/2")
        # Whatever this machine's default is: the plan's number stands.
        self.done("run", config, "--out", out)
        self.assertEqual(json.loads((out / "run-info.json").read_text())["threads"], 1)
        self.refused(65, "they differ in threads", "run", config, "--out", out, "--threads", 3)


class Signals(Case):
    def test_an_interruption_while_models_load_is_75_too_and_leaves_nothing(self) -> None:
        out = self.dir / "out"
        with start("run", self.write_sweep(sweep(models=MODELS)), "--out", out) as process:
            self.assertIn("device:", process.stderr.readline())  # what follows: data, hashes, models
            process.send_signal(signal.SIGTERM)
            _, err = process.communicate(timeout=SECONDS)
        self.assertEqual(process.returncode, 75, err)
        self.assertIn("interrupted", err)
        self.assertFalse((out / "results.json").exists())


class Listing(Case):
    def test_list_prints_every_registered_thing_and_parameter(self) -> None:
        entries, text = self.json("list"), self.done("list").stdout
        headings = [line for line in text.splitlines() if line and not line.startswith(" ")]
        self.assertEqual(headings, ["attacks", "corruptions", "losses", "metrics", "scalings", "sources", "sinks"])
        for entry in entries:
            self.assertRegex(text, rf"(?m)^  {entry['name']} ")
            for parameter in entry["params"]:
                self.assertRegex(text, rf"(?m)^      {parameter['name']} ")
                if parameter["type"] in ("bool", "string"):
                    self.assertEqual((parameter["min"], parameter["max"]), (None, None))
        for heading in headings:
            self.assertTrue(self.json("list", heading))


class Terminal(Case):
    def test_on_a_terminal_one_line_is_redrawn(self) -> None:
        # More work than any machine does before the first line; it is interrupted once that was seen.
        config = self.write_sweep(sweep(attack("pgd_linf", "epsilon = 0.1\nsteps = 200"), limit=10000))
        ours, theirs = pty.openpty()
        self.addCleanup(os.close, ours)
        process = start("run", config, "--out", self.dir / "out", stderr=theirs)
        os.close(theirs)
        seen, stopped = "", False
        while True:
            try:
                chunk = os.read(ours, 4096)
            except OSError:  # the other end is closed
                break
            if not chunk:
                break
            seen += chunk.decode()
            if not stopped and re.search(r"\r\x1b\[K\d+/1250 units, \d+ images/s, \d+ s left", seen):
                process.send_signal(signal.SIGINT)
                stopped = True
        out, _ = process.communicate(timeout=SECONDS)
        self.assertTrue(stopped, seen)
        self.assertEqual((process.returncode, out), (75, ""))
        self.assertIn("interrupted", seen)


if __name__ == "__main__":
    unittest.main()
