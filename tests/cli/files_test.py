"""The files that `attack`, `corrupt` and `score` write or print, checked against the images that they were made from."""
import csv
import gzip
import json
import math
import random
import struct
import unittest

from program import ROBUST, ROOT, STANDARD, Case, npy, read_npy, write

SIDE, DIM, N = 28, 28 * 28, 32
NORMALISED = ("--mean", 0.286, "--std", 0.353)


def fashion(kind: str, skip: int, count: int) -> bytes:
    with gzip.open(next((ROOT / "data" / "fashion_mnist").glob(f"t10k-{kind}-*.gz"))) as file:
        return file.read(skip + count)[skip:]


def single(value: float) -> float:
    return struct.unpack("<f", struct.pack("<f", value))[0]


class Attack(Case):
    COLUMNS = "index,label,pred_clean,pred_adv,success,norm,loss,forward,backward"

    def attack(self, name: str, *more: object) -> tuple[list[list[float]], list[dict[str, str]]]:
        """The adversarial images and the rows of samples.csv, after what holds for any attack was checked."""
        self.done("attack", STANDARD, "fashion_mnist", name, "--limit", N, "--batch", 16, "--out", self.dir, *NORMALISED, *more)
        dtype, shape, values = read_npy(self.dir / "adversarial.npy")
        self.assertEqual((dtype, shape), ("<f4", (N, 1, SIDE, SIDE)))
        self.assertTrue(all(0 <= value <= 1 for value in values))
        text = (self.dir / "samples.csv").read_text()
        self.assertEqual(text.split("\n", 1)[0], self.COLUMNS)
        rows = list(csv.DictReader(text.splitlines()))
        self.assertEqual([int(row["index"]) for row in rows], list(range(N)))
        self.assertEqual([int(row["label"]) for row in rows], list(fashion("labels", 8, N)))
        for row in rows:
            right = row["pred_clean"] == row["label"]
            self.assertEqual(row["success"], "1" if right and row["pred_adv"] != row["label"] else "0")
            self.assertTrue(float(row["loss"]) >= 0)
        return [values[i * DIM : (i + 1) * DIM] for i in range(N)], rows

    def differences(self, images: list[list[float]]) -> list[list[float]]:
        clean = [single(byte / 255) for byte in fashion("images", 16, N * DIM)]
        return [[a - b for a, b in zip(image, clean[i * DIM :])] for i, image in enumerate(images)]

    def test_pgd_linf_stays_within_epsilon_and_says_how_far_it_went(self) -> None:
        images, rows = self.attack("pgd_linf", "--epsilon", "4/255", "--steps", 5, "--full")
        for difference, row in zip(self.differences(images), rows, strict=True):
            far = max(map(abs, difference))
            # Both pixels are rounded to float32.
            self.assertLessEqual(far, 4 / 255 + 2**-24)
            self.assertAlmostEqual(float(row["norm"]), far, delta=1e-9)
            # Clean, five steps and a look; what fools in the end is asked about once more.
            fooled = row["pred_adv"] != row["label"]
            self.assertEqual((row["forward"], row["backward"]), ("8" if fooled else "7", "5"))
        self.assertGreater(sum(row["success"] == "1" for row in rows), 0)

    def test_pgd_l2_stays_within_epsilon(self) -> None:
        images, rows = self.attack("pgd_l2", "--epsilon=1.5", "--steps=5")
        for difference, row in zip(self.differences(images), rows, strict=True):
            far = math.hypot(*difference)
            self.assertLessEqual(far, 1.5 * (1 + 1e-6))
            self.assertAlmostEqual(float(row["norm"]), far, delta=1e-6)

    def test_fgsm_moves_each_pixel_by_epsilon_or_to_the_edge(self) -> None:
        images, rows = self.attack("fgsm", "--epsilon", 0.1, "--full")
        for image, difference in zip(images, self.differences(images), strict=True):
            for value, moved in zip(image, difference, strict=True):
                self.assertTrue(abs(abs(moved) - 0.1) < 1e-6 or value in (0.0, 1.0) or moved == 0)
        self.assertEqual({(row["forward"], row["backward"]) for row in rows}, {("3", "1"), ("4", "1")})

    def test_four_channels_are_attacked_in_either_layout(self) -> None:
        """golden/fails_on_white.pt says 9 unless an image is all black, whatever its channels."""
        n, side = 6, 8
        plane = side * side
        planar = random.Random(4).randbytes(n * 4 * plane).translate(bytes(i // 2 for i in range(256)))
        last = bytes(planar[(i * 4 + k) * plane + p] for i in range(n) for p in range(plane) for k in range(4))
        write(self.dir / "bytes/images.npy", npy("|u1", (n, side, side, 4), last))
        write(self.dir / "floats/images.npy", npy("<f4", (n, 4, side, side), [single(byte / 255) for byte in planar]))
        for attack, *more in (("fgsm", "--epsilon", 0.5), ("apgd_ce_l2", "--epsilon", 2, "--steps", 5), ("fab_linf", "--epsilon", 0.5),
                              ("square_linf", "--epsilon", 0.5, "--queries", 20), ("pgd_l1", "--epsilon", 9)):  # fmt: skip
            with self.subTest(attack):
                made = []
                for kind in ("bytes", "floats"):
                    write(self.dir / kind / "labels.npy", npy("|u1", (n,), [9] * n))
                    out = self.dir / kind / attack
                    self.done("attack", ROOT / "tests/golden/fails_on_white.pt", f"npy:{self.dir / kind}", attack, "--out", out, *more)
                    made.append((out / "adversarial.npy").read_bytes())
                    self.assertEqual(self.json("verify", out)["refuted"], 0)
                self.assertEqual(made[0], made[1])
                _, shape, values = read_npy(out / "adversarial.npy")
                self.assertEqual(shape, (n, 4, side, side))
                if attack == "fgsm":
                    self.assertEqual(set(values), {0.0})
                    self.assertEqual(self.json("verify", out)["witnesses"], n)

    def test_epsilon_0_gives_the_clean_images(self) -> None:
        images, rows = self.attack("fgsm", "--epsilon", 0)
        self.assertEqual({value for difference in self.differences(images) for value in difference}, {0.0})
        self.assertEqual([row["pred_adv"] for row in rows], [row["pred_clean"] for row in rows])

    def test_the_same_seed_gives_the_same_bytes_and_another_does_not(self) -> None:
        made = []
        for folder, seed in (("a", 3), ("b", 3), ("c", 4)):
            out = self.dir / folder
            words = ("--epsilon", 0.1, "--steps", 2, "--limit", 16, "--seed", seed, "--out", out)
            self.done("attack", ROBUST, "fashion_mnist", "pgd_linf", *words, *NORMALISED)
            made.append((out / "adversarial.npy").read_bytes() + (out / "samples.csv").read_bytes())
        self.assertEqual(made[0], made[1])
        self.assertNotEqual(made[0], made[2])

    def trace(self, *more: object, batch: int = 16) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
        """The rows of trace.csv, of which the order was checked, and of samples.csv."""
        words = ("--limit", N, "--batch", batch, "--out", self.dir, *NORMALISED, "--trace", *more)
        self.done("attack", STANDARD, "fashion_mnist", *words)
        text = (self.dir / "trace.csv").read_text()
        self.assertEqual(text.split("\n", 1)[0], "index,item,target,query,loss,step")
        rows = list(csv.DictReader(text.splitlines()))
        places = [(int(row["index"]), int(row["item"]), int(row["query"])) for row in rows]
        for last, (index, item, query) in zip([(-1, -1, -1), *places], places):
            self.assertLess(last, (index, item, query))
            self.assertEqual(query, last[2] + 1 if last[:2] == (index, item) else 0)
        return rows, list(csv.DictReader((self.dir / "samples.csv").read_text().splitlines()))

    def test_a_trace_ends_with_the_loss_of_the_last_iterate(self) -> None:
        rows, samples = self.trace("pgd_linf", "--epsilon", 0.05, "--steps", 3, "--step", 0.02, "--full")
        self.assertEqual([int(row["index"]) for row in rows], [i // 4 for i in range(4 * N)])
        self.assertEqual({(row["item"], row["target"]) for row in rows}, {("0", "")})
        self.assertEqual([row["step"] for row in rows], ["0.02", "0.02", "0.02", ""] * N)
        rises = 0
        for index, sample in enumerate(samples):
            first, last = float(rows[4 * index]["loss"]), float(rows[4 * index + 3]["loss"])
            self.assertAlmostEqual(last, float(sample["loss"]), delta=1e-4 * max(1, last))
            rises += last > first
        self.assertGreater(rises, 0.9 * N)

    def test_a_trace_has_each_answer_that_counts_for_any_batch(self) -> None:
        members = "pgd_linf steps=3 restarts=2; apgd_t_linf steps=4 targets=2; square_linf queries=10"
        attack = ("ensemble_linf", "--epsilon", 0.02, "--members", members)
        rows, samples = self.trace(*attack)
        made = (self.dir / "trace.csv").read_bytes()
        self.assertEqual({row["item"] for row in rows}, {"0", "1", "2", "3", "4"})
        for row in rows:
            self.assertEqual(row["target"] != "", row["item"] in "23", row)
            self.assertEqual(row["loss"] != "", row["item"] != "4", row)
        for sample in samples:
            # Besides the clean pass, and that which verifies a success.
            answers = sum(row["index"] == sample["index"] for row in rows)
            self.assertEqual(int(sample["forward"]), answers + 1 + int(sample["success"]), sample)
        self.trace(*attack, batch=64)
        self.assertEqual((self.dir / "trace.csv").read_bytes(), made)

    def test_no_trace_unless_it_is_asked_for_not_even_an_older_one(self) -> None:
        write(self.dir / "trace.csv", "of another attack")
        self.attack("fgsm", "--epsilon", 0.05)
        self.assertEqual({path.name for path in self.dir.iterdir()}, {"adversarial.npy", "samples.csv", "witnesses.json"})

    def test_an_attack_that_starts_at_adversarials_has_done_its_work(self) -> None:
        for name, epsilon in (("pgd_linf", 0.05), ("mi_fgsm", 0.05), ("apgd_ce_linf", 0.05), ("pgd_l2", 1.5)):
            with self.subTest(name):
                before, rows = self.attack(name, "--epsilon", epsilon, "--steps", 5)
                start = self.dir / "start.npy"
                (self.dir / "adversarial.npy").rename(start)
                after, again = self.attack(name, "--epsilon", epsilon, "--steps", 5, "--start", f"file:{start}", "--trace")
                trace = list(csv.DictReader((self.dir / "trace.csv").read_text().splitlines()))
                fooled = [i for i in range(N) if rows[i]["success"] == "1"]
                self.assertGreater(len(fooled), 3)
                for i in fooled:
                    # Clean, the start, and the start once more.
                    self.assertEqual((again[i]["success"], again[i]["forward"]), ("1", "3"), i)
                    self.assertEqual([row["query"] for row in trace if row["index"] == str(i)], ["0"])
                    for value, was in zip(after[i], before[i], strict=True):
                        self.assertAlmostEqual(value, was, delta=1e-6)

    def test_a_start_outside_the_ball_is_projected(self) -> None:
        # One image more than is attacked, all white; steps of no length stay where they begin.
        start = write(self.dir / "white.npy", npy("<f4", (N + 1, 1, SIDE, SIDE), [1.0] * ((N + 1) * DIM)))
        words = ("--step", 0, "--steps", 1, "--start", f"file:{start}", "--full")
        images, _ = self.attack("pgd_linf", "--epsilon", 0.125, *words)
        for image, difference in zip(images, self.differences(images), strict=True):
            for value, moved in zip(image, difference, strict=True):
                self.assertTrue(abs(moved - 0.125) < 1e-6 or (value == 1 and 0 <= moved <= 0.125), (value, moved))
        images, rows = self.attack("pgd_l2", "--epsilon", 2, *words)
        for difference, row in zip(self.differences(images), rows, strict=True):
            self.assertAlmostEqual(math.hypot(*difference), 2, delta=1e-4)
            self.assertGreaterEqual(min(difference), 0)

    def test_samples_agree_with_the_json_summary(self) -> None:
        summary = self.json("attack", STANDARD, "fashion_mnist", "fgsm", "--epsilon", "0.1", "--limit", N, "--out", self.dir, *NORMALISED)
        rows = list(csv.DictReader((self.dir / "samples.csv").read_text().splitlines()))
        self.assertEqual(summary["n"], len(rows))
        self.assertEqual(summary["clean_correct"], sum(row["pred_clean"] == row["label"] for row in rows))
        self.assertEqual(summary["fooled"], sum(row["success"] == "1" for row in rows))
        self.assertEqual(summary["attack"]["params"]["epsilon"], 0.1)


class Corrupt(Case):
    def setUp(self) -> None:
        super().setUp()
        self.pixels = random.Random(0).randbytes(6 * 8 * 8 * 3)
        self.rgb = self.dir / "rgb"
        write(self.rgb / "images.npy", npy("|u1", (6, 8, 8, 3), self.pixels))
        write(self.rgb / "labels.npy", npy("<i8", (6,), [5, 4, 3, 2, 1, 0]))

    def corrupt(self, name: str, *more: object, data: object = None) -> dict[str, tuple[str, tuple[int, ...], list]]:
        """What lies in the folder afterwards, by its path in it."""
        out = self.dir / f"{name} {more}".replace("/", "_")
        self.done("corrupt", data or f"npy:{self.rgb}", name, "--severity", 3, "--out", out, *more)
        return {str(path.relative_to(out)): read_npy(path) for path in out.rglob("*") if path.is_file()}

    def test_images_and_labels_keep_their_shape_and_order(self) -> None:
        made = self.corrupt("contrast")
        self.assertEqual(set(made), {"images.npy", "labels.npy"})
        self.assertEqual(made["images.npy"][:2], ("|u1", (6, 8, 8, 3)))
        self.assertEqual(made["labels.npy"], ("<u2", (6,), [5, 4, 3, 2, 1, 0]))

    def test_gray_images_have_one_channel(self) -> None:
        made = self.corrupt("gaussian_noise", "--limit", 5, "--float", "--dump-draws", data="fashion_mnist")
        self.assertEqual(made["images.npy"][:2], ("|u1", (5, SIDE, SIDE, 1)))
        self.assertEqual(made["labels.npy"][2], list(fashion("labels", 8, 5)))
        self.assertEqual(made["float.npy"][:2], ("<f4", (5, SIDE, SIDE, 1)))
        self.assertEqual(made["draws/normal.npy"][:2], ("<f4", (5, 3, SIDE, SIDE)))

    def test_floats_are_the_images_before_quantisation(self) -> None:
        for name in ("gaussian_noise", "shot_noise", "impulse_noise", "contrast", "brightness", "pixelate"):
            with self.subTest(name):
                made = self.corrupt(name, "--float")
                dtype, shape, floats = made["float.npy"]
                self.assertEqual((dtype, shape), ("<f4", (6, 8, 8, 3)))
                self.assertTrue(all(0 <= value <= 1 for value in floats))
                # The peer multiplies in float32 and lets uint8 cut off.
                self.assertEqual([int(single(255 * value)) for value in floats], made["images.npy"][2])
                self.assertNotEqual(made["images.npy"][2], list(self.pixels))

    def test_draws_are_what_was_used(self) -> None:
        expected = {"gaussian_noise": 1, "shot_noise": 1, "impulse_noise": 1, "contrast": 0, "brightness": 0, "pixelate": 0}
        for name, least in expected.items():
            with self.subTest(name):
                draws = {file: array for file, array in self.corrupt(name, "--dump-draws").items() if file.startswith("draws/")}
                self.assertGreaterEqual(len(draws), least)
                for dtype, shape, _ in draws.values():
                    self.assertEqual((dtype, shape), ("<f4", (6, 3, 8, 8)))

    def test_one_image_is_that_row_of_the_whole(self) -> None:
        # So noise is the sample's own, wherever it stands in a batch.
        for name in ("gaussian_noise", "impulse_noise", "pixelate"):
            whole = self.corrupt(name, "--float", "--dump-draws")
            for index in (0, 4):
                with self.subTest(f"{name} {index}"):
                    one = self.corrupt(name, "--float", "--dump-draws", "--index", index)
                    self.assertEqual(set(one), set(whole))
                    for file, (dtype, shape, values) in whole.items():
                        size = len(values) // 6
                        row = (dtype, (1, *shape[1:]), values[index * size : (index + 1) * size])
                        self.assertEqual(one[file], row, file)

    def test_the_same_seed_gives_the_same_images_and_another_does_not(self) -> None:
        first = self.corrupt("gaussian_noise", "--seed", 1)
        second = self.corrupt("gaussian_noise", "--seed", 1, "--json")  # in another folder
        other = self.corrupt("gaussian_noise", "--seed", 2)
        self.assertEqual(first, second)
        self.assertNotEqual(first["images.npy"], other["images.npy"])

    def test_what_it_writes_can_be_read_back_as_data(self) -> None:
        out = self.dir / "made"
        self.done("corrupt", "fashion_mnist", "contrast", "--severity", 5, "--limit", 16, "--out", out)
        summary = self.json("attack", ROBUST, f"npy:{out}", "fgsm", "--epsilon", "0.1", "--out", self.dir / "attacked")
        self.assertEqual(summary["n"], 16)


class Score(Case):
    def setUp(self) -> None:
        super().setUp()
        # Right, right, wrong, wrong with a tie that the lowest index wins.
        self.logits = [[2.0, 0.0, 1.0], [0.0, 3.0, 0.0], [1.0, 0.0, 0.5], [1.0, 1.0, 0.0]]
        self.labels = [0, 1, 2, 1]
        self.files = [
            "--logits", write(self.dir / "l.npy", npy("<f4", (4, 3), sum(self.logits, []))),
            "--labels", write(self.dir / "y.npy", npy("|u1", (4,), self.labels)),
        ]  # fmt: skip
        self.softmax = []
        for row in self.logits:
            powers = [math.exp(value) for value in row]
            self.softmax.append([power / sum(powers) for power in powers])

    def expected(self) -> dict[str, float]:
        pairs = list(zip(self.softmax, self.labels))
        top = [(max(p), p.index(max(p)) == y) for p, y in pairs]
        bins: dict[int, list[tuple[float, bool]]] = {}
        for confidence, right in top:
            bins.setdefault(min(int(confidence * 15), 14), []).append((confidence, right))
        gaps = [abs(sum(c for c, _ in b) - sum(r for _, r in b)) for b in bins.values()]
        return {
            "accuracy": 0.5,
            "nll": sum(-math.log(p[y]) for p, y in pairs) / 4,
            "brier": sum((value - (k == y)) ** 2 for p, y in pairs for k, value in enumerate(p)) / 4,
            "ece": sum(gaps) / 4,
        }

    def assert_scores(self, *files: object) -> None:
        expected = self.expected()
        report = self.json("score", *files, *(word for name in expected for word in ("--metric", name)))
        self.assertEqual((report["schema"], report["n"], set(report["metrics"])), (1, 4, set(expected)))
        for name, value in expected.items():
            found = report["metrics"][name]
            self.assertEqual(set(found) - {"data"}, {"value", "lo", "hi", "confidence", "definition"})
            self.assertAlmostEqual(found["value"], value, delta=1e-6, msg=name)
        # Wilson, 2 of 4 at 95%.
        self.assertAlmostEqual(report["metrics"]["accuracy"]["lo"], 0.150036, delta=1e-5)
        self.assertAlmostEqual(report["metrics"]["accuracy"]["hi"], 0.849964, delta=1e-5)
        self.assertEqual([report["metrics"]["nll"][key] for key in ("lo", "hi", "confidence")], [None] * 3)

    def test_logits(self) -> None:
        self.assert_scores(*self.files)

    def test_logits_in_float64(self) -> None:
        wide = write(self.dir / "wide.npy", npy("<f8", (4, 3), sum(self.logits, [])))
        self.assert_scores("--logits", wide, *self.files[2:])

    def test_logits_in_float16_and_bfloat16(self) -> None:
        # Halves: exact in both. Beside them what float16 has no normal number for.
        rows = [[2.5, -1.0, 0.5], [-0.5, 1.5, 2.0**-24], [3.0, 0.0, -2.0**-20], [0.5, 1.0, -0.5]]
        single = write(self.dir / "f4.npy", npy("<f4", (4, 3), sum(rows, [])))
        halves = write(self.dir / "f2.npy", npy("<f2", (4, 3), sum(rows, [])))
        upper = [struct.unpack("<I", struct.pack("<f", value))[0] >> 16 for value in sum(rows, [])]
        brain = write(self.dir / "bf16.npy", npy("<u2", (4, 3), upper))
        metrics = [word for name in ("accuracy", "nll", "brier", "aurc", "misclassification_auroc") for word in ("--metric", name)]
        expected = self.json("score", "--logits", single, *self.files[2:], *metrics)
        self.assertEqual(self.json("score", "--logits", halves, *self.files[2:], *metrics), expected)
        self.assertEqual(self.json("score", "--logits", brain, *self.files[2:], *metrics, "--dtype", "bf16"), expected)

    def test_more_rows_than_are_read_at_once(self) -> None:
        times = 200_000
        data = struct.pack("<12f", *sum(self.logits, []))
        logits = write(self.dir / "many.npy", npy("<f4", (4 * times, 3), data * times))
        labels = write(self.dir / "many-labels.npy", npy("|u1", (4 * times,), bytes(self.labels) * times))
        metrics = [word for name in self.expected() | {"ks_calibration": 0, "misclassification_auroc": 0} for word in ("--metric", name)]
        few = self.json("score", *self.files, *metrics)["metrics"]
        found = self.json("score", "--logits", logits, "--labels", labels, *metrics)
        self.assertEqual(found["n"], 4 * times)
        for name, one in few.items():
            self.assertAlmostEqual(found["metrics"][name]["value"], one["value"], delta=1e-9, msg=name)

    def test_a_profile_that_no_metric_has(self) -> None:
        for metric, says in (("nll", True), ("ece", False)):
            stderr = self.done("score", *self.files, "--metric", metric, "--profile", "netcal").stderr
            self.assertEqual("none of these metrics has a rule of netcal-1.4" in stderr, says)

    def test_why_a_metric_is_undefined(self) -> None:
        right = write(self.dir / "right.npy", npy("<i8", (4,), [row.index(max(row)) for row in self.logits]))
        metrics = self.json("score", "--logits", self.files[1], "--labels", right, "--metric", "misclassification_auroc")["metrics"]
        self.assertEqual(metrics["misclassification_auroc"]["value"], None)
        self.assertEqual(metrics["misclassification_auroc"]["undefined"], "no sample is wrong")

    def test_probabilities(self) -> None:
        probabilities = write(self.dir / "p.npy", npy("<f4", (4, 3), sum(self.softmax, [])))
        self.assert_scores("--probs", probabilities, *self.files[2:])

    def held_out(self) -> tuple[object, ...]:
        """Eleven samples: nine right by 2, one wrong by 2, one undecided."""
        rows = [[2.0, 0.0, 0.0]] * 9 + [[0.0, 2.0, 0.0], [math.nan, 0.0, 0.0]]
        logits = write(self.dir / "fit.npy", npy("<f4", (11, 3), sum(rows, [])))
        return "--fit-logits", logits, "--fit-labels", write(self.dir / "fit-labels.npy", npy("<i8", (11,), [0] * 11))

    def test_conformal_sets_of_a_held_out_split(self) -> None:
        words = ["--metric", "conformal_lac", "--metric", "balanced_accuracy", "--alpha", "0.2"]
        metrics = self.json("score", *self.files, *self.held_out(), *words)["metrics"]
        self.assertIn("1 of the samples of", self.done("score", *self.files, *self.held_out(), *words).stderr)
        # The ceil(12 * 0.8) = 10th of eleven nonconformities: the wrong one's; the undecided one's is above all.
        threshold = 1 - 1 / (math.exp(2) + 2)
        self.assertAlmostEqual(metrics["conformal_lac"]["data"]["threshold"], threshold, delta=1e-6)
        self.assertEqual(metrics["conformal_lac"]["data"]["alpha"], 0.2)
        sets = [[k for k, p in enumerate(row) if 1 - p <= threshold + 1e-9] for row in self.softmax]
        self.assertEqual(metrics["conformal_lac"]["value"], sum(y in s for s, y in zip(sets, self.labels)) / 4)
        self.assertEqual(metrics["conformal_lac"]["data"]["mean_size"], [sum(map(len, sets)) / 4])
        self.assertEqual(sum(metrics["balanced_accuracy"]["data"]["confusion"]), 4)

    def test_coarse_answers_are_no_overlap(self) -> None:
        rows = [[0.75, 0.25], [0.5, 0.5]] * 20
        files = [write(self.dir / f"coarse-{i}.npy", npy("<f4", (40, 2), sum(rows, []))) for i in range(2)]
        labels = write(self.dir / "coarse-labels.npy", npy("<i8", (40,), [0, 1] * 20))
        self.done("score", "--probs", files[0], "--labels", labels, "--fit-probs", files[1], "--fit-labels", labels, "--metric", "conformal_aps")

    def test_a_temperature_that_a_held_out_split_asks_for(self) -> None:
        # One in ten is wrong by 2: softmax(2 / T) of three is 0.9 where exp(2 / T) is 18.
        rows, labels = [[2.0, 0.0, 0.0]] * 20, [0] * 18 + [1, 2]
        split = ("--fit-logits", write(self.dir / "t.npy", npy("<f4", (20, 3), sum(rows, []))),
                 "--fit-labels", write(self.dir / "tl.npy", npy("<i8", (20,), labels)))  # fmt: skip
        report = self.json("score", *self.files, *split, "--metric", "nll", "--metric", "accuracy", "--scaling", "temperature")
        scaled = report["scalings"]["temperature"]
        temperature = 2 / math.log(18)
        self.assertAlmostEqual(scaled["parameters"]["temperature"][0], temperature, delta=1e-9)
        self.assertEqual(scaled["metrics"]["accuracy"], report["metrics"]["accuracy"])
        nll = 0.0
        for row, label in zip(self.logits, self.labels):
            nll += math.log(sum(math.exp(z / temperature) for z in row)) - row[label] / temperature
        self.assertAlmostEqual(scaled["metrics"]["nll"]["value"], nll / 4, delta=1e-6)
        shown = self.done("score", *self.files, *split, "--metric", "nll", "--scaling", "temperature").stdout
        self.assertRegex(shown, r"(?m)^after temperature: ")

    def test_conformal_sets_after_a_scaling_by_a_split_of_their_own(self) -> None:
        # At the temperature of the test above a sample that is wrong by 2 has 1 of 18 + 2.
        rows, labels = [[2.0, 0.0, 0.0]] * 20, [0] * 18 + [1, 2]
        fit = ("--fit-logits", write(self.dir / "t.npy", npy("<f4", (20, 3), sum(rows, []))),
               "--fit-labels", write(self.dir / "tl.npy", npy("<i8", (20,), labels)))  # fmt: skip
        conformal = [str(word).replace("--fit", "--conformal") for word in self.held_out()]
        words = ("--metric", "conformal_lac", "--scaling", "temperature", "--alpha", "0.2")
        report = self.json("score", *self.files, *fit, *conformal, *words)
        for part, threshold in ((report, 1 - 1 / (math.exp(2) + 2)), (report["scalings"]["temperature"], 1 - 1 / 20)):
            self.assertAlmostEqual(part["metrics"]["conformal_lac"]["data"]["threshold"], threshold, delta=1e-6)
        # The sets' own split is what counts for them where there is another one, too.
        alone = self.json("score", *self.files, *conformal, *words[:2], *words[4:])
        self.assertEqual(self.json("score", *self.files, *fit, *conformal, *words[:2], *words[4:]), alone)

    def test_groups_the_worst_and_the_gap(self) -> None:
        words = ("--metric", "accuracy", "--metric", "misclassification_auroc", "--metric", "ece_classwise")
        right = [row.index(max(row)) == y for row, y in zip(self.logits, self.labels)]
        column = [7 if is_right else 4 for is_right in right]
        files = write(self.dir / "g.npy", npy("<u2", (4,), column))
        report = self.json("score", *self.files, *words, "--groups", files)
        groups = report["groups"]
        self.assertEqual((groups["by"], groups["ids"], groups["n"]), ("group", [4, 7], [2, 2]))
        accuracy = groups["metrics"]["accuracy"]
        self.assertEqual((accuracy["values"], accuracy["worst"], accuracy["gap"]), ([0.0, 1.0], {"group": 4, "value": 0.0}, 1.0))
        auroc = groups["metrics"]["misclassification_auroc"]
        self.assertEqual(auroc["undefined"], {"4": "no sample is right", "7": "no sample is wrong"})
        self.assertEqual((auroc["worst"], auroc["gap"]), (None, None))
        # What is infinite has a reason too, and is the worst.
        sure = write(self.dir / "sure.npy", npy("<f4", (3, 2), [1, 0, 0.5, 0.5, 0.25, 0.75]))
        wrong = write(self.dir / "wrong.npy", npy("<i8", (3,), [1, 0, 1]))
        nll = self.json("score", "--probs", sure, "--labels", wrong, "--metric", "nll", "--by-class")["groups"]["metrics"]["nll"]
        self.assertEqual(nll["worst"]["group"], 1)
        self.assertIn("probability 0", nll["undefined"]["1"])
        # Each class a group of its own, in words or by a table.
        table = write(self.dir / "c.npy", npy("<i8", (3,), [0, 1, 2]))
        by_class, by_table = (self.json("score", *self.files, *words, *option)["groups"] for option in (["--by-class"], ["--class-groups", table]))
        self.assertEqual(by_class["metrics"], by_table["metrics"])
        self.assertEqual(by_class["n"], [self.labels.count(k) for k in range(3)])
        self.assertEqual(report["metrics"], self.json("score", *self.files, *words)["metrics"])

    def test_words_for_people(self) -> None:
        result = self.done("score", *self.files, "--metric", "accuracy")
        self.assertRegex(result.stdout, r"^accuracy +0\.5 ")

    def test_rows_that_are_not_finite_are_undecided_and_said(self) -> None:
        broken = [*self.logits[:3], [math.nan, 1.0, 0.0]]
        logits = write(self.dir / "nan.npy", npy("<f4", (4, 3), sum(broken, [])))
        result = self.done("score", "--logits", logits, *self.files[2:], "--metric", "accuracy", "--metric", "nll", "--json")
        self.assertEqual(result.stderr, f"warning: 1 rows of '{logits}' are undecided: their logits are not finite\n")
        metrics = json.loads(result.stdout)["metrics"]
        self.assertEqual(metrics["accuracy"]["value"], 0.5)
        self.assertTrue(math.isfinite(metrics["nll"]["value"]))


if __name__ == "__main__":
    unittest.main()
