"""What goes on around a launch: manifest in, signals, hooks, metrics, results, exit code."""
