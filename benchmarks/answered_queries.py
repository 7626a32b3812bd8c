"""Sixty queries that have an answer: two for each of 30 sentences of everyday matters."""

from typing import Final

from sw.calibration import SENTENCES

__all__ = ["CORPUS", "QUERIES"]

CORPUS: Final = (
    *SENTENCES,
    "The bees were moved to the orchard before the apple trees came into bloom.",
    "A new law forbids plastic bags in supermarkets from next year on.",
    "My grandmother knits socks while she listens to the radio.",
    "The telescope's mirror was polished for almost a year.",
    "Volunteers counted migrating birds at the lake all weekend.",
    "The elevator has been out of order since Tuesday.",
)
"""30 sentences."""

QUERIES: Final = (
    *("When does the boat go out?", "ships and bad visibility"),
    *("Has the bill been settled?", "an unpaid account from a few weeks ago"),
    *("Where can I get fresh bread?", "warm loaves around midday"),
    *("How can wind power be kept for the cold season?", "a lecture about batteries and energy"),
    *("What should I do when the pump is loud?", "a machine that sounds broken"),
    *("kids playing with the wind", "toys in the sky near a school"),
    *("Why was the trial delayed?", "judges waiting for missing papers"),
    *("How can a matrix take less memory?", "mostly zeros in linear algebra"),
    *("Who plays music?", "starting an instrument late in life"),
    *("an exhibition of watches", "Where can I see old timepieces?"),
    *("What will the weather be like?", "showers in one part of the country"),
    *("When is eating allowed after surgery?", "food for someone in hospital"),
    *("We did not catch the connecting train.", "delayed on the railway"),
    *("finding things in a thick volume", "What makes a long book easier to use?"),
    *("Who was employed to improve the cooling?", "new staff in a firm"),
    *("a forgotten gardener", "Who put the tree in the courtyard?"),
    *("How do I restart the measuring device?", "push a button two times"),
    *("What goes into the cake?", "ingredients for baking"),
    *("a discovery in outer space", "distant stars hidden by dust"),
    *("turning a foreign text into one's own language", "a Portuguese document"),
    *("Why can cars not cross the river?", "damage by high water"),
    *("Why did metal become more expensive?", "a mine that closed"),
    *("Which book should a novice read?", "advice on reading for someone new"),
    *("a dramatic end of a football game", "Who stopped the shot?"),
    *("beehives among fruit trees", "Where are the insects that make honey?"),
    *("a ban in shops", "What must stores no longer hand out?"),
    *("an old woman with wool and needles", "handicraft in front of the radio"),
    *("grinding optics for astronomy", "How long did the work on the mirror take?"),
    *("bird watching", "people counting animals near water"),
    *("Why do we have to take the stairs?", "a lift that does not work"),
)
"""The two at places 2n and 2n + 1 belong to sentence n."""
