"""The command line: a file per verb. The only place that wires things together."""
