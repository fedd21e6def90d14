use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// The name of a model, a version's alias, an experiment: 1 to 128 of `A-Z a-z 0-9 . _ -`, starting
/// with a letter, a digit or an underscore, so that it is safe in a path, a URL and a metric label.
///
/// # Errors
/// [`ErrorKind::Config`](crate::ErrorKind::Config) saying which character is not allowed.
pub fn check_name(what: &str, name: &str) -> Result<()> {
    let problem = if name.is_empty() {
        "is empty".to_owned()
    } else if name.len() > 128 {
        format!("has {} characters", name.len())
    } else if name.starts_with(['.', '-']) {
        "starts with a dot or a dash".to_owned()
    } else if let Some(bad) = name.chars().find(|c| !(c.is_ascii_alphanumeric() || "._-".contains(*c))) {
        format!("has the character {bad:?}")
    } else {
        return Ok(());
    };
    Err(Error::config(format!(
        "{what} {name:?} {problem}: use 1 to 128 of A-Z a-z 0-9 . _ -, starting with a letter, a digit or an underscore"
    )))
}

/// A published version of a model: its name and a number that is never used again.
///
/// # Example
/// ```
/// use mlops_core::Version;
///
/// let version: Version = "flights:3".parse()?;
/// assert_eq!((version.model(), version.number()), ("flights", 3));
/// assert_eq!(version.to_string(), "flights:3");
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Version {
    model: String,
    number: u64,
}

impl Version {
    /// Version `number` of `model`.
    ///
    /// # Errors
    /// As [`check_name`]; and versions start at 1.
    pub fn new(model: impl Into<String>, number: u64) -> Result<Self> {
        let model = model.into();
        check_name("model name", &model)?;
        if number == 0 {
            return Err(Error::config("version 0: versions start at 1"));
        }
        Ok(Self { model, number })
    }

    /// The name of the model.
    pub fn model(&self) -> &str {
        &self.model
    }

    /// The number of the version, from 1.
    pub fn number(&self) -> u64 {
        self.number
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.model, self.number)
    }
}

impl FromStr for Version {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match ModelRef::from_str(text)? {
            ModelRef { model, pick: Pick::Version(number) } => Self::new(model, number),
            _ => Err(Error::config(format!("{text:?} is not a version: write name:number"))),
        }
    }
}

impl TryFrom<String> for Version {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Version> for String {
    fn from(version: Version) -> Self {
        version.to_string()
    }
}

/// Which version of a model is meant: `name` (the newest), `name@alias` or `name:version`.
///
/// # Example
/// ```
/// use mlops_core::{ModelRef, Pick};
///
/// let champion: ModelRef = "flights@champion".parse()?;
/// assert_eq!(champion.pick, Pick::Alias("champion".into()));
/// assert_eq!("flights".parse::<ModelRef>()?.pick, Pick::Newest);
/// assert!("../etc".parse::<ModelRef>().is_err());
/// # Ok::<(), mlops_core::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ModelRef {
    /// The name of the model.
    pub model: String,
    /// Which of its versions.
    pub pick: Pick,
}

/// How a [`ModelRef`] picks a version.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Pick {
    /// The one that an alias points to.
    Alias(String),
    /// The one with the greatest number.
    Newest,
    /// This one.
    Version(u64),
}

impl FromStr for ModelRef {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (model, pick) = if let Some((model, alias)) = text.split_once('@') {
            check_alias(alias)?;
            (model, Pick::Alias(alias.to_owned()))
        } else if let Some((model, number)) = text.split_once(':') {
            let number = version_number(number).ok_or_else(|| {
                Error::config(format!(
                    "{text:?} has no version number (1, 2, …) after the colon: write name:version or name@alias"
                ))
            })?;
            (model, Pick::Version(number))
        } else {
            (text, Pick::Newest)
        };
        check_name("model name", model)?;
        Ok(Self { model: model.to_owned(), pick })
    }
}

/// One spelling for each version, so that a reference can be compared and cached as text.
fn version_number(text: &str) -> Option<u64> {
    let plain = !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}

impl fmt::Display for ModelRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.pick {
            Pick::Alias(alias) => write!(f, "{}@{alias}", self.model),
            Pick::Newest => f.write_str(&self.model),
            Pick::Version(number) => write!(f, "{}:{number}", self.model),
        }
    }
}

/// Refuses names that can't be an alias: besides [`check_name`], `latest` and `v1`-like names in
/// upper or lower case, which other tools read as versions.
///
/// # Errors
/// [`ErrorKind::Config`](crate::ErrorKind::Config) saying why.
pub fn check_alias(alias: &str) -> Result<()> {
    check_name("alias", alias)?;
    let number = alias.strip_prefix(['v', 'V']).unwrap_or_default();
    let version_like = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    if alias.eq_ignore_ascii_case("latest") || version_like {
        return Err(Error::config(format!("alias {alias:?} is reserved: it reads like a version")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    fn refused(text: &str) -> bool {
        text.parse::<ModelRef>().is_err_and(|error| error.kind() == ErrorKind::Config)
    }

    #[test]
    fn a_version_has_one_spelling() {
        for text in ["m:+3", "m:007", "m:0", "m:", "m: 1", "m:1_0", "m:99999999999999999999"] {
            assert!(refused(text), "{text}");
        }
        assert_eq!("m:10".parse::<Version>().unwrap().number(), 10);
        assert!("m".parse::<Version>().is_err());
    }

    #[test]
    fn names_of_versions_are_no_aliases() {
        for text in ["m@V1", "m@v12", "m@Latest", "m@LATEST", "m@"] {
            assert!(refused(text), "{text}");
        }
        for text in ["m@v", "m@vip", "m@latest-but-one", "_m@_a"] {
            assert!(!refused(text), "{text}");
        }
    }

    #[test]
    fn a_name_says_what_is_wrong_with_it() {
        let error = check_name("model name", "-m").unwrap_err();
        assert!(error.message().ends_with("starting with a letter, a digit or an underscore"), "{error}");
    }
}
