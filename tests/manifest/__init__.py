"""Tests of batchrun.manifest."""
