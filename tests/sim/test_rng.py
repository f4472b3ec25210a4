"""The compiled generator against NumPy's."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cagexplain.sim import rng

seeds = st.integers(0, 2**63)
draws = st.lists(
    st.one_of(
        st.just(("uniform", 0)),
        st.tuples(st.just("below"), st.integers(1, 2**31)),
        st.tuples(st.just("below"), st.integers(1, 12)),
        st.tuples(st.just("shuffle"), st.integers(2, 100)),
    ),
    max_size=60,
)


@given(seeds, draws)
def test_draws_equal_numpy_in_any_mixture(seed: int, mixture: list[tuple[str, int]]) -> None:
    numpy = np.random.default_rng(seed)
    ours = rng.seeded(seed)
    for kind, size in mixture:
        if kind == "uniform":
            assert rng.uniform(ours) == numpy.random()
        elif kind == "below":
            assert rng.below(ours, size) == numpy.integers(size)
        else:
            rng.skip_shuffle(ours, size)
            numpy.shuffle(list(range(size)))
    assert rng.to_numpy(ours).state == numpy.bit_generator.state


def test_between_includes_both_ends() -> None:
    ours, numpy = rng.seeded(3), np.random.default_rng(3)
    values = [rng.between(ours, 1, 9) for _ in range(500)]
    assert values == [int(numpy.integers(1, 10)) for _ in range(500)]
    assert set(values) == set(range(1, 10))


def test_a_single_possible_value_consumes_nothing() -> None:
    ours = rng.seeded(5)
    before = ours.copy()
    assert rng.below(ours, 1) == 0
    assert (ours == before).all()


@given(seeds)
def test_a_generator_survives_the_round_trip(seed: int) -> None:
    ours = rng.seeded(seed)
    rng.next_32(ours)
    assert (rng.from_numpy(rng.to_numpy(ours)) == ours).all()
