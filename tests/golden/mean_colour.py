"""Writes mean_colour.pt: a model of RGB images of any size, whose three logits are their mean red, green and blue.

    .venv-parity/bin/python tests/golden/mean_colour.py
"""
from pathlib import Path

import torch
from torch import nn


class MeanColour(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 10 * x.mean(dim=(2, 3))


torch.jit.script(MeanColour()).save(str(Path(__file__).with_suffix(".pt")))
