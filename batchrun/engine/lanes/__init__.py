"""A launch in one account and region: who sends, looks, sweeps and is woken there."""
