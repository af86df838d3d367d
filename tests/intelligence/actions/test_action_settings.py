"""The section `actions` of product.yaml: an empty one works, and mistakes are reported in plain words."""

import pytest

from intelligence.catalog.product import product_from
from intelligence.core.errors import ProductFileError

GOOD = "name: D\nsources: [{name: s, files: a.csv}]\n"


def test_an_empty_section_works() -> None:
    actions = product_from(GOOD + "actions: {}").actions
    assert (actions.channel, actions.flag_file, actions.targets) == (
        "#product-intelligence",
        "flags.flagd.json",
        ("slack", "flags"),
    )
    assert product_from(GOOD).actions == actions


def test_owners_have_channels_of_their_own() -> None:
    actions = product_from(GOOD + 'actions: {owner_channels: {team-tutor: "#tutor"}}').actions
    assert [actions.channel_of(owner) for owner in ("team-tutor", "nobody", None)] == [
        "#tutor",
        "#product-intelligence",
        "#product-intelligence",
    ]


@pytest.mark.parametrize(
    ("section", "problem"),
    [
        ("{chanel: x}", "did you mean `channel`"),
        ("{channel: Ops Team}", "write a channel such as #product-intelligence"),
        ("{targets: [slak]}", "'slack'"),
        ("{rate_per_s: 0}", "a number greater than 0"),
        ("{slack_url: 'ftp://x'}", "write an address that begins with https:// or http://"),
        ("{webhook_url: 'https://ann:pass@x.example'}", "write an address that begins with https:// or http://"),
        ("{flag_file: ''}", "text of at least 1 character"),
    ],
)
def test_mistakes_are_told_in_plain_words(section: str, problem: str) -> None:
    with pytest.raises(ProductFileError, match=problem):
        product_from(GOOD + f"actions: {section}")
