"""What every peer in Python shares: a case as it is read, the measuring protocol, and the result as it is written."""
