"""Wiring: settings, addresses, processes. Everything about trading is in the four apps."""
