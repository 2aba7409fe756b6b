import pytest

from benchmarks.errors import UsageError
from benchmarks.text import check_name, latex, markdown, printable


@pytest.mark.parametrize("name", ["irem", "NA", "_mine", "cash$$", "名前", "a|b", "my method"])
def test_names_that_are_taken(name):
    check_name("a method", name)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("", "is empty"),
        (" mine", "begins or ends with a space"),
        ("a,b", "has the character ','"),
        ("a\rb", r"has the character '\\r'"),
        ("a\nb", r"has the character '\\n'"),
        ("half \ud800", r"has the character '\\ud800'"),
        (None, "is not text"),
    ],
)
def test_names_that_are_refused(name, why):
    with pytest.raises(UsageError, match=f"of a method {why}"):
        check_name("a method", name)


def test_control_characters_and_half_ones_are_written_out():
    assert printable("10 %\r100 %\x1b[31m\ud83d") == r"10 %\r100 %\x1b[31m\ud83d"
    assert printable("two\nlines, 名前") == "two\nlines, 名前"


def test_a_bar_does_not_end_a_cell():
    assert markdown("a|b") == r"a\|b"


def test_every_special_character_of_latex():
    assert latex("a_b & 5 % of $1 #2 {x} ~ ^") == (
        r"a\_b \& 5 \% of \$1 \#2 \{x\} \textasciitilde{} \textasciicircum{}"
    )
    assert latex("back\\slash") == r"back\textbackslash{}slash"
