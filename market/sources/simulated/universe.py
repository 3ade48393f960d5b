"""The fifty shares and three indices of the simulated market, as data.

Security ids, lot sizes and strike steps are those of Dhan's compact master of February 2026; sectors and
industries are the second and third tier of NSE's industry classification. Base prices, volatilities and betas
are rounded levels of the two years to January 2026: they set the scale of a simulation and claim nothing else.
Index lot sizes are dated and come from the rulebook.
"""

from dataclasses import dataclass

from market.ports import UnderlyingFact


@dataclass(frozen=True, slots=True)
class Listing:
    """One simulated underlying.

    `base_price` is rupees, `base_volatility` a yearly fraction, `beta` is against the market factor,
    `market_cap` is rupees, `lot_size` is None where the rulebook knows better.
    """

    symbol: str
    name: str
    kind: str
    exchange: str
    security_id: int
    industry: str
    sector: str
    base_price: float
    base_volatility: float
    beta: float
    strike_step: float
    lot_size: int | None = None
    market_cap: float | None = None

    @property
    def is_index(self) -> bool:
        """True for an index, which has no share of its own to trade."""
        return self.kind == "index"

    @property
    def fact(self) -> UnderlyingFact:
        """The part of this that is not a price."""
        return UnderlyingFact(
            self.symbol, self.name, self.kind, self.exchange, self.industry, self.sector, self.market_cap
        )


INDICES: tuple[Listing, ...] = (
    Listing("NIFTY", "Nifty 50", "index", "NSE", 13, "Index", "Index", 25_200.0, 0.125, 1.00, 50.0),
    Listing("BANKNIFTY", "Nifty Bank", "index", "NSE", 25, "Index", "Financial Services", 58_400.0, 0.150, 1.08, 100.0),
    Listing("SENSEX", "Sensex", "index", "BSE", 51, "Index", "Index", 82_000.0, 0.124, 0.99, 100.0),
)
VOLATILITY_INDEX_ID = 21  # India VIX on NSE's index segment: listed, never an underlying

# sector, industry, then: symbol, name, NSE id, price, volatility, beta, strike step, lot, market cap in lakh crore
_SHARES: dict[tuple[str, str], tuple[tuple[str, str, int, float, float, float, float, int, float], ...]] = {
    ("Oil Gas & Consumable Fuels", "Petroleum Products"): (
        ("RELIANCE", "Reliance Industries", 2885, 1390.0, 0.214, 1.15, 10.0, 500, 18.8),
    ),
    ("Oil Gas & Consumable Fuels", "Oil"): (("ONGC", "ONGC", 2475, 265.0, 0.265, 1.10, 2.5, 2250, 3.3),),
    ("Oil Gas & Consumable Fuels", "Consumable Fuels"): (
        ("COALINDIA", "Coal India", 20374, 420.0, 0.265, 1.15, 2.5, 1350, 2.6),
    ),
    ("Power", "Power"): (
        ("NTPC", "NTPC", 11630, 340.0, 0.260, 1.20, 2.5, 1500, 3.3),
        ("POWERGRID", "Power Grid", 14977, 270.0, 0.245, 1.05, 2.5, 1900, 2.5),
        ("TATAPOWER", "Tata Power", 3426, 350.0, 0.290, 1.40, 2.5, 1450, 1.1),
    ),
    ("Financial Services", "Banks"): (
        ("HDFCBANK", "HDFC Bank", 1333, 920.0, 0.192, 0.95, 5.0, 550, 14.1),
        ("ICICIBANK", "ICICI Bank", 4963, 1370.0, 0.195, 1.00, 10.0, 700, 9.8),
        ("SBIN", "State Bank of India", 3045, 1030.0, 0.243, 1.20, 5.0, 750, 9.5),
        ("AXISBANK", "Axis Bank", 5900, 1260.0, 0.230, 1.10, 10.0, 625, 3.9),
        ("KOTAKBANK", "Kotak Bank", 1922, 425.0, 0.230, 0.90, 2.5, 2000, 4.2),
        ("INDUSINDBK", "IndusInd Bank", 5258, 890.0, 0.320, 1.05, 10.0, 700, 0.7),
        ("BANKBARODA", "Bank of Baroda", 4668, 296.0, 0.300, 1.40, 2.5, 2925, 1.53),
        ("PNB", "Punjab National Bank", 10666, 122.0, 0.320, 1.45, 1.0, 8000, 1.38),
        ("CANBK", "Canara Bank", 10794, 150.0, 0.315, 1.40, 1.0, 6750, 1.38),
    ),
    ("Financial Services", "Finance"): (
        ("BAJFINANCE", "Bajaj Finance", 317, 930.0, 0.261, 1.10, 10.0, 750, 5.8),
        ("BAJAJFINSV", "Bajaj Finserv", 16675, 1950.0, 0.234, 1.10, 20.0, 250, 3.1),
    ),
    ("Financial Services", "Insurance"): (("SBILIFE", "SBI Life", 21808, 2000.0, 0.220, 0.80, 20.0, 375, 2.0),),
    ("Information Technology", "IT - Software"): (
        ("TCS", "TCS", 11536, 3160.0, 0.205, 0.75, 20.0, 175, 11.4),
        ("INFY", "Infosys", 1594, 1670.0, 0.241, 0.90, 20.0, 400, 6.9),
        ("HCLTECH", "HCL Technologies", 7229, 1700.0, 0.238, 0.87, 20.0, 350, 4.6),
        ("TECHM", "Tech Mahindra", 13538, 1700.0, 0.253, 0.92, 20.0, 600, 1.67),
        ("WIPRO", "Wipro", 3787, 245.0, 0.245, 0.90, 2.5, 3000, 2.5),
    ),
    ("Fast Moving Consumer Goods", "Diversified FMCG"): (
        ("HINDUNILVR", "Hindustan Unilever", 1394, 2400.0, 0.194, 0.40, 20.0, 300, 5.66),
        ("ITC", "ITC", 1660, 325.0, 0.196, 0.62, 2.5, 1600, 4.05),
    ),
    ("Fast Moving Consumer Goods", "Food Products"): (
        ("BRITANNIA", "Britannia", 547, 5850.0, 0.204, 0.45, 50.0, 125, 1.4),
    ),
    ("Fast Moving Consumer Goods", "Personal Products"): (
        ("DABUR", "Dabur", 772, 520.0, 0.215, 0.45, 5.0, 1250, 0.92),
    ),
    ("Automobile and Auto Components", "Automobiles"): (
        ("MARUTI", "Maruti Suzuki", 10999, 14_600.0, 0.220, 0.85, 100.0, 50, 4.6),
        ("M&M", "Mahindra & Mahindra", 2031, 3540.0, 0.288, 1.27, 50.0, 200, 4.4),
        ("BAJAJ-AUTO", "Bajaj Auto", 16669, 9400.0, 0.258, 0.86, 100.0, 75, 2.63),
        ("EICHERMOT", "Eicher Motors", 910, 6980.0, 0.234, 0.91, 50.0, 100, 1.91),
        ("HEROMOTOCO", "Hero MotoCorp", 1348, 5390.0, 0.255, 0.82, 50.0, 150, 1.08),
    ),
    ("Healthcare", "Pharmaceuticals & Biotechnology"): (
        ("SUNPHARMA", "Sun Pharma", 3351, 1630.0, 0.199, 0.60, 10.0, 350, 3.92),
        ("CIPLA", "Cipla", 694, 1315.0, 0.231, 0.56, 10.0, 375, 1.06),
        ("DRREDDY", "Dr Reddy's", 881, 1235.0, 0.206, 0.57, 10.0, 625, 1.03),
        ("DIVISLAB", "Divi's Laboratories", 10940, 6010.0, 0.255, 0.64, 50.0, 100, 1.6),
        ("LUPIN", "Lupin", 10440, 2140.0, 0.262, 0.66, 20.0, 425, 0.98),
    ),
    ("Metals & Mining", "Ferrous Metals"): (
        ("TATASTEEL", "Tata Steel", 3499, 190.0, 0.270, 1.30, 1.0, 5500, 2.3),
        ("JSWSTEEL", "JSW Steel", 11723, 1170.0, 0.254, 1.20, 10.0, 675, 2.86),
    ),
    ("Metals & Mining", "Non - Ferrous Metals"): (("HINDALCO", "Hindalco", 1363, 950.0, 0.293, 1.18, 10.0, 700, 2.13),),
    ("Construction", "Construction"): (("LT", "Larsen & Toubro", 11483, 3740.0, 0.250, 1.25, 20.0, 175, 5.15),),
    ("Capital Goods", "Aerospace & Defense"): (
        ("BEL", "Bharat Electronics", 383, 410.0, 0.305, 1.26, 5.0, 1425, 3.0),
        ("HAL", "Hindustan Aeronautics", 2303, 4300.0, 0.340, 1.45, 50.0, 150, 2.88),
    ),
    ("Construction Materials", "Cement & Cement Products"): (
        ("ULTRACEMCO", "UltraTech Cement", 11532, 12_350.0, 0.216, 1.00, 100.0, 50, 3.64),
        ("GRASIM", "Grasim", 1232, 2760.0, 0.224, 1.00, 20.0, 250, 1.88),
    ),
    ("Consumer Durables", "Consumer Durables"): (
        ("ASIANPAINT", "Asian Paints", 236, 2700.0, 0.208, 0.61, 20.0, 250, 2.59),
        ("TITAN", "Titan", 3506, 4020.0, 0.220, 0.73, 20.0, 175, 3.57),
    ),
    ("Telecommunication", "Telecom - Services"): (
        ("BHARTIARTL", "Bharti Airtel", 10604, 1985.0, 0.216, 0.89, 20.0, 475, 11.9),
    ),
    ("Services", "Transport Infrastructure"): (
        ("ADANIPORTS", "Adani Ports", 15083, 1310.0, 0.305, 1.50, 20.0, 475, 2.83),
    ),
    ("Realty", "Realty"): (("DLF", "DLF", 14732, 590.0, 0.319, 1.60, 10.0, 825, 1.46),),
}
_LAKH_CRORE = 1e12  # rupees

SHARES: tuple[Listing, ...] = tuple(
    Listing(
        symbol, name, "stock", "NSE", number, industry, sector, price, volatility, beta, step, lot, cap * _LAKH_CRORE
    )
    for (sector, industry), rows in _SHARES.items()
    for symbol, name, number, price, volatility, beta, step, lot, cap in rows
)
UNIVERSE: tuple[Listing, ...] = INDICES + SHARES
BY_SYMBOL: dict[str, Listing] = {listing.symbol: listing for listing in UNIVERSE}
