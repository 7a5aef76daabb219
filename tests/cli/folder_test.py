"""Sweeps over a folder of images: the same numbers as from arrays of their pixels, each image read by the shard that needs it."""
import json
import random
import tempfile
import unittest
from pathlib import Path

import program
from program import ROOT, Case, attack, corruption, model, npy, png, sweep, write

SIDE, EACH, CLASSES = 12, 8, ("blue", "green", "red")
MODEL = model(ROOT / "tests/golden/mean_colour.pt", "")  # its classes: red, green, blue


def setUpModule() -> None:
    folder = tempfile.TemporaryDirectory(prefix="assay-test-")
    unittest.addModuleCleanup(folder.cleanup)
    program.ENVIRONMENT["XDG_CACHE_HOME"] = folder.name


class Folder(Case):
    def setUp(self) -> None:
        """Images in which the class's channel is a little brighter, and as arrays the same in the model's order."""
        super().setUp()
        source = random.Random(3)
        pixels, labels = b"", []
        for name in CLASSES:
            channel = 2 - CLASSES.index(name)
            for i in range(EACH):
                image = bytearray(source.randrange(40, 200) for _ in range(SIDE * SIDE * 3))
                for at in range(channel, len(image), 3):
                    image[at] += 12
                write(self.dir / "images" / name / f"{i}.png", png(SIDE, SIDE, bytes(image)))
                pixels += image
                labels.append(channel)
        write(self.dir / "array/images.npy", npy("|u1", (len(labels), SIDE, SIDE, 3), pixels))
        write(self.dir / "array/labels.npy", npy("|u1", (len(labels),), labels))
        write(self.dir / "names.txt", "red\ngreen\nblue\n")

    def config(self, source: str, *perturbations: str, name: str = "sweep.toml", batch: int = 4) -> Path:
        return self.write_sweep(sweep(*perturbations, models=MODEL, source=source, limit=999, batch=batch), name)

    def cells(self, out: Path) -> list:
        cells = json.loads((out / "results.json").read_text())["cells"]
        for cell in cells:
            cell["data"].pop("source")
        return cells

    SWEPT = (attack("pgd_linf", 'epsilon = ["2/255", "8/255"]\nsteps = 3'), corruption("contrast", [1, 4]))

    def test_results_are_those_of_the_pixels(self) -> None:
        for source, name in (("folder:images,classes=names.txt", "folder"), ("npy:array", "npy")):
            self.done("run", self.config(source, *self.SWEPT, name=f"{name}.toml"), "--out", self.dir / name)
        self.assertEqual(self.cells(self.dir / "folder"), self.cells(self.dir / "npy"))
        results = json.loads((self.dir / "folder/results.json").read_text())
        self.assertEqual(results["cells"][0]["data"]["source"], "folder:images,classes=names.txt")
        self.assertGreater(results["cells"][0]["metrics"]["accuracy"]["value"], 0.5)

    def test_shards_give_the_same_bytes_and_read_what_is_theirs(self) -> None:
        config = self.config("folder:images,crop=9", *self.SWEPT)
        self.done("run", config, "--out", self.dir / "whole")
        for shard in range(3):
            self.done("run", config, "--out", self.dir / "parts", "--shard", f"{shard}/3")
        self.done("merge", self.dir / "parts")
        self.assertEqual((self.dir / "parts/results.json").read_bytes(), (self.dir / "whole/results.json").read_bytes())

        last = self.dir / "images/red/7.png"
        damaged = bytearray(last.read_bytes())
        damaged[-20] ^= 1  # of the pixels
        write(last, bytes(damaged))
        clean = self.config("folder:images,crop=9", name="clean.toml", batch=16)
        self.done("run", clean, "--out", self.dir / "damaged", "--shard", "0/2")
        self.refused(65, f"'{last}' is damaged: IDAT", "run", clean, "--out", self.dir / "damaged", "--shard", "1/2")

    def test_damaged_images_are_left_out_only_when_asked_for(self) -> None:
        for name in ("blue/0.png", "red/3.png", "red/\udcff\n.png"):  # a name that is no UTF-8, and of two lines
            write(self.dir / "images" / name, b"")
        out = self.dir / "out"
        self.refused(65, "blue/0.png' is empty", "run", self.config("folder:images"), "--out", out)
        self.assertFalse(out.exists())
        result = self.done("run", self.config("folder:images,skip_damaged=true"), "--out", out, errors="replace")
        lines = [line for line in result.stderr.splitlines() if line.startswith("warning: ")]
        self.assertEqual(len(lines), 1)
        self.assertRegex(lines[0], r"^warning: 3 of 25 images are left out: '.*/blue/0.png' is empty.*; '.*/red/3.png' is empty.*; '.*red/.\?.png' is empty")
        info = json.loads((out / "run-info.json").read_text())
        self.assertRegex(" ".join(info["data"]["left_out"]), "blue/0.png' .*red/3.png' ")
        self.assertEqual(self.cells(out)[0]["n"], 22)

    def test_saved_adversarials_are_verified_from_the_folder(self) -> None:
        out = self.dir / "out"
        self.done("run", self.config("folder:images,classes=names.txt", *self.SWEPT), "--out", out, "--save-adversarials")
        self.assertGreater(self.json("verify", out)["witnesses"], 0)

    def test_attack_and_corrupt_take_a_folder(self) -> None:
        for source, name in ((f"folder:{self.dir}/images,classes={self.dir}/names.txt", "folder"), (f"npy:{self.dir}/array", "npy")):
            self.done("corrupt", source, "gaussian_noise", "--severity", 2, "--out", self.dir / "corrupted" / name)
            self.done("attack", ROOT / "tests/golden/mean_colour.pt", source, "fgsm", "--epsilon", 0.02, "--out",
                      self.dir / "attacked" / name)  # fmt: skip
        for made in ("corrupted/{}/images.npy", "corrupted/{}/labels.npy", "attacked/{}/adversarial.npy", "attacked/{}/samples.csv"):
            first, second = ((self.dir / made.format(name)).read_bytes() for name in ("folder", "npy"))
            self.assertEqual(first, second, made)

    def test_options_that_are_not_there_are_named(self) -> None:
        error = self.refused(2, "unknown option 'resiz'", "run", self.config("folder:images,resiz=9"), "--out", self.dir / "out")
        self.assertRegex(error, r"sweep\.toml:\d+:\d+: ")
        self.refused(65, "is not a folder", "run", self.config("folder:names.txt"), "--out", self.dir / "out")


if __name__ == "__main__":
    unittest.main()
