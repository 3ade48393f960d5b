"""Whether each order is well made and well priced. Pure."""

from execution.checks import drift, instrument, price, quantity
from execution.checks.asking import ENTRY, Check, Group

_LEG_PRICES = ("orders", "orders.limit", "orders.leg.tick")
_TOUCH = ("orders.quote", "orders.quote.bid", "orders.quote.ask")

ORDERS: tuple[Check, ...] = (
    Check(
        "INSTRUMENT",
        Group.ERRONEOUS,
        instrument.instrument,
        "Every leg is a living contract of today's master with the approved terms.",
        "Import today's master and generate again.",
        "in today's master, not expired, segment traded, same symbol, strike, type and expiry",
        ("now", "legs", "legs.segment", "legs.in_master", "legs.same_terms"),
    ),
    Check(
        "LOT",
        Group.ERRONEOUS,
        quantity.lot,
        "Every order is whole lots, and the lot is the one that was reviewed.",
        "Generate the strategy again with today's lots.",
        "an exact multiple of today's lot",
        ("orders", "orders.quantity", "orders.leg.lot_size", "orders.leg.approved_lot"),
        cheap=True,
    ),
    Check(
        "TICK",
        Group.ERRONEOUS,
        price.tick,
        "Every limit is a whole number of ticks.",
        "Tell the developers: limits are computed on ticks.",
        "an exact multiple of the contract's tick",
        _LEG_PRICES,
        cheap=True,
    ),
    Check(
        "FREEZE",
        Group.ERRONEOUS,
        quantity.freeze,
        "No order is larger than the exchange takes in one piece.",
        "Tell the developers: orders are sliced below the freeze quantity.",
        "slice at most the freeze quantity of the master or the dated table; 20 lots where neither knows it",
        ("orders", "orders.quantity", "orders.leg.order_limit"),
        cheap=True,
    ),
    Check(
        "QTY_MAX",
        Group.ERRONEOUS,
        quantity.qty_max,
        "A slip of the finger does not become a huge basket.",
        "Trade fewer sets, or raise the limit in the admin.",
        "10 lots per leg, 20 per basket, 40 per underlying and day",
        ("counts", "counts.lots_on_underlying_today", "legs", "legs.quantity", "legs.lot_size"),
        ENTRY,
        limits=("lots_per_leg", "lots_per_basket", "lots_per_underlying"),
        deviation=(
            "Where the account says how many sets it may trade, at least 3 lots per leg, 6 per basket and 12 per "
            "underlying and day for each set: the allocator's ten sets of a condor are 40 lots. Shares have no lots."
        ),
    ),
    Check(
        "PRICE_FINITE",
        Group.ERRONEOUS,
        price.price_finite,
        "A limit is a real price.",
        "Look at the quote; a price beyond these bounds is a fault.",
        "0.05 <= price < 10,00,000, whole paise",
        ("orders", "orders.limit"),
        cheap=True,
        limits=("lowest_price", "highest_price"),
    ),
    Check(
        "PRICE_COLLAR",
        Group.ERRONEOUS,
        price.price_collar,
        "A limit is near the mid and inside the exchange's protection band.",
        "The spread is too wide to cross; wait for a better market.",
        "within max(4 ticks, 10 %) of the mid for entries, max(8 ticks, 20 %) for exits, inside 80 % of the band",
        (*_LEG_PRICES, *_TOUCH),
        cheap=True,
        limits=("entry_collar", "entry_collar_ticks", "exit_collar", "exit_collar_ticks", "band_share"),
        deviation=(
            "The table says 3 ticks or 5 %, and 10 % for exits. Limits are computed with 10 % and 20 % "
            "(execution/limit_price.py), since polled quotes of cheap options are wider; the check compares with those."
        ),
    ),
    Check(
        "SPREAD",
        Group.ERRONEOUS,
        price.spread,
        "A market too wide to have a price is not entered.",
        "Wait for a better market or choose other strikes.",
        "(ask - bid) at most 20 % of the mid or 8 ticks",
        (*_LEG_PRICES[:1], "orders.leg.tick", *_TOUCH),
        ENTRY,
        limits=("spread", "spread_ticks"),
        deviation="The table says 10 % or 4 ticks; twice that is where the touch itself leaves the entry collar.",
    ),
    Check(
        "QUOTE_FRESH",
        Group.ERRONEOUS,
        price.quote_fresh,
        "Orders are priced on what the market says now.",
        "Capture chains again.",
        "quotes at most 600 s old and apart, the underlying at most 600 s (polled chains)",
        ("now", "orders", "orders.quote", "orders.quote.quoted_at", "drift", "drift.spot_at"),
        cheap=True,
        limits=("quote_age_seconds", "quote_skew_seconds", "spot_age_seconds"),
        deviation=(
            "The table's 3 s, 1.5 s and 2 s fit a live feed only: they are the preset STREAMING, to be set for the "
            "account once its prices stream. Exits do not ask for the underlying."
        ),
    ),
    Check(
        "DRIFT",
        Group.ERRONEOUS,
        drift.drift,
        "What is sent is what was reviewed: the market has not left it.",
        "Generate and mark it again.",
        "spot ±0.5 %, net premium at most 10 % and 2 ticks a leg worse, same lots and strikes, premium inside the "
        "approved band, reviewed chain at most 360 min old",
        (
            "now",
            "legs",
            "legs.lot_size",
            "legs.approved_lot",
            "legs.approved_strike",
            "drift",
            "drift.reviewed_spot",
            "drift.spot",
            "drift.reviewed_premium",
            "drift.premium",
            "drift.worst_premium",
            "drift.tick_value",
            "drift.reviewed_chain_at",
        ),
        ENTRY,
        limits=("spot_drift", "premium_drift", "premium_drift_ticks", "chain_minutes"),
        deviation=(
            "A premium that became better does not deny; two ticks a leg keep the spread of cheap options from being "
            "taken for a move. The table gives no age of the chain; a session's length with polled chains, 30 min in "
            "STREAMING."
        ),
    ),
)
