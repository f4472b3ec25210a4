"""TorchScript files: refused without trust, and played for what they compute."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from cagexplain.common.errors import CagexplainError
from cagexplain.policies.formats.loading import code_of, format_of, load
from tests.support.outside import scattered, sights


class Plain(nn.Module):
    def __init__(self, inputs: int = 210, outputs: int = 242) -> None:
        super().__init__()
        self.layer = nn.Linear(inputs, outputs)

    def forward(self, seen: Tensor) -> Tensor:
        return self.layer(seen)


class Masked(Plain):
    def forward(self, seen: Tensor, mask: Tensor) -> Tensor:
        return self.layer(seen).masked_fill(~mask, -1e8)


class Counting(Plain):
    def forward(self, seen: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        outputs = self.layer(seen)
        outputs[:, :3] += 1000 * memory
        return outputs, memory + 1


class Index(Plain):
    def forward(self, seen: Tensor) -> Tensor:
        return self.layer(seen).argmax(-1)


def _script(network: nn.Module, folder: Path, text: str) -> nn.Module:
    scattered(network)
    torch.jit.script(network).save(str(folder / "team.pt"))
    (folder / "agents.yaml").write_text(f"file: team.pt\n{text}")
    return network


def _allowed(n: int) -> Any:
    obs, mask, free = sights(n)
    return obs, np.ones_like(mask), free


def test_it_runs_only_if_trusted(tmp_path: Path) -> None:
    _script(Plain(), tmp_path, "outputs: logits\n")
    assert format_of(tmp_path / "team.pt") == "torchscript"
    assert "compiled program" in str(code_of(tmp_path))
    with pytest.raises(CagexplainError, match="--trust-code"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("network", "text"),
    [
        (Plain(), "outputs: logits\n"),
        (Plain(), "outputs: values\n"),
        (Index(), "actions: padded\n"),
        (Masked(), "outputs: logits\nmask: input\n"),
    ],
    ids=["logits", "values", "actions", "mask"],
)
def test_its_choices(network: Plain, text: str, tmp_path: Path) -> None:
    _script(network, tmp_path, text)
    obs, mask, free = _allowed(200)
    chosen = load(tmp_path, deterministic=True, trusted=True).act(obs, mask, free).actions
    with torch.no_grad():
        expected = network.layer(torch.from_numpy(obs[:, 368:]).float()).argmax(-1)
    assert (chosen[:, 4] == expected.numpy()).all()


def test_its_memories(tmp_path: Path) -> None:
    _script(Counting(), tmp_path, "outputs: logits\nstate: [3]\n")
    policy = load(tmp_path, deterministic=True, trusted=True)
    obs, mask, free = _allowed(5)
    policy.reset(np.arange(5))
    assert (policy.act(obs, mask, free).actions > 2).any()
    assert (policy.act(obs, mask, free).actions <= 2).all()


WRONG = {
    "inputs": (Plain(91), "outputs: logits\n", "does not run"),
    "outputs": (Plain(210, 81), "outputs: logits\n", "81 outputs fits none"),
    "unsaid": (Plain(), "", "outputs: the file does not say"),
    "mask": (Masked(), "outputs: logits\n", "does not run"),
    "state": (Plain(), "outputs: logits\nstate: [3]\n", "does not run"),
    "size of the state": (Counting(), "outputs: logits\nstate: [4]\n", "does not run"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_does_not_fit(wrong: str, tmp_path: Path) -> None:
    network, text, message = WRONG[wrong]
    _script(network, tmp_path, text)
    with pytest.raises(CagexplainError, match=message) as refusal:
        load(tmp_path, trusted=True)
    assert refusal.value.where == tmp_path / "team.pt"


def test_a_damaged_file(tmp_path: Path) -> None:
    _script(Plain(), tmp_path, "outputs: logits\n")
    whole = (tmp_path / "team.pt").read_bytes()
    (tmp_path / "team.pt").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CagexplainError):
        load(tmp_path, trusted=True)
