"""Where log lines go and how they look."""

import logging
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import structlog
from structlog.typing import EventDict


class LogFile(logging.Handler):
    """Appends to one file (`{day}` in its name becomes YYYYMMDD, IST), opened only when there is something to write."""

    def __init__(self, directory: str, name: str) -> None:
        super().__init__()
        self.directory, self.file_name = Path(directory), name

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line; a full disk must not stop trading, so errors go to logging's own handler."""
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            day = datetime.fromtimestamp(record.created, tz=ZoneInfo("Asia/Kolkata")).strftime("%Y%m%d")
            with (self.directory / self.file_name.format(day=day)).open("a", encoding="utf-8") as file:
                file.write(self.format(record) + "\n")
        except OSError:
            self.handleError(record)


def _loud_level(_logger: Any, _method: str, event: EventDict) -> EventDict:
    event["level"] = str(event["level"]).upper()
    return event


def line_formatter() -> logging.Formatter:
    """One readable line per record, level in capitals so that `grep ERROR` finds them, through structlog."""
    return structlog.stdlib.ProcessorFormatter(
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.dev.ConsoleRenderer(
                colors=False, pad_event_to=0, exception_formatter=structlog.dev.plain_traceback
            ),
        ],
        foreign_pre_chain=[
            structlog.stdlib.add_log_level,
            _loud_level,
            structlog.stdlib.add_logger_name,
            structlog.processors.TimeStamper(fmt="iso", utc=False),
        ],
    )
