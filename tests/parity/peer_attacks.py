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


def all_attacks(linf: float, linf_step: float, l2: float, l2_step: float, steps: int, random_start: bool) -> list[PeerAttack]:
    """Every pair of an attack of assay and a peer's. The one-step attacks have no random start."""
    fa = foolbox.attacks
    pgd_linf = {"epsilon": linf, "step": linf_step, "steps": steps, "random_start": random_start}
    pgd_l2 = {"epsilon": l2, "step": l2_step, "steps": steps, "random_start": random_start}
    rows = [
        PeerAttack(
            "foolbox", "pgd_linf", pgd_linf,
            foolbox_attack(lambda: fa.LinfPGD(abs_stepsize=linf_step, steps=steps, random_start=random_start), linf),
        ),
        PeerAttack(
            "torchattacks", "pgd_linf", pgd_linf,
            torchattacks_attack(lambda m: torchattacks.PGD(m, linf, linf_step, steps, random_start)),
        ),
        PeerAttack(
            "foolbox", "pgd_l2", pgd_l2,
            foolbox_attack(lambda: fa.L2PGD(abs_stepsize=l2_step, steps=steps, random_start=random_start), l2),
        ),
        PeerAttack(
            "torchattacks", "pgd_l2", pgd_l2,
            torchattacks_attack(lambda m: torchattacks.PGDL2(m, l2, l2_step, steps, random_start)),
        ),
    ]
    if not random_start:
        rows += [
            PeerAttack("foolbox", "fgsm", {"epsilon": linf}, foolbox_attack(lambda: fa.LinfFastGradientAttack(), linf)),
            PeerAttack("torchattacks", "fgsm", {"epsilon": linf}, torchattacks_attack(lambda m: torchattacks.FGSM(m, linf))),
            # torchattacks has no one-step L2 attack.
            PeerAttack("foolbox", "fgm_l2", {"epsilon": l2}, foolbox_attack(lambda: fa.L2FastGradientAttack(), l2)),
        ]
    return rows
