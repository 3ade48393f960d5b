"""Imported once by the process that all traders are forked from, so that a start costs no imports."""

import django

django.setup()

import execution.brokers.dhan.broker  # noqa: E402
import execution.services.flatten  # noqa: E402
import execution.services.trader  # noqa: E402, F401
import tests.crash.clock  # noqa: E402
import tests.crash.market  # noqa: E402
import tests.crash.trader  # noqa: E402
import tests.crash.tripwire  # noqa: E402, F401
