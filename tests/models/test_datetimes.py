import datetime
import random
import re

import pytest
import qdrant_edge

from edgeshard.errors import ValidationError
from edgeshard.models.datetimes import parse_datetime

SPELLINGS = [
    "2024-01-01",
    "2024-02-29T10:20:30Z",
    "2024-02-29 10:20:30.123456789+02:00",
    "2024-1-2 3:4:5",
    "2024-01-01 10:20",
    "+12024-01-01T00:00:00Z",
    "-0001-12-31T23:59:60.5-0130",
    "2024-01-01T10:20:30 UTC",
    "2024-01-01 10:20:30+02",
    "2024-01-01 10:20:30 +02:30",
    "2024-01-01t10:20:30.5Z",
]


def parsed(text):
    try:
        return parse_datetime(text)
    except ValidationError:
        return None


def parsed_by_qdrant(text):
    """Microseconds according to qdrant_edge, which spells what it parsed in one canonical form."""
    try:
        spelled = qdrant_edge.RangeDateTime(gte=text).gte
    except ValueError:
        return None
    year, rest, fraction = re.fullmatch(r"([+-]?\d+)-([^.]*?)(?:\.(\d+))? UTC", spelled).groups()
    cycles, year = divmod(int(year) - 2000, 400)  # the calendar repeats after 400 years of 146097 days
    leap_second = rest.endswith(":60")
    rest = rest[:-2] + "59" if leap_second else rest
    moment = datetime.datetime.fromisoformat(f"{year + 2000}-{rest}+00:00")
    moment += datetime.timedelta(seconds=leap_second)
    since = moment - datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
    micros = int((fraction or "0").ljust(6, "0")[:6])
    return (since.days + cycles * 146097) * 86_400_000_000 + since.seconds * 1_000_000 + micros


def test_known_values():
    assert parse_datetime("1970-01-01T00:00:00Z") == 0
    assert parse_datetime("1969-12-31T23:59:59.9999999Z") == -1
    assert parse_datetime("2024-02-29T12:00:00.5+02:00") == 1_709_200_800_500_000


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2024",
        "2024-02-30",
        "20240101",
        "2024-01-01T24:00",
        "2024-01-01 ",
        "2024-01-01T10:20Z",
        "²024-01-01",
    ],
)
def test_refused(text):
    with pytest.raises(ValidationError, match="failed to parse date-time"):
        parse_datetime(text)


EDGES = ["-262143-01-01", "-262143-01-01T01:00:00+01:00", "-262143-01-01T00:00:00+00:01", "-262144-12-31"]
EDGES += ["+262142-12-31T23:59:60Z", "+262142-12-31T23:59:59.9999999Z", "+262142-12-31T23:59:59-00:01", "+262143-01-01"]


@pytest.mark.parametrize("text", EDGES)
def test_the_ends_of_the_calendar(text):
    assert parsed(text) == parsed_by_qdrant(text)


def test_accepts_what_qdrant_accepts():
    rng = random.Random(5)
    for _ in range(20_000):
        text = list(rng.choice(SPELLINGS))
        for _ in range(rng.choice([0, 1, 1, 2, 3])):
            at = rng.randrange(len(text) + 1)
            if rng.random() < 0.4:
                text.insert(at, rng.choice("0123456789-+:. TtZzUC,\t\u2003−"))
            else:
                text[at : at + 1] = rng.choice(["", rng.choice("0123456789-+:. TtZ")])
        spelled = "".join(text)
        assert parsed(spelled) == parsed_by_qdrant(spelled), spelled
