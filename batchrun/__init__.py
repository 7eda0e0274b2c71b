"""batchrun launches many AWS HealthOmics runs from one manifest and watches them to the end."""

__version__ = "0.1.0"
