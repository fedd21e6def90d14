//! How data becomes features: the transformers.
