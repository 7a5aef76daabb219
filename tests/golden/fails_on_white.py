"""Writes fails_on_white.pt: a model that answers until it is given an all-white image, and raises then.

    .venv-parity/bin/python tests/golden/fails_on_white.py
"""
from pathlib import Path

import torch
from torch import nn


class FailsOnWhite(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        brightness = x.mean(dim=(1, 2, 3))
        if bool((brightness > 0.999).any()):
            raise RuntimeError("an all-white image")
        return brightness.unsqueeze(1) * torch.arange(10, dtype=torch.float32)


torch.jit.script(FailsOnWhite()).save(str(Path(__file__).with_suffix(".pt")))
