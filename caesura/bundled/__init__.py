"""Models that travel with the package."""
