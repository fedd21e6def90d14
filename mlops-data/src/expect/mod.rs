//! What data must look like: schemas, expectations, quarantine.
