//! How tables come together: hash join, as-of join.
