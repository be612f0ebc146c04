"""AWS's public market feeds: read over HTTP or from files. Adapters floor."""

from spotlab.aws.feeds.advisor import parse_advisor
from spotlab.aws.feeds.on_demand import parse_on_demand
from spotlab.aws.feeds.spot import parse_spot_prices

__all__ = ["parse_advisor", "parse_on_demand", "parse_spot_prices"]
