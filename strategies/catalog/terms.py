"""The words every family of the catalogue uses."""

from market.contract import Side
from strategies.spec import IvRegime, Kind

BUY, SELL = Side.BUY, Side.SELL
CALL, PUT, STOCK = Kind.CALL, Kind.PUT, Kind.STOCK

CHEAP: tuple[IvRegime, ...] = ("low", "normal")
RICH: tuple[IvRegime, ...] = ("normal", "high")
RICHEST: tuple[IvRegime, ...] = ("high",)
ANY: tuple[IvRegime, ...] = ("low", "normal", "high")
