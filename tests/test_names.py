"""Names in the text that goes to synthesis."""

from hw.names import part_names


def test_elements_are_renamed_and_bits_are_not() -> None:
    text = "wire [3:0] \\a[3] ;\nassign \\a[3] [1:0] = a[3];\nassign \\b.a[3].c = \\a[3] ;\n"

    assert part_names(text) == (
        "wire [3:0] \\a_element_3 ;\nassign \\a_element_3 [1:0] = a[3];\n"
        "assign \\b.a_element_3.c = \\a_element_3 ;\n"
    )


def test_a_name_that_is_there_already_is_not_given_twice() -> None:
    assert part_names("\\a[3] a_element_3\n") == "\\a_element_3_ a_element_3\n"
