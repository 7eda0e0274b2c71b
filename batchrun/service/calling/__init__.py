"""The way of a call: its turn, one try, what a failure means, the next try, pages, an outage."""
