//! Counter-based noise: the same numbers on every platform.
