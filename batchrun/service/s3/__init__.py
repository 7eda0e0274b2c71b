"""Objects in S3: reading, listing, writing, with the logins and the patience of every other call."""
