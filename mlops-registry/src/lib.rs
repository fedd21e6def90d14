//! The package format, the object-store registry and the JSON-lines tracker of `mlops`.
