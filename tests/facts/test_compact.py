"""What is kept compressed comes back as it was."""

import numpy as np
import pytest
from scipy import sparse

from cagexplain.facts.compact import CompactArray, CompactMatrix

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.float32, np.float64])
def test_rows_are_appended_and_parts_are_read(dtype: type) -> None:
    batches = [RNG.integers(0, 9, (rows, 3, 2, 4)).astype(dtype) for rows in (5, 1, 0, 7)]
    whole, compact = np.concatenate(batches), CompactArray()
    for batch in batches:
        compact.add(batch)
    assert compact.shape == whole.shape
    for part in range(3):
        np.testing.assert_array_equal(compact.part(part), whole[:, part])
        assert compact.part(part).dtype == dtype
    np.testing.assert_array_equal(np.asarray(compact), whole)
    assert np.asarray(compact, np.float64).dtype == np.float64


def test_nothing_has_no_rows() -> None:
    assert CompactArray().shape == (0, 0)


@pytest.mark.parametrize("axes", [(0, 1, 2, 3), (2, 1, 0, 3), (3, 2, 1, 0)])
def test_sums_are_rounded_as_those_over_the_plain_array(axes: tuple[int, ...]) -> None:
    """In whatever order its axes lie in memory."""
    shape = np.array([200, 3, 5, 4])
    batches = [
        RNG.random(tuple(shape[list(axes)]), np.float32).transpose(np.argsort(axes))
        for _ in range(3)
    ]
    whole, compact = np.concatenate(batches), CompactArray()
    for batch in batches:
        compact.add(batch)
    for part in range(3):
        mine, plain = compact.part(part), whole[:, part]
        assert np.argsort(mine.strides).tolist() == np.argsort(plain.strides).tolist()
        assert mine.sum(axis=0).tolist() == plain.sum(axis=0).tolist()


def test_counts_that_are_mostly_0_take_little() -> None:
    counts = np.where(RNG.random((64, 4, 500)) < 0.02, RNG.integers(1, 50, (64, 4, 500)), 0)
    assert CompactArray.of(counts).nbytes < counts.nbytes / 20


def test_a_sparse_matrix() -> None:
    matrix = sparse.random_array((300, 7), density=0.05, rng=1, format="csr")
    again = CompactMatrix(matrix).matrix()
    np.testing.assert_array_equal(again.toarray(), matrix.toarray())
    np.testing.assert_array_equal(again[20:90].toarray(), matrix.toarray()[20:90])
    empty = CompactMatrix(sparse.csr_array((4, 7))).matrix()
    assert empty.nnz == 0 and empty.shape == (4, 7)
