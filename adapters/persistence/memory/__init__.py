"""The store in memory, for tests and the simulation."""

from adapters.persistence.memory.store import Committed, MemoryStore

__all__ = ["Committed", "MemoryStore"]
