//! Where data comes from: files, globs, memory.
