"""The section `actions` of product.yaml: where actions go, how fast, and how long they wait."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from intelligence.core.sections import Address, Section

Channel = Annotated[str, StringConstraints(pattern=r"^(#[a-z0-9_-]{1,80}|[CG][A-Z0-9]{6,})$")]
TargetName = Literal["slack", "flags", "pagerduty", "jira", "webhook"]


class Actions(Section):
    """The targets of actions, their rate and their time limits. Secrets come from the environment and are never set here."""

    targets: tuple[TargetName, ...] = ("slack", "flags")
    channel: Channel = "#product-intelligence"
    owner_channels: Mapping[str, Channel] = Field(default_factory=dict)
    slack_url: Address = "https://slack.com/api/"
    pagerduty_url: Address = "https://events.pagerduty.com"
    jira_url: Address | None = None
    jira_project: str = Field("OPS", pattern=r"^[A-Z][A-Z0-9_]+$")
    jira_issue_type: str = Field("Task", min_length=1)
    webhook_url: Address | None = None
    webhook_deduplicates: bool = False
    flag_file: str = Field("flags.flagd.json", min_length=1)
    approval_hours: float = Field(24, gt=0)
    give_up_hours: float = Field(24, gt=0)
    rate_per_s: float = Field(1.0, gt=0)
    longest_delivery_s: float = Field(60.0, gt=0)

    def channel_of(self, owner: str | None) -> str:
        """Return the Slack channel of the owner of a feature; the common channel where the owner has none."""
        return self.owner_channels.get(owner or "", self.channel)
