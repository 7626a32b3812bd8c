"""Which situations of the accelerator a job makes, and the bins that they fall into."""

import numpy as np

from codesign.coverage.axes import (
    Answer,
    Content,
    Dead,
    Edge,
    Gap,
    Groups,
    Last,
    Length,
    PassPlace,
    Pause,
    Place,
    Split,
    Tile,
    Way,
)
from codesign.coverage.bins import CROSSES, Cross, Impossible
from codesign.coverage.situations import PART_AXES, VECTOR_AXES, situations
from codesign.regression.jobs import make_jobs
from codesign.regression.layers import random_layer
from spec.arch import ArchConfig
from spec.direction import Direction
from sw.layer import QuantizedLayer

ARCH = ArchConfig(clusters=1, lanes=2, tokens=2, segment=8, advance_width=1)


def masked_layer(
    direction: Direction, shape: tuple[int, int], kept: list[tuple[slice, slice]]
) -> QuantizedLayer:
    """A layer of ones where it is kept, in the order that it has."""
    mask = np.zeros(shape, np.bool_)
    for place in kept:
        mask[place] = True
    order = np.arange(shape[0] if direction is Direction.VERTICAL else shape[1])
    return QuantizedLayer(
        "by hand", mask.astype(np.int8), mask, direction, order, np.ones(shape[0], np.float32)
    )


def test_vertical_vectors_are_seen_as_they_are() -> None:
    layer = masked_layer(Direction.VERTICAL, (10, 7), [np.s_[0:4, 1:2], np.s_[0:8, 4:5], np.s_[8:10, 0:1]])
    activations = np.ones((7, 3), np.int64)
    activations[1, :2] = 0
    activations[4, 2] = 0
    job = make_jobs([("by hand", layer, activations)], ARCH)[0]

    seen = situations(job.packed, activations, ARCH, 0.5, 0.0)

    first = (Way.VERTICAL, Length.SOME, Groups.FROM_FIRST, Place.FIRST, Gap.ADVANCE)
    second = (Way.VERTICAL, Length.ALL, Groups.WHOLE_SPAN, Place.LAST, Gap.ESCAPE)
    third = (Way.VERTICAL, Length.ONE, Groups.FROM_FIRST, Place.ONLY, Gap.NONE)
    rest = (Edge.INSIDE, Split.WHOLE, Pause.INPUT)
    over = (Edge.OVER, Split.WHOLE, Pause.INPUT)
    assert sorted(map(tuple, seen.vectors.tolist())) == sorted(
        [
            (*first, Dead.ALL, Tile.FULL, *rest),
            (*first, Dead.NONE, Tile.PADDED, *rest),
            (*second, Dead.NONE, Tile.FULL, *rest),
            (*second, Dead.ALL, Tile.PADDED, *rest),
            (*third, Dead.NONE, Tile.FULL, *over),
            (*third, Dead.NONE, Tile.PADDED, *over),
        ]
    )


def test_horizontal_vectors_lose_groups_that_meet_only_zeros() -> None:
    # Outputs 2 and 7 of the first segment, and output 3 of the second, which reaches beyond K.
    layer = masked_layer(Direction.HORIZONTAL, (8, 12), [np.s_[2:3, 0:4], np.s_[7:8, 6:8], np.s_[3:4, 8:12]])
    activations = np.ones((12, 2), np.int64)
    activations[[2, 3, 6, 7]] = 0
    activations[10, 1] = 0
    job = make_jobs([("by hand", layer, activations)], ARCH)[0]

    seen = situations(job.packed, activations, ARCH, 0.0, 0.2)

    some, one = (Length.SOME, Groups.FROM_FIRST), (Length.ONE, Groups.TO_LAST)
    rest = (Split.WHOLE, Pause.OUTPUT)
    assert sorted(map(tuple, seen.vectors.tolist())) == sorted(
        (Way.HORIZONTAL, *its, *rest)
        for its in [
            (*some, Place.FIRST, Gap.ESCAPE, Dead.SOME, Tile.FULL, Edge.INSIDE),
            (*one, Place.INNER, Gap.ESCAPE, Dead.ALL, Tile.FULL, Edge.INSIDE),
            (*some, Place.LAST, Gap.ESCAPE, Dead.NONE, Tile.FULL, Edge.OVER),
        ]
    )


def test_a_segment_that_ends_with_the_inputs_is_inside() -> None:
    layer = masked_layer(Direction.HORIZONTAL, (8, 16), [np.s_[0:1, 0:16]])
    job = make_jobs([("by hand", layer, np.ones((16, 2), np.int64))], ARCH)[0]

    seen = situations(job.packed, job.activations, ARCH, 0.0, 0.0)

    assert seen.vectors[:, VECTOR_AXES.index(Edge)].tolist() == [Edge.INSIDE, Edge.INSIDE]


def test_parts_of_blocks_are_seen_as_they_are() -> None:
    # Two full blocks and an empty one, the last of which is an edge; the second meets only zeros.
    layer = masked_layer(Direction.VERTICAL, (20, 3), [np.s_[0:8, 0:2], np.s_[8:16, 2:3]])
    activations = np.ones((3, 2), np.int64)
    activations[2] = 0
    job = make_jobs([("by hand", layer, activations)], ARCH)[0]

    seen = situations(job.packed, activations, ARCH, 0.1, 0.1)

    by_content = {Content(row[1]): row for row in seen.parts.tolist()}
    assert len(seen.parts) == 3
    assert set(by_content) == {Content.SEVERAL, Content.DROPPED, Content.EMPTY}
    rest = [Tile.FULL, PassPlace.ONLY, Answer.PSUMS, Pause.BOTH]
    order = [part.block for part in job.packed.passes[0].clusters[0].parts]
    for content, block in ((Content.SEVERAL, 0), (Content.DROPPED, 1), (Content.EMPTY, 2)):
        index = order.index(block)
        place = (Place.FIRST, Place.INNER, Place.LAST)[index]
        edge = Edge.OVER if block == 2 else Edge.INSIDE
        assert by_content[content] == [0, content, Split.WHOLE, place, Last(index == 2), edge, *rest]


def test_parts_along_the_inputs_are_counted_as_the_schedule_cuts_them() -> None:
    arch = replace_clusters(3)
    layer = random_layer(np.random.default_rng(1), arch, (8, 60), Direction.VERTICAL, 0.9)
    job = make_jobs([("cut", layer, np.ones((60, 1), np.int64))], arch)[0]
    parts = [part for cluster in job.packed.schedule.passes[0].clusters for part in cluster]

    seen = situations(job.packed, job.activations, arch, 0.0, 0.0)

    column = PART_AXES.index(Split)
    assert len(parts) == 3
    assert sorted(seen.parts[:, column].tolist()) == [Split.FIRST, Split.LATER, Split.LATER]


def replace_clusters(clusters: int) -> ArchConfig:
    return ARCH.model_copy(update={"clusters": clusters})


def test_every_axis_of_a_cross_is_a_column() -> None:
    for cross in CROSSES:
        assert cross.columns in (VECTOR_AXES, PART_AXES)
        assert set(cross.axes) <= set(cross.columns)


def test_impossible_bins_do_not_count_unless_they_are_seen() -> None:
    rule = Impossible((Way.VERTICAL, Dead.SOME, Dead.ALL), "for the test")
    cross = Cross("test", lambda seen: seen.vectors, (Dead, Way), (Way, Dead), (rule,))
    nothing, one = np.zeros((2, 3), np.int64), np.zeros((2, 3), np.int64)
    one[Way.VERTICAL, Dead.SOME] = 2

    assert [found.name for found in cross.bins(nothing)] == [
        "vertical, none",
        "horizontal, none",
        "horizontal, some",
        "horizontal, all",
    ]
    assert [(found.name, found.count) for found in cross.bins(one) if found.count] == [("vertical, some", 2)]


def test_a_cross_counts_rows_by_the_axes_it_names() -> None:
    seen = situations(
        make_jobs(
            [("one", masked_layer(Direction.VERTICAL, (8, 2), [np.s_[0:2, 0:2]]), np.ones((2, 4), np.int64))],
            ARCH,
        )[0].packed,
        np.ones((2, 4), np.int64),
        ARCH,
        0.0,
        0.0,
    )
    cross = next(one for one in CROSSES if one.name == "direction x length x zeros")

    counts = cross.counts(seen)

    assert counts[Way.VERTICAL, Length.ONE, Dead.NONE] == 4
    assert counts.sum() == 4
