use std::error::Error as StdError;
use std::fmt;

/// The result of everything in `mlops` that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, in terms of what a caller can do about it.
///
/// The message says what was given, what was expected and what to do; the context says where: each
/// layer that passes an error on adds its place (the step, the column, the path).
///
/// # Example
/// ```
/// use mlops_core::{Error, ErrorKind};
///
/// let error = Error::new(ErrorKind::NotFound, "no column 'dest'; the columns are 'origin', 'carrier'")
///     .with_context("file", "flights.parquet");
/// assert_eq!(error.kind(), ErrorKind::NotFound);
/// assert!(!error.is_retryable());
/// assert_eq!(
///     error.to_string(),
///     "no column 'dest'; the columns are 'origin', 'carrier' (file: flights.parquet)",
/// );
/// ```
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    message: String,
    context: Vec<(&'static str, String)>,
    source: Option<Box<dyn StdError + Send + Sync>>,
    retryable: bool,
}

/// The kinds of [`Error`], by what a caller can do about them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The work was told to stop and did.
    Cancelled,
    /// A recipe or an option does not make sense: change the program or its configuration.
    Config,
    /// Somebody else was faster, or the name is taken: read again and decide anew.
    Conflict,
    /// Stored bytes are not what was written: restore them from elsewhere.
    Corrupt,
    /// The values are not what they should be: look at the data.
    Data,
    /// The operating system or the store refused access: change the permissions.
    Denied,
    /// A bug of ours: please report it.
    Internal,
    /// A column that is known only after the event would have been used to predict it.
    Leak,
    /// Nothing of that name is here.
    NotFound,
    /// The columns or their types are not what they should be.
    Schema,
    /// The other side does not answer for now: try again later.
    Unavailable,
    /// Known, but not done by this implementation or this build.
    Unsupported,
}

impl Error {
    /// An error of `kind` whose `message` says what was given, what was expected and what to do.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            context: Vec::new(),
            source: None,
            retryable: kind == ErrorKind::Unavailable,
        }))
    }

    /// An [`ErrorKind::Config`] error.
    pub fn config(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Config, message)
    }

    /// An [`ErrorKind::Corrupt`] error.
    pub fn corrupt(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Corrupt, message)
    }

    /// An [`ErrorKind::Data`] error.
    pub fn data(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Data, message)
    }

    /// An [`ErrorKind::Internal`] error: a bug of ours.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, message)
    }

    /// An [`ErrorKind::NotFound`] error.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::NotFound, message)
    }

    /// An [`ErrorKind::Schema`] error.
    pub fn schema(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Schema, message)
    }

    /// An [`ErrorKind::Unsupported`] error.
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unsupported, message)
    }

    /// Says where the error happened; the layer nearest to the cause comes first.
    #[must_use]
    pub fn with_context(mut self, key: &'static str, value: impl fmt::Display) -> Self {
        self.0.context.push((key, value.to_string()));
        self
    }

    /// Keeps the error that caused this one.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Says whether the same call may succeed when it is made again.
    #[must_use]
    pub fn with_retryable(mut self, retryable: bool) -> Self {
        self.0.retryable = retryable;
        self
    }

    /// What a caller can do about it.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The message alone, without context and source.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Where it happened, from the cause outwards.
    pub fn context(&self) -> &[(&'static str, String)] {
        &self.0.context
    }

    /// Whether the same call may succeed when it is made again.
    pub fn is_retryable(&self) -> bool {
        self.0.retryable
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        for (i, (key, value)) in self.0.context.iter().enumerate() {
            write!(f, "{}{key}: {value}", if i == 0 { " (" } else { ", " })?;
        }
        if !self.0.context.is_empty() {
            f.write_str(")")?;
        }
        Ok(())
    }
}

/// Shown when `main` returns the error: the kind, the whole message and every cause.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {self}", self.0.kind)?;
        let mut cause = self.source();
        while let Some(error) = cause {
            write!(f, "\n  caused by: {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

impl From<arrow::error::ArrowError> for Error {
    fn from(error: arrow::error::ArrowError) -> Self {
        use arrow::error::ArrowError as A;
        let error = match error {
            // An error of ours on its way through a stream of Arrow.
            A::ExternalError(source) => match source.downcast::<Self>() {
                Ok(ours) => return *ours,
                Err(source) => A::ExternalError(source),
            },
            other => other,
        };
        let kind = match &error {
            A::SchemaError(_) | A::InvalidArgumentError(_) => ErrorKind::Schema,
            A::NotYetImplemented(_) => ErrorKind::Unsupported,
            A::IoError(_, io) => kind_of_io(io),
            A::ParquetError(_) | A::IpcError(_) => ErrorKind::Corrupt,
            _ => ErrorKind::Data,
        };
        Self::new(kind, error.to_string()).with_source(error)
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        use std::io::ErrorKind as Io;
        let remedy = match error.kind() {
            Io::StorageFull | Io::QuotaExceeded => ": free some space or raise the quota",
            Io::FileTooLarge => ": the file system takes no file of this size",
            _ => "",
        };
        Self::new(kind_of_io(&error), format!("{error}{remedy}")).with_source(error)
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::new(ErrorKind::Data, error.to_string()).with_source(error)
    }
}

fn kind_of_io(error: &std::io::Error) -> ErrorKind {
    use std::io::ErrorKind as Io;
    match error.kind() {
        Io::NotFound => ErrorKind::NotFound,
        Io::PermissionDenied | Io::ReadOnlyFilesystem => ErrorKind::Denied,
        Io::StorageFull | Io::QuotaExceeded | Io::FileTooLarge => ErrorKind::Denied,
        Io::AlreadyExists | Io::AddrInUse => ErrorKind::Conflict,
        Io::IsADirectory | Io::NotADirectory | Io::InvalidFilename => ErrorKind::Config,
        Io::InvalidInput | Io::Unsupported => ErrorKind::Config,
        Io::InvalidData | Io::UnexpectedEof => ErrorKind::Corrupt,
        _ => ErrorKind::Unavailable,
    }
}

/// Adds the place to an error on its way up.
pub trait ResultExt<T> {
    /// Adds `key: value` to the error, if there is one.
    ///
    /// # Errors
    /// The error it was called on, with its context.
    fn context(self, key: &'static str, value: impl fmt::Display) -> Result<T>;
}

impl<T, E: Into<Error>> ResultExt<T> for Result<T, E> {
    fn context(self, key: &'static str, value: impl fmt::Display) -> Result<T> {
        self.map_err(|error| error.into().with_context(key, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_every_layer_and_cause() {
        let io = std::io::Error::new(std::io::ErrorKind::PermissionDenied, "read-only");
        let error = Error::from(io).with_context("path", "/models").with_context("step", "publish");
        assert_eq!(error.kind(), ErrorKind::Denied);
        assert_eq!(error.to_string(), "read-only (path: /models, step: publish)");
        assert_eq!(format!("{error:?}"), "Denied: read-only (path: /models, step: publish)\n  caused by: read-only");
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        use std::io::ErrorKind as Io;
        let of = |kind: Io| Error::from(std::io::Error::from(kind));
        for kind in [Io::IsADirectory, Io::NotADirectory, Io::InvalidInput, Io::InvalidFilename, Io::Unsupported] {
            assert_eq!((of(kind).kind(), of(kind).is_retryable()), (ErrorKind::Config, false), "{kind}");
        }
        for kind in [Io::StorageFull, Io::QuotaExceeded, Io::FileTooLarge] {
            assert_eq!((of(kind).kind(), of(kind).is_retryable()), (ErrorKind::Denied, false), "{kind}");
        }
        assert!(of(Io::StorageFull).message().ends_with(": free some space or raise the quota"));
        assert!(of(Io::TimedOut).is_retryable());
    }

    #[test]
    fn an_error_of_ours_keeps_its_kind_on_its_way_through_arrow() {
        let ours = Error::not_found("no such file").with_context("path", "a.csv");
        let back = Error::from(arrow::error::ArrowError::ExternalError(Box::new(ours)));
        assert_eq!((back.kind(), back.to_string().as_str()), (ErrorKind::NotFound, "no such file (path: a.csv)"));
    }

    #[test]
    fn is_one_pointer_wide_so_that_results_stay_small() {
        assert_eq!(size_of::<Error>(), size_of::<usize>());
    }
}
