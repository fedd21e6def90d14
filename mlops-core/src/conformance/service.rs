use std::env::var;
use std::fmt::Display;
use std::io::Write;

/// What a test needs to know of a real server, such as its URL: the environment variable
/// `variable`, which `remedy` sets. `None` if it is not set, and the test is to be skipped.
///
/// # Panics
/// As [`skip`].
///
/// # Example
/// ```no_run
/// use mlops_core::conformance::service;
///
/// let Some(url) = service("MLOPS_TEST_POSTGRES", "tests/services run postgres -- cargo test") else { return };
/// ```
pub fn service(variable: &str, remedy: &str) -> Option<String> {
    let value = var(variable).ok().filter(|value| !value.is_empty());
    if value.is_none() {
        skip(variable, format!("it is not set; `{remedy}` sets it"));
    }
    value
}

/// Says that a test can't be done here: `what` it needs, and why that is not there.
///
/// A skipped test is easily taken for a passed one, so whoever has installed and started everything
/// sets `MLOPS_REQUIRE_SERVICES=1`: then it is a failure.
///
/// # Panics
/// If `MLOPS_REQUIRE_SERVICES` is 1.
pub fn skip(what: &str, reason: impl Display) {
    let required = var("MLOPS_REQUIRE_SERVICES").is_ok_and(|required| required == "1");
    assert!(!required, "{what} is required and can't be had: {reason}; `tests/services install` gets what there is");
    // Not `eprintln`, which the test harness keeps to itself; where it can't be written, nobody reads it.
    let _ = writeln!(std::io::stderr(), "skipped: {what} can't be had here: {reason}");
}
