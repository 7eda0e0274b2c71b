"""Texts by people and services: parsed into values, or cut to a safe form."""
