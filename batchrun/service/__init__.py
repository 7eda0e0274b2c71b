"""HealthOmics as we see it: the one place that knows aiobotocore, its answers and its errors."""
