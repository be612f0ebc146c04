"""AWS's public market feeds, over HTTP or from files."""

from spotlab.aws.feeds.advisor import parse_advisor
from spotlab.aws.feeds.files import FileFeed
from spotlab.aws.feeds.on_demand import parse_on_demand
from spotlab.aws.feeds.public import AdvisorFeed, OnDemandFeed, SpotPriceFeed
from spotlab.aws.feeds.spot import parse_spot_prices

__all__ = [
    "AdvisorFeed",
    "FileFeed",
    "OnDemandFeed",
    "SpotPriceFeed",
    "parse_advisor",
    "parse_on_demand",
    "parse_spot_prices",
]
