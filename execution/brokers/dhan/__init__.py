"""Dhan: requests built by the `dhanhq` package, sent by our own transport, judged by status and raw body."""
