"""What the engine needs of the world, as contracts. Implementations live in ``ledger`` and ``service``."""
