"""Stand-in for Lightning where it is not installed: only the names that Ptychodus imports."""
