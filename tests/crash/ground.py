"""The servers and databases of a run: throw-away, and one fresh copy of a seeded database for every combination."""

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg
from psycopg import sql

TEMPLATE = "optionsv4"


@dataclass(frozen=True, slots=True)
class Ground:
    """Where the databases are, and a directory that is removed at the end."""

    directory: Path
    socket: str
    state: Path
    redis_url: str

    def connect(self, database: str) -> psycopg.Connection[tuple[object, ...]]:
        """A session of the judge's own."""
        return psycopg.connect(host=self.socket, user="postgres", dbname=database, autocommit=True)

    @contextmanager
    def copy(self, name: str) -> Iterator[str]:
        """A fresh copy of the seeded database, gone afterwards."""
        with self.connect("postgres") as session:
            make = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY")
            session.execute(make.format(sql.Identifier(name), sql.Identifier(TEMPLATE)))
        try:
            yield name
        finally:
            with self.connect("postgres") as session:
                session.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@contextmanager
def connected(database: str) -> Iterator[None]:
    """Let this process's Django work on another database for a while, without a pool."""
    from django.db import connection

    before = dict(connection.settings_dict), dict(connection.settings_dict["OPTIONS"])
    connection.close()
    connection.settings_dict["NAME"] = database
    connection.settings_dict["OPTIONS"].pop("pool", None)
    connection.settings_dict["CONN_HEALTH_CHECKS"] = False
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict.update(before[0])
        connection.settings_dict["OPTIONS"] = before[1]


@contextmanager
def ground(*, throwaway: bool = True) -> Iterator[Ground]:
    """Start both servers, tell the environment, and lay and seed the tables."""
    from optionsv4 import embedded

    state = Path(tempfile.mkdtemp(prefix="optionsv4-crash-"))
    state.chmod(0o711)
    directory = Path(tempfile.mkdtemp(prefix="optionsv4-crash-files-"))
    try:
        servers = embedded.start(state, throwaway=throwaway)
        _tell(state, directory, servers.database_url, servers.redis_url)
        lay_and_seed()
        socket = parse_qs(urlsplit(servers.database_url).query)["host"][0]
        yield Ground(directory, socket, state, servers.redis_url)
    finally:
        embedded.stop(state)
        shutil.rmtree(state, ignore_errors=True)
        shutil.rmtree(directory, ignore_errors=True)


def _tell(state: Path, directory: Path, database_url: str, redis_url: str) -> None:
    os.environ.update(
        DJANGO_SETTINGS_MODULE="optionsv4.settings",
        DATABASE_URL=database_url,
        REDIS_URL=redis_url,
        OPTIONSV4_EMBEDDED="1",
        OPTIONSV4_STATE_DIR=str(state),
        LOG_DIR=str(directory / "logs"),
        TRADING_MODE="paper",
        BROKER="simulator",
        CODE_VERSION="crash",
    )


def lay_and_seed() -> None:
    """Migrate, write the master of the day, the account and one marked strategy; leave no session behind."""
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import connections

    from tests.crash import market

    call_command("migrate", verbosity=0)
    seed_master()
    make_strategies(1, market.SPREAD)
    make_strategies(1, market.CONDOR)
    for connection in connections.all():
        connection.close()
        if hasattr(connection, "close_pool"):
            connection.close_pool()


def seed_master() -> None:
    """The instruments of the still market, and the account."""
    from decimal import Decimal

    from allocation.models import Account
    from market.models import FileImport, Instrument, Underlying
    from tests.crash import market
    from tests.crash.clock import MOMENT

    Account.objects.update_or_create(
        name="paper",
        defaults={"capital": Decimal(50_000_000), "max_open_strategies": 1_000, "max_per_structure": 1_000},
    )
    day = MOMENT.date()
    file = FileImport.objects.create(
        kind="master", source="test", file_name="m.csv", status="accepted", published_on=day
    )
    Underlying.objects.create(symbol=market.SYMBOL, kind="stock", lot_size=market.LOT)
    for (strike, code), (number, _, _) in market.QUOTED.items():
        Instrument.objects.create(
            exchange="NSE", first_import=file, last_import=file, underlying=market.SYMBOL, tick_paise=5,
            segment_letter="D", segment=market.SEGMENT, security_id=number, instrument_name="OPTSTK",
            trading_symbol=f"ACME-{strike:.0f}-{code}", lot_size=market.LOT, expiry=market.EXPIRY, strike=strike,
            option_type=code,
        )  # fmt: skip


def make_strategies(count: int, rows: Sequence[tuple[str, float, str]], *, marked: bool = False) -> list[int]:
    """Pending strategies on the still market, or put into the queue the way people do it; returns their ids."""
    from decimal import Decimal

    from strategies.models import OptionStrategy, StrategyLeg
    from strategies.services.marking import mark
    from tests.crash import market
    from tests.crash.clock import MOMENT

    first = OptionStrategy.objects.count() + 1
    premium = Decimal("4.95") * market.LOT * len(rows)
    structure = "iron-condor" if len(rows) == 4 else "bull-put-spread"
    made = OptionStrategy.objects.bulk_create(
        OptionStrategy(
            stock_name=market.SYMBOL, strategy_name=f"{structure} {number}", structure=structure,
            total_score=Decimal("0.6"), max_loss=Decimal(16_000), net_premium=premium, lot_size=market.LOT,
            expiry=market.EXPIRY, generated_on=MOMENT - timedelta(minutes=5), trade_date=MOMENT.date(),
            content_hash=f"{structure}-{number}", spot_price=Decimal(1000),
        )
        for number in range(first, first + count)
    )  # fmt: skip
    StrategyLeg.objects.bulk_create(
        StrategyLeg(
            strategy=strategy, leg_number=number, setup_type=side, option_type=code, strike=strike,
            expiry=market.EXPIRY, premium=1, lots=1,
        )
        for strategy in made
        for number, (side, strike, code) in enumerate(rows, start=1)
    )  # fmt: skip
    ids = [strategy.pk for strategy in made]
    if marked:
        refused = mark(ids).refused
        if refused:
            raise RuntimeError(f"the strategies could not be marked: {refused}")
    return ids
