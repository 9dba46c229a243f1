"""Decides how many instances a timetable wants: hot when an entry begins, kept while it lasts.

Looks at the wall clock afresh each time and remembers nothing: a clock that steps skips no entry that should be
on, and an hour that the end of summer time repeats has its entry on twice. Knows nothing about load.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cronsim import CronSim, CronSimError

_ANY_DAY = datetime(2000, 1, 1, tzinfo=timezone.utc)


@dataclass(frozen=True, slots=True)
class Entry:
    """`count` instances are hot from each time that `cron` names in `zone`, for `for_s` seconds.

    Raises ValueError naming field and value: `cron` has five fields ("0 9 * * 1-5"), `zone` is an IANA name.
    """

    cron: str
    count: int
    zone: str = "UTC"
    for_s: float = 3600.0
    _zone: ZoneInfo = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_zone", checked_zone("zone", self.zone))
        try:
            if len(self.cron.split()) != 5:
                raise CronSimError("five fields are needed")
            # Refuses days that never come, too.
            CronSim(self.cron, _ANY_DAY)
        except CronSimError as error:
            raise ValueError(
                f"cron: {self.cron!r}: {error}; accepted are minute, hour, day, month and weekday, "
                "like '0 9 * * 1-5'"
            ) from None
        if self.count < 1:
            raise ValueError(f"count: {self.count} is not 1 or more")
        if self.for_s <= 0:
            raise ValueError(f"for_s: {self.for_s:g} is not above 0")

    def is_on(self, wall: datetime, lead_s: float) -> bool:
        """Whether the entry wants its instances at `wall`, which knows its zone; `lead_s` is the warm-up."""
        utc = wall.astimezone(timezone.utc)
        since = (utc - timedelta(seconds=self.for_s)).astimezone(self._zone)
        begins = next(CronSim(self.cron, since)).astimezone(timezone.utc)
        return begins <= utc + timedelta(seconds=lead_s)


def checked_zone(field_name: str, zone: str) -> ZoneInfo:
    """The time zone of an IANA name. Raises ValueError naming the field."""
    try:
        return ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(
            f"{field_name}: {zone!r} is not a time zone; accepted are names like 'Europe/Berlin'"
        ) from None


def scheduled(entries: tuple[Entry, ...], wall: datetime, lead_s: float) -> Entry | None:
    """The entry that wants most at `wall`, out of those that are on; None when none is."""
    on = [entry for entry in entries if entry.is_on(wall, lead_s)]
    return max(on, key=lambda entry: entry.count, default=None)
