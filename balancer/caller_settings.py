"""The settings of a caller: the tables `callers.NAME` of the TOML file.

Says what is accepted; knows nothing about how a caller shows who it is.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from tidegate.balancer.core.call import Lane
from tidegate.balancer.core.permit import FleetRight, Permit


class CallerSettings(BaseModel):
    """What one caller may do, and by which certificates it is known beside its tokens."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    certificates: tuple[str, ...] = Field(
        (),
        description='Names in the caller\'s certificate, like ["spiffe://shop/tickets", "tickets.shop.internal"]; '
        "any of them is enough. As soon as one caller has such a list, certificates in other names are nobody's.",
    )
    lanes: tuple[Literal["sentiment", "chat"], ...] = Field(
        ("sentiment", "chat"), description="Lanes in which it may call."
    )
    rate: float | None = Field(
        None,
        gt=0,
        le=1_000_000,
        description="Calls a second that it may make, of each balancer and worker; messages of a stream count "
        "like calls. Empty: any number.",
    )
    share: float = Field(
        1.0,
        gt=0,
        le=1000,
        description="Its part of a lane while callers have to take turns: 2 is twice as much as one of 1.",
    )
    largest_input_bytes: int | None = Field(
        None, ge=1, description="Size of the largest message that it may send. Empty: any."
    )
    system_prompt: bool = Field(
        True, description="Whether it may bring a system prompt of its own."
    )
    fleet: Literal["none", "look", "operate"] = Field(
        "none",
        description="What it may ask of the Fleet service: nothing, its status (look), or to drain, warm and "
        "pin as well (operate).",
    )

    @field_validator("certificates")
    @classmethod
    def _are_names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not all(value):
            raise ValueError("has an empty name; DNS names and URIs are accepted")
        return value

    def permit(self) -> Permit:
        """The same for the core."""
        return Permit(
            lanes=frozenset(Lane(each) for each in self.lanes),
            per_s=self.rate,
            share=self.share,
            largest_bytes=self.largest_input_bytes,
            may_prompt=self.system_prompt,
            fleet=FleetRight(self.fleet),
        )
