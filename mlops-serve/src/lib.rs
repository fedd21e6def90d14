//! The inference service of `mlops` and its Open Inference Protocol v2 server.
