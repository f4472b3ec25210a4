import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def one_torch_thread():
    """As in a run: threads that wait for each other are slow beside other busy processes."""
    torch.set_num_threads(1)
