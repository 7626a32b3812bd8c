"""The scheduler: every position once, no memory overfull, loads equal."""

from itertools import islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from spec.arch import ArchConfig
from spec.errors import ConfigError
from spec.record import advance_records
from spec.schedule import BlockPart, Schedule
from sw.schedule import schedule_layer, schedule_parts
from sw.spans import KeptGroups
from tests.plain_schedule import plain_schedule
from tests.small_layers import small_archs

ULX3S = ArchConfig.load("ulx3s")


def record_count(groups: NDArray[np.bool_], part: BlockPart, arch: ArchConfig) -> int:
    """Records of one part, counted one by one."""
    following, count = part.start, 0
    for position in np.flatnonzero(groups[part.block, part.start : part.stop].any(axis=-1)) + part.start:
        count += len(advance_records(int(position) - following, 1, False, arch))
        following = int(position) + 1
    return max(count, 1)


def check_schedule(schedule: Schedule, groups: NDArray[np.bool_], arch: ArchConfig) -> None:
    """Assert every rule that the hardware relies on."""
    size = schedule.chunk_inputs
    assert size % arch.segment == 0 and size <= arch.max_inputs
    visits = np.zeros(groups.shape[:2], np.int64)
    for one in schedule.passes:
        chunk = groups[:, one.chunk * size : (one.chunk + 1) * size]
        assert len(one.clusters) == arch.clusters
        parts_of: dict[int, list[BlockPart]] = {}
        for parts in one.clusters:
            assert len(parts) <= arch.block_depth
            assert len({part.block for part in parts}) == len(parts)
            assert (
                sum(int(chunk[part.block, part.start : part.stop].sum()) for part in parts)
                <= arch.value_depth
            )
            bits = sum(record_count(chunk, part, arch) for part in parts) * arch.record_width
            assert bits <= arch.record_depth * arch.stream_width
            for part in parts:
                assert 0 <= part.start < part.stop <= chunk.shape[1]
                visits[part.block, one.chunk * size + part.start : one.chunk * size + part.stop] += 1
                parts_of.setdefault(part.block, []).append(part)
        for parts_of_block in parts_of.values():
            assert {part.parts for part in parts_of_block} == {len(parts_of_block)}
            assert len({part.slot for part in parts_of_block}) == 1
        slots = [parts[0].slot for parts in parts_of.values() if len(parts) > 1]
        assert len(set(slots)) == len(slots) and all(slot < arch.split_slots for slot in slots)
    assert (visits == 1).all()


@settings(max_examples=150, deadline=None)
@given(arch=small_archs(), data=st.data())
def test_schedules_keep_every_rule(arch: ArchConfig, data: st.DataObject) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 1 << 32)))
    shape = data.draw(st.integers(1, 9)), data.draw(st.integers(1, 90)), arch.groups
    density = (
        rng.random((shape[0], 1, 1)) ** 3
        if data.draw(st.booleans())
        else data.draw(st.sampled_from([0, 1, 0.1]))
    )
    groups = rng.random(shape) < density
    schedule = schedule_layer(KeptGroups(groups), arch)
    check_schedule(schedule, groups, arch)
    assert schedule_layer(KeptGroups(groups), arch) == schedule


@settings(max_examples=200, deadline=None)
@given(arch=small_archs(), seed=st.integers(0, 1 << 32))
def test_schedules_are_those_of_the_rules_counted_anew(arch: ArchConfig, seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape = int(rng.integers(1, 12)), int(rng.integers(1, 60)), arch.groups
    density = rng.choice([0.02, 0.1, 0.3, 1.0]) * rng.random((shape[0], 1, 1)) ** rng.choice([0.0, 1.0, 3.0])
    groups = rng.random(shape) < density

    assert schedule_layer(KeptGroups(groups), arch) == plain_schedule(groups, arch)


@settings(max_examples=100, deadline=None)
@given(arch=small_archs(), seed=st.integers(0, 1 << 32))
def test_arrays_say_what_every_part_takes(arch: ArchConfig, seed: int) -> None:
    rng = np.random.default_rng(seed)
    groups = rng.random((int(rng.integers(1, 9)), int(rng.integers(1, 60)), arch.groups)) < rng.random() ** 3
    block, position = np.nonzero(groups.any(axis=-1))

    its = schedule_parts(KeptGroups(groups), arch)

    assert its.first.ravel().tolist() == [0, *np.cumsum(its.counts)[:-1].tolist()]
    columns = iter(np.stack([its.block, its.start, its.stop, its.low, its.high]).T.tolist())
    held = np.stack([its.counts, its.records, its.beats]).reshape(3, -1).T.tolist()
    for count, records, beats in held:
        for number, start, stop, low, high in islice(columns, count):
            kept = groups[number, start:stop].any(axis=-1)
            assert position[low:high].tolist() == (np.flatnonzero(kept) + start).tolist()
            assert (block[low:high] == number).all()
            records -= record_count(groups, BlockPart(number, start, stop), arch)
            beats -= int(groups[number, start:stop].sum())
        assert (records, beats) == (0, 0)
    assert next(columns, None) is None


def test_an_overfull_cluster_may_be_left_with_a_block_it_shares_and_an_empty_one() -> None:
    arch = ArchConfig(clusters=3, lanes=1, tokens=1, segment=16, value_depth=64)
    groups = np.zeros((4, 16, 16), np.bool_)
    for position, beats in enumerate([9, 16, 16, 16, 16, 6, 16, 16, 16, 16, 1]):
        groups[0, position, :beats] = True

    schedule = schedule_layer(KeptGroups(groups), arch)

    check_schedule(schedule, groups, arch)
    assert schedule == plain_schedule(groups, arch)


LONG_WAYS = ArchConfig(
    clusters=2, lanes=1, tokens=1, segment=16, stream_width=64, advance_width=1,
    activation_depth=128, value_depth=32, record_depth=2, block_depth=2,
)  # fmt: skip
"""Seven records to a cluster, each of which skips four positions at most."""


@pytest.mark.parametrize("places", [[89], [0, 89], [40, 89], [88, 89], [29, 59], [27], [28], [31], [127]])
def test_vectors_too_far_apart_for_a_pass_are_reached_by_halving_positions(places: list[int]) -> None:
    groups = np.zeros((2, 128, 16), np.bool_)
    groups[1, places, 3] = True

    schedule = schedule_layer(KeptGroups(groups), LONG_WAYS)

    check_schedule(schedule, groups, LONG_WAYS)
    assert schedule == plain_schedule(groups, LONG_WAYS)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 1 << 32))
def test_sparse_and_dense_blocks_in_small_memories_follow_the_rules(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape = int(rng.integers(1, 5)), int(rng.integers(1, 129)), 16
    groups = rng.random(shape) < rng.choice([0.001, 0.005, 0.05, 0.5], (shape[0], 1, 1))

    assert schedule_layer(KeptGroups(groups), LONG_WAYS) == plain_schedule(groups, LONG_WAYS)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 1 << 32))
def test_tails_of_blocks_move_between_many_clusters_by_the_rules(seed: int) -> None:
    rng = np.random.default_rng(seed)
    arch = ArchConfig(
        clusters=int(rng.integers(2, 9)), lanes=1, tokens=int(rng.choice([1, 1, 2, 8])),
        segment=int(rng.choice([1, 2, 4, 16])), value_depth=int(rng.choice([16, 32, 64, 256])),
        block_depth=int(rng.choice([2, 4, 64])), split_slots=int(rng.choice([1, 2, 8])),
    )  # fmt: skip
    shape = int(rng.integers(1, 12)), int(rng.integers(1, 50)), arch.groups
    groups = rng.random(shape) < rng.random((shape[0], 1, 1)) ** rng.choice([0.3, 1.0, 4.0])

    assert schedule_layer(KeptGroups(groups), arch) == plain_schedule(groups, arch)


def test_the_smallest_memories_hold_a_dense_layer() -> None:
    arch = ArchConfig(
        clusters=1, lanes=1, tokens=1, segment=16, stream_width=64, advance_width=1, weight_width=8,
        activation_depth=16, value_depth=16, record_depth=2, block_depth=2, split_slots=1,
    )  # fmt: skip
    for density in (1.0, 0.03):
        groups = np.random.default_rng(3).random((4, 100, 16)) < density
        check_schedule(schedule_layer(KeptGroups(groups), arch), groups, arch)


@pytest.mark.parametrize("preset", ["ulx3s", "paper"])
@pytest.mark.parametrize("skew", [0.0, 1.0])
def test_big_layers_balance_within_two_percent(preset: str, skew: float) -> None:
    # Of few columns: the psums of more would be what takes the time.
    arch = ArchConfig.load(preset).model_copy(update={"tokens": 2})
    rng = np.random.default_rng(5)
    density = 0.2 * (1 + skew * (rng.random((3072 // arch.segment, 1, 1)) - 0.5))
    groups = rng.random((3072 // arch.segment, 768, arch.groups)) < density
    schedule = schedule_layer(KeptGroups(groups), arch)
    check_schedule(schedule, groups, arch)
    for one in schedule.passes:
        loads = [
            sum(int(groups[part.block, part.start : part.stop].sum()) + arch.groups for part in parts)
            for parts in one.clusters
        ]
        assert max(loads) <= 1.02 * np.mean(loads)


def test_nothing_is_cut_where_collecting_takes_the_time() -> None:
    arch = ArchConfig.load("paper")
    groups = np.random.default_rng(5).random((3072 // arch.segment, 768, arch.groups)) < 0.2

    (one,) = schedule_layer(KeptGroups(groups), arch).passes

    parts = [part.parts for cluster in one.clusters for part in cluster]
    longest = max(sum(int(groups[part.block].sum()) for part in cluster) for cluster in one.clusters)
    assert parts == [1] * len(groups) and len(parts) * arch.words_per_block > longest


def test_passes_are_as_few_as_the_values_allow() -> None:
    groups = np.random.default_rng(7).random((48, 384, ULX3S.groups)) < 0.2
    schedule = schedule_layer(KeptGroups(groups), ULX3S)
    assert len(schedule.passes) == -(-int(groups.sum()) // (ULX3S.clusters * ULX3S.value_depth))


def test_a_last_vector_of_more_beats_than_a_tail_is_not_torn() -> None:
    arch = ArchConfig(clusters=1, lanes=4, tokens=1, segment=64, value_depth=16)
    groups = np.zeros((1, 64, arch.groups), np.bool_)
    groups[0, 0, :2] = groups[0, 63, :] = True

    schedule = schedule_layer(KeptGroups(groups), arch)

    check_schedule(schedule, groups, arch)
    # 18 beats do not fit, and half of them would end within the last vector: so by positions.
    parts = [part for one in schedule.passes for part in one.clusters[0]]
    assert [(part.start, part.stop) for part in parts] == [(0, 32), (32, 64)]


def test_one_block_spreads_over_all_clusters() -> None:
    groups = np.ones((1, 384, ULX3S.groups), np.bool_)
    (only,) = schedule_layer(KeptGroups(groups), ULX3S).passes
    assert [len(parts) for parts in only.clusters] == [1] * ULX3S.clusters


def test_no_more_blocks_are_split_than_there_are_slots() -> None:
    groups = np.ones((3, 384, 8), np.bool_)
    for slots in (1, 2, 4):
        arch = ArchConfig(clusters=4, lanes=4, tokens=8, split_slots=slots)
        schedule = schedule_layer(KeptGroups(groups), arch)
        check_schedule(schedule, groups, arch)
        split = {part.block for cluster in schedule.passes[0].clusters for part in cluster if part.parts > 1}
        assert len(split) == min(slots, 3)


def test_a_block_that_nearly_fills_a_pass_keeps_every_rule() -> None:
    arch = ArchConfig(clusters=4, lanes=4, tokens=1, value_depth=128)
    groups = np.ones((1, 62, arch.groups), np.bool_)
    check_schedule(schedule_layer(KeptGroups(groups), arch), groups, arch)


def test_a_layer_may_take_thousands_of_passes() -> None:
    arch = ArchConfig(clusters=1, lanes=4, tokens=1, value_depth=16)
    groups = np.ones((12, 384, arch.groups), np.bool_)
    schedule = schedule_layer(KeptGroups(groups), arch)
    assert len(schedule.passes) == 12 * 384 * arch.groups // 16
    check_schedule(schedule, groups, arch)


def test_groups_of_another_architecture_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"^layer layer has segments of 3 groups, not 8$"):
        schedule_layer(KeptGroups(np.ones((1, 4, 3), np.bool_)), ULX3S)
