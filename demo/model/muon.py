# SPDX-License-Identifier: MIT
"""
The Muon optimizer: momentum whose matrix is made orthogonal before it is applied, by Newton-Schulz steps.

Source of the method and of the coefficients: Keller Jordan, "Muon: an optimizer for hidden layers in neural
networks", 2024. For the matrices inside of the blocks; embeddings and norms stay with AdamW.
"""

import torch

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
NEWTON_SCHULZ_STEPS = 5


def orthogonalize(m):
    """[n][rows][cols]: singular values of each matrix to about 1."""
    tall = m.shape[1] > m.shape[2]
    x = m.transpose(1, 2) if tall else m
    x = x / (x.flatten(1).norm(dim=1)[:, None, None] + 1e-7)
    a, b, c = COEFFICIENTS
    for _ in range(NEWTON_SCHULZ_STEPS):
        s = x @ x.transpose(1, 2)
        x = a * x + (b * s + c * s @ s) @ x
    return x.transpose(1, 2) if tall else x


class Muon(torch.optim.Optimizer):
    def __init__(self, matrices, lr, momentum, weight_decay):
        """@matrices of one shape share a group, and one call of orthogonalize()."""
        shapes = {}
        for p in matrices:
            shapes.setdefault(tuple(p.shape), []).append(p)
        groups = [{"params": group} for group in shapes.values()]
        super().__init__(groups, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            parameters, beta = group["params"], group["momentum"]
            gradient = torch.stack([p.grad for p in parameters])
            state = self.state[parameters[0]]
            if "momentum" not in state:
                state["momentum"] = torch.zeros_like(gradient)
            state["momentum"].lerp_(gradient, 1 - beta)
            update = orthogonalize(gradient.lerp(state["momentum"], beta))
            rows, cols = parameters[0].shape
            rate = group["lr"] * max(1.0, rows / cols) ** 0.5
            for p, u in zip(parameters, update):
                p.mul_(1 - group["lr"] * group["weight_decay"]).sub_(u, alpha=rate)
