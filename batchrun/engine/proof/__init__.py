"""Looking for runs that may be there already, before anything is sent."""
