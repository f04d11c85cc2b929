"""Interface for programs."""
