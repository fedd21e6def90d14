use mlops_core::report::number;

pub(super) use mlops_core::report::grouped;

/// A share that is neither 0 nor 1 never looks like it.
pub(super) fn percent(share: f64) -> String {
    match share * 100.0 {
        0.0 => "0%".to_owned(),
        p if p < 0.05 => "<0.1%".to_owned(),
        p if p > 99.95 && p < 100.0 => "≥99.9%".to_owned(),
        p if p >= 99.95 => "100%".to_owned(),
        p => format!("{p:.1}%"),
    }
}

/// A number if there is one.
pub(super) fn optional(x: Option<f64>) -> String {
    x.map(number).unwrap_or_default()
}

/// At most `most` characters.
pub(super) fn shortened(text: &str, most: usize) -> String {
    if text.chars().nth(most).is_none() {
        return text.to_owned();
    }
    text.chars().take(most - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_and_names_are_short_and_true() {
        let shares = [0.0, 1e-9, 0.5, 1.0 - 1e-9, 1.0].map(percent);
        assert_eq!(shares, ["0%", "<0.1%", "50.0%", "≥99.9%", "100%"]);
        assert_eq!([shortened("abcd", 4), shortened("abcde", 4)], ["abcd", "abc…"]);
    }
}
