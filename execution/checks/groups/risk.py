"""Whether the account can bear it. Pure."""

from execution.checks import exposure, money
from execution.checks.asking import ENTRY, Check, Group

RISK: tuple[Check, ...] = (
    Check(
        "NOTIONAL",
        Group.CREDIT,
        money.notional,
        "No single order or basket is worth more than anybody means to spend.",
        "Trade fewer sets, or raise the limit in the admin.",
        "premium ₹2 lakh per order, ₹5 lakh per basket; any order ₹10 crore",
        ("orders", "orders.limit", "orders.quantity"),
        limits=("order_premium", "basket_premium", "order_value"),
        deviation=(
            "At least the account's own share per strategy in rupees per order and twice that per basket, bought and "
            "sold premium together. Shares and exits are held to the hard cap only."
        ),
    ),
    Check(
        "MAX_LOSS",
        Group.CREDIT,
        money.max_loss,
        "What may be lost is known and bearable; an unlimited loss needs a separate permission.",
        "Trade fewer sets, or let a person raise the limit or allow naked shorts.",
        "₹25,000 or 1 % of equity, the smaller; undefined only with allow_naked",
        ("risk", "risk.unlimited_loss", "risk.max_loss"),
        ENTRY,
        limits=("max_loss",),
        deviation=(
            "The account's capital times its largest share per strategy, which its owner set and the allocator "
            "already obeys, in place of the table's number. With unlimited loss the margin before the credit is "
            "compared."
        ),
    ),
    Check(
        "MARGIN",
        Group.CREDIT,
        money.margin,
        "The basket can be paid for at its worst moment without touching what other strategies set aside.",
        "Close something or trade less.",
        "required x 1.05 at most available less reservations",
        (
            "risk",
            "risk.cash_needed",
            "risk.margin_required",
            "account",
            "account.available",
            "account.reserved",
        ),
        ENTRY,
        limits=("margin_headroom",),
        deviation="The headroom is on the broker's figure; our own cash need is computed at limits and needs none.",
    ),
    Check(
        "POSITION_COUNT",
        Group.CREDIT,
        exposure.position_count,
        "Not more is open than the account may hold or a person can watch.",
        "Close one or raise the limit.",
        "10 open strategies, 3 per underlying",
        ("counts", "counts.open_strategies", "counts.open_on_underlying"),
        ENTRY,
        limits=("open_strategies", "open_per_underlying"),
        deviation="The number of open strategies is the account's own limit.",
    ),
    Check(
        "CONCENTRATION",
        Group.CREDIT,
        exposure.concentration,
        "No single underlying can take the account down.",
        "Close something on this underlying or trade less.",
        "25 % of equity at risk or blocked per underlying",
        ("account", "account.underlying_at_risk", "risk", "risk.max_loss"),
        ENTRY,
        limits=("underlying_at_risk",),
        deviation="The account's own share per underlying (15 % unless its owner changed it).",
    ),
    Check(
        "GREEKS",
        Group.CREDIT,
        exposure.greeks,
        "The account as a whole does not lean too far one way or hang on volatility.",
        "Trade something that balances, or less.",
        "net delta at most 3 x capital of underlying, net vega at most 1 % of capital per volatility point",
        (
            "account",
            "account.net_delta_value",
            "account.net_vega",
            "risk",
            "risk.net_delta_value",
            "risk.net_vega",
        ),
        ENTRY,
        limits=("net_delta_value", "net_vega", "greeks_required"),
        deviation="The table names no numbers. Unknown greeks deny on a live account and warn on paper, as it says.",
    ),
    Check(
        "DAILY_LOSS",
        Group.CREDIT,
        money.daily_loss,
        "A bad day ends before it becomes a bad month.",
        "Stop for today.",
        "realised and unrealised above -2 % of equity or -₹20,000, the smaller; past 60 % of it half sizes",
        ("account", "account.day_result"),
        ENTRY,
        limits=("daily_loss", "soft_loss_share"),
        deviation="2 % of the account's capital; ₹20,000 holds only where none is set.",
    ),
)
