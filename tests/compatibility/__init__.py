"""What of the Messages API is served here, row by row, each row a small check."""
