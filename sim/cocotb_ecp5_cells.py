"""Tables of cases for the models of ECP5 cells.

What is expected is written out, or is plain arithmetic; the cells' manuals name the modes and the pins.
"""

import random
from typing import Any

import cocotb
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge, Timer

from sim.ecp5.bench import FLIP_FLOPS, MIXED, MULTIPLIERS, RAMS

INPUTS = (
    *("gsr", "ce", "lsr", "di", "lut", "a", "b", "c", "d", "cin", "x", "y", "x_signed", "y_signed"),
    *("wre", "wad", "rad", "nibble", "we_a", "we_b", "oce", "rst", "cs", "address_a", "address_b"),
    *("data_a", "data_b", "wide", "bytes", "wide_write", "wide_read"),
)
OPEN = {"gsr": 1, "ce": 1, "oce": 1}


async def begin(dut: Any) -> None:
    """Start the clock, every input idle; time stands just behind a falling edge."""
    for name in INPUTS:
        getattr(dut, name).value = OPEN.get(name, 0)
    Clock(dut.clk, 10, "ns", impl="gpi").start(start_high=False)
    await FallingEdge(dut.clk)


async def edge(dut: Any, **inputs: int) -> None:
    """Set inputs, and let one rising edge and the falling edge behind it pass."""
    put(dut, **inputs)
    await FallingEdge(dut.clk)
    await Timer(1, "ns")


def put(dut: Any, **inputs: int) -> None:
    for name, value in inputs.items():
        getattr(dut, name).value = value


def at(dut: Any, name: str) -> int:
    return int(getattr(dut, name).value)


@cocotb.test()
async def registers_start_with_what_they_are_reset_to(dut: Any) -> None:
    """The first test: later ones find what was left."""
    await Timer(1, "ns")
    for name, options in FLIP_FLOPS.items():
        assert at(dut, f"ff_{name}") == ('REGSET("SET")' in options), name


@cocotb.test()
async def a_lookup_tables_input_a_counts_one_and_d_counts_eight(dut: Any) -> None:
    await begin(dut)
    for number in range(16):
        put(dut, lut=number)
        await Timer(1, "ns")
        assert [at(dut, f"lut_{name}") for name in "abcd"] == [number >> n & 1 for n in range(4)]
        assert at(dut, "lut_odd") == (number in (0, 6, 7, 9, 11, 15))
        assert at(dut, "muxed") == (number & 1 if number & 4 else number >> 1 & 1)
        assert at(dut, "muxed_6") == (number >> 1 & 1 if number & 4 else number & 1)


@cocotb.test()
async def carry_chains_add(dut: Any) -> None:
    await begin(dut)
    rng = random.Random(1)
    for _ in range(400):
        a, b, c, d = (rng.randrange(4) for _ in range(4))
        cin = rng.randrange(2)
        put(dut, a=a, b=b, c=c, d=3, cin=cin)
        await Timer(1, "ns")
        assert at(dut, "carry_adder") == a + (b ^ c) + cin
        # What comes in is not added, and no carry is made; one that passes, passes.
        passed = cin if (a ^ b ^ c) & 1 else 0
        carry = passed if (a ^ b ^ c) & 2 else a >> 1
        assert at(dut, "carry_cut_first") == a ^ b ^ c ^ passed << 1 | carry << 2
        assert at(dut, "carry_cut_second") & 3 == a ^ b ^ c ^ cin
        put(dut, d=d)
        await Timer(1, "ns")
        assert at(dut, "carry_merging") == (a | b) + (c | d) + cin
        put(dut, c=c, d=0)
        await Timer(1, "ns")
        assert at(dut, "carry_gated") == a + (b & c) + cin


# Clock enable, local reset and data before each edge, and what the first nine registers hold behind it.
REGISTERS = (
    ((0, 1, 1), "0 1 0 0 0 1 1 1 1"),
    ((0, 0, 1), "1 1 0 1 0 0 1 1 1"),
    ((1, 0, 0), "0 0 0 1 0 0 0 0 0"),
    ((1, 0, 1), "1 1 1 1 0 0 1 1 1"),
    ((1, 0, 0), "0 0 0 1 0 0 0 0 0"),
    ((0, 1, 0), "0 1 0 0 0 0 1 0 1"),
    ((1, 1, 0), "0 1 0 0 0 0 1 1 1"),
    ((0, 0, 0), "0 0 0 0 0 0 1 1 1"),
    ((0, 1, 1), "0 1 0 0 0 1 1 1 1"),
    ((1, 1, 1), "0 1 0 0 0 1 1 1 1"),
    ((1, 0, 0), "0 0 0 0 0 0 0 0 0"),
)


@cocotb.test()
async def registers_follow_enable_reset_and_data(dut: Any) -> None:
    await begin(dut)
    names = list(FLIP_FLOPS)[:9]
    await edge(dut, ce=0)
    await edge(dut, ce=1, di=1)
    for number, ((ce, lsr, di), held) in enumerate(REGISTERS):
        await edge(dut, ce=ce, lsr=lsr, di=di)
        found = " ".join(str(at(dut, f"ff_{name}")) for name in names)
        assert found == held, f"row {number}: {found}, not {held}"


@cocotb.test()
async def a_local_reset_acts_at_once_only_in_asynchronous_mode(dut: Any) -> None:
    await begin(dut)
    await edge(dut, di=0)
    put(dut, lsr=1)
    await Timer(1, "ns")
    assert (at(dut, "ff_at_once"), at(dut, "ff_reset_first")) == (1, 0)


@cocotb.test()
async def an_inverted_clock_takes_data_at_the_falling_edge(dut: Any) -> None:
    await begin(dut)
    await edge(dut, di=0)
    put(dut, di=1)
    await Timer(6, "ns")
    assert (at(dut, "clk"), at(dut, "ff_plain"), at(dut, "ff_falling")) == (1, 1, 0)
    await FallingEdge(dut.clk)
    await Timer(1, "ns")
    assert at(dut, "ff_falling") == 1


@cocotb.test()
async def the_global_reset_acts_at_once_and_ends_behind_an_edge(dut: Any) -> None:
    await begin(dut)
    await edge(dut, di=0)
    assert (at(dut, "ff_listening"), at(dut, "ff_starts_set")) == (0, 0)
    put(dut, gsr=0)
    await Timer(1, "ns")
    assert (at(dut, "ff_listening"), at(dut, "ff_starts_set")) == (1, 0)
    await edge(dut, gsr=1, di=1)
    # At this edge the network lets go; the registers still hold.
    assert (at(dut, "ff_listening_at_once"), at(dut, "ff_plain")) == (0, 1)
    await edge(dut)
    assert at(dut, "ff_listening_at_once") == 1


@cocotb.test()
async def small_memories_are_read_at_once_and_written_in_their_clock(dut: Any) -> None:
    await begin(dut)
    for n in range(16):
        put(dut, rad=n)
        await Timer(1, "ns")
        assert at(dut, "nibble_out") == n
        await FallingEdge(dut.clk)
    put(dut, rad=5, wad=5, nibble=12)
    await edge(dut)
    assert at(dut, "nibble_out") == 5
    put(dut, wre=1)
    await Timer(1, "ns")
    assert at(dut, "nibble_out") == 5
    await edge(dut)
    assert at(dut, "nibble_out") == 12
    await edge(dut, wre=0, rad=4)
    assert at(dut, "nibble_out") == 4


OPERANDS = (0, 1, 2, 0x1FFFF, 0x20000, 0x3FFFF, 0x15A5A, 0x2A5A5)


@cocotb.test()
async def products_are_signed_where_they_are_told(dut: Any) -> None:
    await begin(dut)
    for x_signed in (0, 1):
        for y_signed in (0, 1):
            for x in OPERANDS:
                for y in OPERANDS:
                    put(dut, x=x, y=y, x_signed=x_signed, y_signed=y_signed)
                    await Timer(1, "ns")
                    left = x - (1 << 18) if x_signed and x >> 17 else x
                    right = y - (1 << 18) if y_signed and y >> 17 else y
                    assert at(dut, "product_direct") == left * right % (1 << 36)


@cocotb.test()
async def every_register_of_a_product_is_one_cycle(dut: Any) -> None:
    await begin(dut)
    await edge(dut, rst=1)
    put(dut, rst=0)
    pairs = [(n + 3, 2 * n + 5) for n in range(8)]
    seen: dict[str, list[int]] = {name: [] for name in MULTIPLIERS}
    for x, y in pairs:
        await edge(dut, x=x, y=y)
        for name, values in seen.items():
            values.append(at(dut, f"product_{name}"))
    products = [x * y for x, y in pairs]
    assert seen["direct"] == seen["middle"] == seen["output"] == products
    # One operand is a cycle old where only it has a register; this bench changes both behind every edge.
    assert seen["operand_a"] == seen["operand_b"] == products
    assert seen["all"] == [0, 0, *products[:-2]]
    put(dut, ce=0)
    held = at(dut, "product_all")
    for _ in range(3):
        await edge(dut, x=9, y=9)
    assert at(dut, "product_all") == held
    await edge(dut, ce=1, rst=1)
    assert (at(dut, "product_all"), at(dut, "product_direct")) == (0, 81)


@cocotb.test()
async def only_the_registered_operand_waits(dut: Any) -> None:
    await begin(dut)
    await edge(dut, x=3, y=5)
    put(dut, x=7, y=11)
    await Timer(1, "ns")
    assert (at(dut, "product_operand_a"), at(dut, "product_operand_b")) == (3 * 11, 7 * 5)


def low_pins(width: int) -> int:
    return {18: 4, 9: 3, 4: 2, 2: 1, 1: 0}[width]


@cocotb.test()
async def first_values_of_a_block_ram_are_bytes_of_nine_bits(dut: Any) -> None:
    """Rows of twenty bits: two bytes of nine, and narrower words in the lower eight of each."""
    await begin(dut)
    rows = (0x15555, 0x2AAAA, 0x00001, 0x30000)
    bytes_ = [row >> low & 0x1FF for row in rows for low in (0, 9)]
    for name, (width, _) in RAMS.items():
        if name == "registered":
            continue
        for place in range(8):
            await edge(dut, address_a=place * 8, address_b=place * 8 + 4)
            if width == 18:
                expected = (rows[place // 2], rows[place // 2])
            elif width == 9:
                expected = (bytes_[place], bytes_[place])
            else:
                low, high = (bytes_[place] >> n & (1 << width) - 1 for n in (0, 4))
                expected = (low, high)
            assert (at(dut, f"ram_{name}_a"), at(dut, f"ram_{name}_b")) == expected, (name, place)


@cocotb.test()
async def every_address_of_a_block_ram_is_a_word_of_its_own(dut: Any) -> None:
    await begin(dut)
    for name, (width, _) in RAMS.items():
        if name == "registered":
            continue
        low, words = low_pins(width), {}
        rng = random.Random(name)
        for number in [*range(12), *(1 << n for n in range(4, 14 - low)), (1 << 14 - low) - 1]:
            words[number] = rng.getrandbits(width)
            await edge(
                dut, we_a=1, address_a=(number << low) | (3 if width == 18 else 0), data_a=words[number]
            )
        put(dut, we_a=0)
        for number, word in words.items():
            await edge(dut, address_b=number << low)
            assert at(dut, f"ram_{name}_b") == word, (name, number)


@cocotb.test()
async def a_narrower_port_sees_the_parts_of_a_word_the_lowest_first(dut: Any) -> None:
    """Bytes of nine bits; a port of less than a byte does not reach the ninth."""
    await begin(dut)
    for name, (wide, narrow) in MIXED.items():
        rng = random.Random(name)
        for place in (0, 0x10, 0x2350, 0x3FF0):
            word = rng.getrandbits(wide)
            await edge(dut, we_a=1, address_a=place | (3 if wide == 18 else 0), data_a=word)
            put(dut, we_a=0)
            step = 1 << low_pins(narrow)
            reached = [n for n in range(wide) if narrow == 9 or n % 9 < 8]
            for part in range((1 << low_pins(wide)) // step):
                await edge(dut, address_b=place + part * step)
                bits = reached[part * narrow : (part + 1) * narrow]
                expected = sum((word >> bit & 1) << n for n, bit in enumerate(bits))
                assert at(dut, f"ram_{name}_b") == expected, (name, place, part)
            await edge(dut, we_b=1, data_b=0, address_b=place)
            put(dut, we_b=0)
            await edge(dut, address_a=place)
            assert at(dut, f"ram_{name}_a") == word & ~sum(1 << bit for bit in reached[:narrow])


@cocotb.test()
async def the_lowest_address_pins_enable_the_bytes_of_a_wide_word(dut: Any) -> None:
    await begin(dut)
    for enables, expected in ((0, 0x3FFFF), (1, 0x3FEA5), (2, 0x14BFF), (3, 0x14AA5)):
        await edge(dut, we_a=1, address_a=0x103, data_a=0x3FFFF)
        await edge(dut, address_a=0x100 | enables, data_a=0x14AA5)
        await edge(dut, we_a=0, address_b=0x100)
        assert at(dut, "ram_plain_b") == expected, enables


@cocotb.test()
async def write_modes_decide_what_the_writing_port_shows(dut: Any) -> None:
    await begin(dut)
    await edge(dut, address_a=0x203, we_a=1, data_a=0x55)
    await edge(dut, we_a=0)
    assert [at(dut, f"ram_{name}_a") for name in ("plain", "through", "before")] == [0x55] * 3
    await edge(dut, we_a=1, data_a=0x1AA)
    # Held, the word written, the word that was there.
    assert [at(dut, f"ram_{name}_a") for name in ("plain", "through", "before")] == [0x55, 0x1AA, 0x55]
    await edge(dut, data_a=0x33)
    assert [at(dut, f"ram_{name}_a") for name in ("plain", "through", "before")] == [0x55, 0x33, 0x1AA]
    await edge(dut, we_a=0)
    assert [at(dut, f"ram_{name}_a") for name in ("plain", "through", "before")] == [0x33] * 3


@cocotb.test()
async def an_output_register_is_one_cycle_with_an_enable_of_its_own(dut: Any) -> None:
    await begin(dut)
    for number in range(4):
        await edge(dut, we_b=1, address_b=number << 4 | 3, data_b=0x100 + number)
    put(dut, we_b=0)
    seen = []
    for number in range(4):
        await edge(dut, address_b=number << 4)
        seen.append((at(dut, "ram_plain_b"), at(dut, "ram_registered_b")))
    assert seen[1:] == [(0x101, 0x100), (0x102, 0x101), (0x103, 0x102)]
    await edge(dut, oce=0)
    assert at(dut, "ram_registered_b") == 0x102
    await edge(dut, oce=1)
    assert at(dut, "ram_registered_b") == 0x103
    await edge(dut, rst=1)
    assert (at(dut, "ram_plain_b"), at(dut, "ram_registered_b")) == (0, 0)


@cocotb.test()
async def a_port_without_enable_or_select_stands_still(dut: Any) -> None:
    await begin(dut)
    await edge(dut, we_a=1, address_a=0x303, data_a=0x77)
    await edge(dut, we_a=0, address_b=0x300)
    for blocked in ({"ce": 0}, {"cs": 1}, {"cs": 4}):
        await edge(dut, we_a=1, data_a=0x11, address_b=0, **blocked)
        assert at(dut, "ram_plain_b") == 0x77, blocked
        await edge(dut, we_a=0, ce=1, cs=0, address_b=0x300)
        assert at(dut, "ram_plain_b") == 0x77, blocked


@cocotb.test()
async def a_word_read_while_the_other_port_writes_it_is_neither(dut: Any) -> None:
    await begin(dut)
    await edge(dut, we_a=1, address_a=0x403, data_a=0x0F0F0)
    await edge(dut, data_a=0x00FF0, address_b=0x400)
    assert at(dut, "ram_plain_b") not in (0x0F0F0, 0x00FF0)
    await edge(dut, we_a=0)
    assert at(dut, "ram_plain_b") == 0x00FF0


@cocotb.test()
async def a_word_of_36_bits_leaves_with_its_halves_swapped(dut: Any) -> None:
    await begin(dut)
    await edge(dut, wide_read=1)
    assert at(dut, "wide_out") == 0x00001 << 18 | 0x30000
    low, high = 0x2BEEF, 0x1CAFE
    await edge(dut, wide=high << 18 | low, bytes=15, wide_write=300, wide_read=0)
    await edge(dut, bytes=0, wide_read=300)
    assert at(dut, "wide_out") == low << 18 | high
    for enabled in range(4):
        await edge(dut, wide=(1 << 36) - 1, bytes=15, wide_write=7, wide_read=0)
        await edge(dut, wide=0, bytes=1 << enabled)
        await edge(dut, bytes=0, wide_read=7)
        # Bytes 0 and 1 are the lower half, which leaves by the upper pins.
        assert at(dut, "wide_out") == (1 << 36) - 1 ^ 0x1FF << (9 * (enabled ^ 2))
    await edge(dut, wide=5, bytes=15, ce=0, wide_write=7)
    await edge(dut, bytes=0, ce=1)
    assert at(dut, "wide_out") == (1 << 36) - 1 ^ 0x1FF << 9
