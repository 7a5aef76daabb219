"""Foolbox's and torchattacks' attacks behind one signature: (model, pixels, labels) -> the last iterate."""
from collections.abc import Callable
from dataclasses import dataclass, field

import foolbox
import torch
import torchattacks
from torch import nn

Attack = Callable[[nn.Module, torch.Tensor, torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class PeerAttack:
    peer: str
    name: str  # assay's
    params: dict[str, object] = field(hash=False)  # assay's; complete, so that nothing hangs on defaults
    attack: Attack = field(hash=False)

    @property
    def title(self) -> str:
        return f"{self.name}({', '.join(f'{k}={v}' for k, v in self.params.items())}), {self.peer}"


def foolbox_attack(make: Callable[[], object], epsilon: float) -> Attack:
    def attack(model, x, y):
        # device: Foolbox would else move the model to a GPU where there is one.
        wrapped = foolbox.PyTorchModel(model, bounds=(0, 1), device="cpu")
        return make().run(wrapped, x, y, epsilon=epsilon).detach()

    return attack


def torchattacks_attack(make: Callable[[nn.Module], object]) -> Attack:
    return lambda model, x, y: make(model)(x, y).detach()


def next_class(y: torch.Tensor) -> torch.Tensor:
    return (y + 1) % 10  # of Fashion-MNIST's


@dataclass(frozen=True)
class Ball:
    epsilon: float
    step: float
    steps: int

    def params(self, random_start: bool) -> dict[str, object]:
        return {"epsilon": self.epsilon, "step": self.step, "steps": self.steps, "random_start": random_start}


def all_attacks(linf: Ball, l2: Ball, random_start: bool) -> list[PeerAttack]:
    """Every pair of an attack of assay and a peer's. The one-step attacks have no random start."""
    fa = foolbox.attacks

    def iterated(name: str, ball: Ball, foolbox_class, torchattacks_class) -> list[PeerAttack]:
        def with_foolbox():
            return foolbox_class(abs_stepsize=ball.step, steps=ball.steps, random_start=random_start)

        def with_torchattacks(model):
            return torchattacks_class(model, ball.epsilon, ball.step, ball.steps, random_start)

        params = ball.params(random_start)
        return [
            PeerAttack("foolbox", name, params, foolbox_attack(with_foolbox, ball.epsilon)),
            PeerAttack("torchattacks", name, params, torchattacks_attack(with_torchattacks)),
        ]

    rows = iterated("pgd_linf", linf, fa.LinfPGD, torchattacks.PGD) + iterated("pgd_l2", l2, fa.L2PGD, torchattacks.PGDL2)
    if not random_start:
        one_step = {"epsilon": linf.epsilon}
        rows += [
            PeerAttack("foolbox", "fgsm", one_step, foolbox_attack(fa.LinfFastGradientAttack, linf.epsilon)),
            PeerAttack("torchattacks", "fgsm", one_step, torchattacks_attack(lambda m: torchattacks.FGSM(m, linf.epsilon))),
            PeerAttack("torchattacks", "mi_fgsm", {"epsilon": linf.epsilon, "step": linf.step, "steps": linf.steps, "decay": 1.0},
                       torchattacks_attack(lambda m: torchattacks.MIFGSM(m, linf.epsilon, linf.step, linf.steps, 1.0))),
            # torchattacks has no one-step L2 attack.
            PeerAttack("foolbox", "fgm_l2", {"epsilon": l2.epsilon}, foolbox_attack(fa.L2FastGradientAttack, l2.epsilon)),
        ]
    return rows


def targeted_attacks(linf: Ball) -> list[PeerAttack]:
    """Towards the class after the label, from the clean image."""

    def with_foolbox(model, x, y):
        attack = foolbox.attacks.LinfPGD(abs_stepsize=linf.step, steps=linf.steps, random_start=False)
        wrapped = foolbox.PyTorchModel(model, bounds=(0, 1), device="cpu")
        return attack.run(wrapped, x, foolbox.criteria.TargetedMisclassification(next_class(y)), epsilon=linf.epsilon).detach()

    def with_torchattacks(model, x, y):
        attack = torchattacks.PGD(model, linf.epsilon, linf.step, linf.steps, random_start=False)
        attack.set_mode_targeted_by_label(quiet=True)
        return attack(x, next_class(y)).detach()

    params = linf.params(random_start=False) | {"target": "next"}
    return [PeerAttack("foolbox", "pgd_linf", params, with_foolbox), PeerAttack("torchattacks", "pgd_linf", params, with_torchattacks)]
