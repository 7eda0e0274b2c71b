"""The command line: a file per verb. Options, talk, signals, exit codes; ``api`` wires things together."""
