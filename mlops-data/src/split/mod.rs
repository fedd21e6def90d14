//! How rows are divided for training and judging.
