"""The compiled layer against its definition."""

import pytest
import torch

from cagexplain.policies.learned import features, networks
from cagexplain.policies.learned.host_scores import dense_host_scores, host_scores


def problem(agent, scores, dtype=torch.float32, rows=40, units=8, seed=0):
    g = torch.Generator().manual_seed(seed)
    columns = torch.tensor(features.host_columns("memory", agent))
    hosts, inputs = columns.shape
    x = torch.rand(rows, features.sizes("memory")[agent], generator=g)
    x[torch.rand(x.shape, generator=g) < 0.5] = 0
    shapes = ((rows, units), (inputs, units), (hosts, units), (scores, units))
    return x.to(dtype), columns, [torch.randn(s, generator=g).to(dtype) for s in shapes]


@pytest.mark.parametrize("gate", [-1, features.exists_column("memory")])
@pytest.mark.parametrize(("agent", "scores"), [(0, 4), (4, 4), (4, 1)])
def test_equals_the_dense_definition_and_its_gradients(agent, scores, gate):
    x, columns, parameters = problem(agent, scores)
    results = []
    for layer in (host_scores, dense_host_scores):
        own = [p.clone().requires_grad_() for p in parameters]
        y = layer(x, columns, gate, *own)
        (y * torch.sin(torch.arange(float(y.numel())).view(y.shape))).sum().backward()
        results.append([y.detach(), *(p.grad for p in own)])
    for ours, theirs in zip(*results, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


def test_hosts_that_do_not_exist_score_nothing():
    x, columns, parameters = problem(0, 4)
    gate = features.exists_column("memory")
    missing = x[:, columns[:, gate]] == 0
    y = host_scores(x, columns, gate, *parameters)
    assert missing.any()
    assert (y[missing] == 0).all()
    assert (y[~missing] != 0).any(-1).all()


def test_the_network_judges_hosts_alike():
    """With equal positions, exchanging two hosts' inputs exchanges their actions' logits, but for
    what the perceptron, which is silenced here, makes of them."""
    settings = {"network": "scores", "hidden": (16, 8), "observation": "memory"}
    stack = networks.build_actors(settings)[0]
    stack.initialise(torch.Generator().manual_seed(0), 1.0)
    stack.layers[0][0].zero_()
    x, columns, _ = problem(0, 4)
    x[:, columns[:2, features.exists_column("memory")]] = 1
    swapped = x.clone()
    swapped[:, columns[0]], swapped[:, columns[1]] = x[:, columns[1]], x[:, columns[0]]
    before, after = (stack(rows.expand(4, *rows.shape))[0] for rows in (x, swapped))
    inverse = torch.argsort(
        stack.network.head.order
    )  # where each computed score stands among the actions
    kinds = 4
    for kind in range(kinds):
        first, second = inverse[kind], inverse[kinds + kind]
        torch.testing.assert_close(before[:, first], after[:, second])
        torch.testing.assert_close(before[:, second], after[:, first])
    assert not torch.equal(before, after)
