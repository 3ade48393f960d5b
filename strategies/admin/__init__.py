"""Admin pages of what could be traded: the review screen with its marking, and the passes of the generator."""

from strategies.admin import generation, review

__all__ = ["generation", "review"]
