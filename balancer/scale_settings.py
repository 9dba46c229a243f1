"""The settings of hot and cold: how many instances of a role may run, by which rules and which timetable.

Knows nothing about launchers. The rules themselves are core/scale.py's, and so are the defaults.
"""

from pydantic import BaseModel, ConfigDict, Field, model_validator

from tidegate.balancer.core.scale import RoleScale
from tidegate.balancer.core.schedule import Entry

_DEFAULT = RoleScale()


class EntrySettings(BaseModel):
    """One entry of a timetable: so many instances are hot from each time that the cron expression names."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    cron: str = Field(
        description='When it begins: minute, hour, day, month and weekday, like "0 9 * * 1-5".'
    )
    count: int = Field(
        ge=1, le=1000, description="How many instances are hot, permanent ones included."
    )
    zone: str = Field("UTC", description="The time zone of cron, like Asia/Shanghai.")
    for_s: float = Field(
        3600.0, gt=0, le=31 * 86_400, description="For how many seconds, from each beginning."
    )

    @model_validator(mode="after")
    def _has_a_meaning(self) -> "EntrySettings":
        self.entry()
        return self

    def entry(self) -> Entry:
        """The entry, as the core takes it. Raises ValueError naming the field."""
        return Entry(self.cron, self.count, self.zone, self.for_s)


class ScaleSettings(BaseModel):
    """The rules for one role."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    minimum: int = Field(
        _DEFAULT.minimum,
        ge=0,
        le=1000,
        description="Instances that always run, permanent ones included; 0 lets the role go cold.",
    )
    maximum: int = Field(
        _DEFAULT.maximum,
        ge=0,
        le=1000,
        description="Instances that may run, permanent ones included.",
    )
    use: float = Field(
        _DEFAULT.use,
        gt=0,
        le=1,
        description="Share of its slots that an instance is meant to have in use.",
    )
    window_s: float = Field(
        _DEFAULT.window_s, gt=0, le=3600, description="Seconds over which the load is averaged."
    )
    alarm_window_s: float = Field(
        _DEFAULT.alarm_window_s,
        gt=0,
        le=3600,
        description="Seconds over which it is averaged to notice a surge.",
    )
    alarm_share: float = Field(
        _DEFAULT.alarm_share,
        gt=0,
        le=100,
        description="How many times what is hot the short average must reach to raise the alarm.",
    )
    spill_share: float = Field(
        _DEFAULT.spill_share,
        gt=0,
        le=100,
        description="Share of the hot slots in use that counts as full.",
    )
    spill_wait_s: float = Field(
        _DEFAULT.spill_wait_s, gt=0, le=3600, description="Estimated wait that counts as full."
    )
    spill_after_s: float = Field(
        _DEFAULT.spill_after_s,
        ge=0,
        le=3600,
        description="Seconds of being full after which one more is started; half the warm-up if that is less.",
    )
    idle_s: float = Field(
        _DEFAULT.idle_s,
        gt=0,
        le=7 * 86_400,
        description="What wasn't wanted for so many seconds is stopped.",
    )
    back_off_s: float = Field(
        _DEFAULT.back_off_s,
        gt=0,
        le=3600,
        description="Seconds until the next try after a start that failed; doubles from failure to failure.",
    )
    back_off_max_s: float = Field(
        _DEFAULT.back_off_max_s, gt=0, le=86_400, description="What it doubles up to."
    )
    warm_up_s: float = Field(
        _DEFAULT.warm_up_s,
        gt=0,
        le=3600,
        description="Seconds from start to hot that are assumed until the first start was measured.",
    )
    give_up_s: float = Field(
        _DEFAULT.give_up_s, gt=0, le=86_400, description="A start that takes longer has failed."
    )
    schedule: tuple[EntrySettings, ...] = Field(
        (), description="The timetable, an entry each; the one that wants most counts."
    )
    forecast_days: int = Field(
        _DEFAULT.forecast_days,
        ge=0,
        le=28,
        description="Earlier days from whose load at the same time instances are started ahead; 0 forecasts nothing.",
    )
    forecast_zone: str = Field(
        _DEFAULT.forecast_zone,
        description="The time zone whose days the forecast counts, like Asia/Shanghai.",
    )

    @model_validator(mode="after")
    def _has_a_meaning(self) -> "ScaleSettings":
        self.rule()
        wanted = max((each.count for each in self.schedule), default=0)
        if wanted > self.maximum:
            raise ValueError(
                f"schedule: an entry wants {wanted} instances and maximum is {self.maximum}; "
                "at most that is accepted"
            )
        return self

    def rule(self) -> RoleScale:
        """The rules, as the core takes them. Raises ValueError naming the field."""
        fields = {name: getattr(self, name) for name in type(self).model_fields}
        return RoleScale(**{**fields, "schedule": tuple(each.entry() for each in self.schedule)})
