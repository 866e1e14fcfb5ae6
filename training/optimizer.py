"""Muon for the matrices of the blocks, AdamW for the rest.

Muon orthogonalises the momentum of a weight matrix by a Newton-Schulz iteration (Jordan et al.
2024); scaled by 0.2 * sqrt(max side), its steps have the size of AdamW's (Liu et al. 2025,
arXiv:2502.16982), so that one learning rate serves both. torch's own Muon iterates in bfloat16,
which CPUs of this kind only emulate.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

SCALE = 0.6


def orthogonalized(matrix: Tensor, *, steps: int = 5) -> Tensor:
    """A matrix with the same row and column spaces and singular values near 1, float32."""
    a, b, c = 3.4445, -4.7750, 2.0315
    tall = matrix.shape[0] > matrix.shape[1]
    x = matrix.T if tall else matrix
    x = x / (x.norm() + 1e-7)
    for _ in range(steps):
        square = x @ x.T
        x = a * x + (b * square + c * square @ square) @ x
    return x.T if tall else x


class Muon(torch.optim.Optimizer):
    """Momentum, orthogonalised, with decoupled weight decay."""

    def __init__(
        self, params: Iterable[nn.Parameter], *, lr: float = 1e-3, decay: float = 0.01
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": 0.95, "decay": decay})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # noqa: ARG002
        """One update of every matrix that has a gradient."""
        for group in self.param_groups:
            for matrix in group["params"]:
                if matrix.grad is None:
                    continue
                state = self.state[matrix]
                if "velocity" not in state:
                    state["velocity"] = torch.zeros_like(matrix)
                velocity = state["velocity"].mul_(group["momentum"]).add_(matrix.grad)
                update = orthogonalized(matrix.grad.add(velocity, alpha=group["momentum"]))
                matrix.mul_(1 - group["lr"] * group["decay"])
                matrix.add_(update, alpha=-group["lr"] * SCALE * max(matrix.shape) ** 0.5)


class Both:
    """The two optimisers behind the interface of one."""

    def __init__(self, model: nn.Module, names: Iterable[str]) -> None:
        wanted = set(names)
        chosen = {n: p for n, p in model.named_parameters() if n in wanted}
        matrices = {
            n for n, p in chosen.items() if p.ndim == 2 and ("layers." in n or "blocks." in n)
        }
        self.parts = [
            Muon([chosen[n] for n in sorted(matrices)]),
            torch.optim.AdamW(
                [p for n, p in chosen.items() if n not in matrices],
                betas=(0.9, 0.98),
                weight_decay=0.0,
            ),
        ]

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """The groups of both, so that a learning rate can be set."""
        return [group for part in self.parts for group in part.param_groups]

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for part in self.parts:
            part.zero_grad(set_to_none=True)

    def step(self) -> None:
        """Update all parameters."""
        for part in self.parts:
            part.step()

    def state_dict(self) -> dict[str, Any]:
        """The state of both."""
        return {str(number): part.state_dict() for number, part in enumerate(self.parts)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take the state of both."""
        for number, part in enumerate(self.parts):
            part.load_state_dict(state[str(number)])
