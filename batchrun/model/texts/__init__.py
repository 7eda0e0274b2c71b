"""What people and services write, read into values or cut to a safe form."""
