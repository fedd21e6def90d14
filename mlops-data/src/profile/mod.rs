//! What data looks like: statistics of every column, in one pass.
