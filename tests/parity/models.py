"""The demo's TorchScript models, as peers call them: pixels in, logits out, normalisation inside, parameters frozen."""
import numpy as np
import torch
from torch import nn

from program import BATCH, DemoModel, fashion_mnist, pixels


class _ScaleFree(torch.autograd.Function):
    """Nothing forwards; backwards, each image's gradient times the power of two that brings it to about 1."""

    @staticmethod
    def forward(_, x):
        return x.view_as(x)

    @staticmethod
    def backward(_, gradient):
        _, exponent = torch.frexp(gradient.flatten(1).abs().amax(dim=1))
        return torch.ldexp(gradient, -exponent.view(-1, 1, 1, 1))


class PixelModel(nn.Module):
    """`exact`: keeps a peer from rounding small gradients away, and touches neither the model's answers nor the peer.

    - Logits are handed on as float64, and with them the peer's own cross-entropy and its gradient. In float32 the gradient
      at the label's logit, softmax - 1, cancels: at a confidence of 0.999 it keeps four digits, from 1 - 3e-8 on it is 0.
      assay's `cross_entropy` does as float32 peers do, its `cross_entropy_f64` as this.
    - Each image's gradient is handed on times a power of two, which changes neither its sign nor its direction. Foolbox
      divides by no norm under 1e-12 and torchattacks adds 1e-10 to it, of the mean loss, which is more than the norm itself
      where a model is sure; assay divides by the norm.
    """

    def __init__(self, demo: DemoModel, exact: bool = False):
        super().__init__()
        self.exact = exact
        self.script = torch.jit.load(str(demo.path), map_location="cpu").eval()
        # Not called mean and std: torchattacks would take attributes of these names for a normalisation of its own.
        self.register_buffer("shift", torch.tensor(demo.mean, dtype=torch.float32).view(1, -1, 1, 1))
        self.register_buffer("scale", torch.tensor(demo.std, dtype=torch.float32).view(1, -1, 1, 1))
        self.eval()
        for parameter in self.parameters():
            parameter.requires_grad_(False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.exact:
            x = _ScaleFree.apply(x)
        # The optimising executor rewrites the graph after its first calls, and differently in each run.
        with torch.jit.optimized_execution(False):
            logits = self.script((x - self.shift) / self.scale)
        return logits.double() if self.exact else logits

    def predict(self, x: torch.Tensor, batch: int) -> np.ndarray:
        with torch.no_grad():
            return torch.cat([self(part).argmax(1) for part in x.split(batch)]).numpy()


def clean_batches(n: int):
    images, labels = fashion_mnist(n)
    x, y = torch.from_numpy(pixels(images)), torch.from_numpy(labels)
    return x, y, list(zip(x.split(BATCH), y.split(BATCH), strict=True))


class Recorder(nn.Module):
    """Keeps each point at which a gradient is asked for, its logits, and the gradient that autograd leaves there."""

    def __init__(self, model: PixelModel):
        super().__init__()
        self.model = model
        self.eval()
        self.points: list[torch.Tensor] = []
        self.gradients: list[torch.Tensor] = []
        self.logits: list[torch.Tensor] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.requires_grad:
            self.points.append(x.detach().clone())
            x.register_hook(lambda gradient: self.gradients.append(gradient.detach().clone()))
        logits = self.model(x)
        if x.requires_grad:
            self.logits.append(logits.detach().clone())
        return logits
