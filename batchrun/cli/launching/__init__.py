"""What surrounds a launch: manifest, signals, hooks, metrics, results, exit code."""
