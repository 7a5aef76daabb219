#!/usr/bin/env python3
"""Trains the two demo classifiers on the 60,000 Fashion-MNIST training images.

usage: train_demo_models.py TRAIN_DIR TEST_DIR OUT_DIR

TRAIN_DIR holds train-images-idx3-ubyte.gz and train-labels-idx1-ubyte.gz (Debian: dataset-fashion-mnist,
/usr/share/datasets/fashion-mnist); TEST_DIR holds the t10k files (here: data/fashion_mnist), which are used
only to report accuracy, never to choose a model. Writes standard.pt, robust.pt and provenance.json.
Needs torch 2.11.0 and numpy. Same machine kind, thread count and seed: same weights.
"""
import gzip
import hashlib
import json
import platform
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

SEED = 20261123
MEAN, STD = 0.286, 0.353  # of the training images; assay applies them from the config, so does forward_pixels here
TRAIN_SHA256 = {
    "train-images-idx3-ubyte.gz": "b0564c3eedabfbf835052cff8503ea422014ce006caf5b757f851416ee8300c7",
    "train-labels-idx1-ubyte.gz": "0ae29f65d86684f32d1b9c85147786c547b9c6aebcaf235f0400a0cce308b056",
}


class SmallCnn(nn.Module):
    """Four convolutions with batch norm, two linear layers; 0.45 M parameters, 4.1 M multiply-adds an image."""

    def __init__(self):
        super().__init__()

        def block(cin, cout, stride):
            return nn.Sequential(nn.Conv2d(cin, cout, 3, stride, 1, bias=False), nn.BatchNorm2d(cout), nn.ReLU())

        self.features = nn.Sequential(block(1, 16, 1), block(16, 32, 2), block(32, 32, 1), block(32, 64, 2))
        self.head = nn.Sequential(nn.Linear(64 * 7 * 7, 128), nn.ReLU(), nn.Linear(128, 10))

    def forward(self, x):
        return self.head(self.features(x).flatten(1))


def forward_pixels(model, x):
    return model((x - MEAN) / STD)


def read_idx(folder, stem, sha256=None):
    def load(name, header):
        raw = (Path(folder) / name).read_bytes()
        digest = hashlib.sha256(raw).hexdigest()
        if sha256 and sha256[name] != digest:
            sys.exit(f"error: {name} has sha256 {digest}, expected {sha256[name]}")
        return np.frombuffer(gzip.decompress(raw), np.uint8, offset=header)

    images = load(f"{stem}-images-idx3-ubyte.gz", 16).reshape(-1, 1, 28, 28)
    labels = load(f"{stem}-labels-idx1-ubyte.gz", 8).astype(np.int64)
    return torch.from_numpy(images.copy()).float() / 255, torch.from_numpy(labels)


def pgd(model, x, y, epsilon, step, steps):
    adv = (x + torch.empty_like(x).uniform_(-epsilon, epsilon)).clamp(0, 1)
    for _ in range(steps):
        adv.requires_grad_(True)
        (grad,) = torch.autograd.grad(F.cross_entropy(forward_pixels(model, adv), y, reduction="sum"), adv)
        with torch.no_grad():
            adv = torch.clamp(torch.max(torch.min(adv + step * grad.sign(), x + epsilon), x - epsilon), 0, 1)
    return adv.detach()


def accuracy(model, x, y, attack=None):
    model.eval()
    right = 0
    for i in range(0, len(x), 125):
        bx, by = x[i : i + 125], y[i : i + 125]
        if attack:
            bx = attack(bx, by)
        with torch.no_grad():
            right += (forward_pixels(model, bx).argmax(1) == by).sum().item()
    return right / len(x)


def augment(x):
    """Horizontal flip and a shift of up to 2 pixels, one draw an image."""
    x = torch.where(torch.rand(len(x), 1, 1, 1) < 0.5, x.flip(3), x)
    padded = F.pad(x, (2, 2, 2, 2))
    windows = padded.unfold(2, 28, 1).unfold(3, 28, 1)
    dy, dx = torch.randint(0, 5, (len(x),)), torch.randint(0, 5, (len(x),))
    return windows[torch.arange(len(x)), :, dy, dx]


def train(name, x, y, epochs, peak_lr, adversarial):
    torch.manual_seed(SEED)
    model = SmallCnn()
    optimizer = torch.optim.AdamW(model.parameters(), lr=peak_lr, weight_decay=0.01)
    batch = 128
    steps = epochs * (len(x) // batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, peak_lr, total_steps=steps)
    began = time.time()
    for epoch in range(epochs):
        order = torch.randperm(len(x))
        for i in range(0, len(x) - batch + 1, batch):
            index = order[i : i + batch]
            bx, by = x[index], y[index]
            if adversarial:
                model.eval()
                for p in model.parameters():
                    p.requires_grad_(False)
                bx = pgd(model, bx, by, epsilon=0.1, step=0.025, steps=7)
                for p in model.parameters():
                    p.requires_grad_(True)
            else:
                bx = augment(bx)
            model.train()
            loss = F.cross_entropy(forward_pixels(model, bx), by)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        print(f"{name}: epoch {epoch + 1}/{epochs}, last loss {loss.item():.3f}, {time.time() - began:.0f} s", flush=True)
    for p in model.parameters():
        p.requires_grad_(False)
    return model.eval()


def main():
    train_dir, test_dir, out = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    torch.set_num_threads(2)
    torch.use_deterministic_algorithms(True)
    x, y = read_idx(train_dir, "train", TRAIN_SHA256)
    test_x, test_y = read_idx(test_dir, "t10k")
    provenance = {
        "script": "tools/train_demo_models.py",
        "seed": SEED,
        "data": {"name": "Fashion-MNIST, 60,000 training images only", "sha256": TRAIN_SHA256},
        "preprocessing": {"mean": [MEAN], "std": [STD]},
        "torch": torch.__version__,
        "machine": platform.machine(),
        "models": {},
    }
    for name, epochs, lr, adversarial in [("standard", 14, 3e-3, False), ("robust", 6, 3e-3, True)]:
        model = train(name, x, y, epochs, lr, adversarial)
        path = out / f"{name}.pt"
        torch.jit.script(model).save(str(path))
        torch.manual_seed(SEED)
        provenance["models"][name] = {
            "file": path.name,
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
            "training": "PGD-7, epsilon 0.1, step 0.025" if adversarial else "clean, flips and shifts",
            "epochs": epochs,
            "test_accuracy": accuracy(model, test_x, test_y),
            "test_accuracy_pgd20_linf_0.1": accuracy(
                model, test_x, test_y, lambda a, b: pgd(model, a, b, epsilon=0.1, step=0.01, steps=20)
            ),
        }
        print(json.dumps(provenance["models"][name], indent=2), flush=True)
    (out / "provenance.json").write_text(json.dumps(provenance, indent=2) + "\n")


if __name__ == "__main__":
    main()
