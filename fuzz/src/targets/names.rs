//! References to models, versions and digests as text.

use std::fmt::Display;
use std::str::FromStr;

use mlops::core::{ModelRef, Version, check_alias, check_name};
use mlops::registry::Digest;

pub(super) fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    back::<ModelRef>(text);
    back::<Version>(text);
    back::<Digest>(text);
    let _ = (check_name("name", text), check_alias(text));
}

/// What a text was read as is written so that it is read again.
fn back<T: FromStr + Display + PartialEq>(text: &str) {
    if let Ok(read) = text.parse::<T>() {
        assert!(read.to_string().parse::<T>().is_ok_and(|again| again == read), "{text:?} became {read}");
    }
}
