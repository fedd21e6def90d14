use std::sync::{Mutex, PoisonError};

use mlops_core::{Error, Result};
use regex_automata::Input;
use regex_automata::meta::{Cache, Regex};

/// A regular expression that is looked for in many texts at a time.
///
/// The crate `regex` takes its scratch memory from a pool for every text, which on threads that
/// change costs as much as the search in a short one; here it is taken once a batch.
#[derive(Debug)]
pub(super) struct Pattern {
    regex: Regex,
    caches: Mutex<Vec<Cache>>,
}

impl Pattern {
    pub(super) fn new(pattern: &str) -> Result<Self> {
        // The crate `regex` says what is wrong better, and limits how large a pattern gets.
        let refused = |problem: String| Error::config(format!("'{pattern}' is no regular expression: {problem}"));
        regex::Regex::new(pattern).map_err(|e| refused(e.to_string()).with_source(e))?;
        let regex = Regex::new(pattern).map_err(|e| refused(e.to_string()))?;
        Ok(Self { regex, caches: Mutex::default() })
    }

    /// What `with` does with the search.
    pub(super) fn matching<T>(&self, with: impl FnOnce(&mut dyn FnMut(&str) -> bool) -> T) -> T {
        // A cache holds nothing that a panic could leave half done.
        let caches = || self.caches.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = caches().pop();
        let mut cache = kept.unwrap_or_else(|| self.regex.create_cache());
        let done = with(&mut |text| {
            let input = Input::new(text).earliest(true);
            self.regex.search_half_with(&mut cache, &input).is_some()
        });
        caches().push(cache);
        done
    }
}
