//! A stored profile: read, merged, continued, summed up and shown.

use mlops::core::{Accumulator, Result};
use mlops::data::Profile;

use super::{answered, sample};

pub(super) fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Some(profile) = answered(Profile::from_json(text)) else { return };
    let again = Profile::from_json(&profile.to_json().expect("what was read can be written"));
    assert_eq!(again.expect("what was written can be read"), profile);
    answered(grow(profile.clone()));
    answered(show(&profile));
}

fn grow(mut profile: Profile) -> Result<()> {
    profile.merge(profile.clone())?;
    if let Some(rows) = sample::rows(&profile.schema()) {
        profile.update(&rows)?;
    }
    show(&profile)
}

fn show(profile: &Profile) -> Result<()> {
    let summary = profile.summary();
    assert!(!summary.to_string().is_empty() && !summary.to_html("rows").is_empty());
    serde_json::to_string(&summary).expect("a summary is JSON");
    let _ = (profile.infer(), profile.expectations());
    Ok(())
}
