use std::error::Error as StdError;
use std::io;

use mlops_core::{Error, ErrorKind};
use object_store::path::Path;

use crate::durable::io_error;

/// An error of a store, with what was tried, where, and what to do about it.
///
/// Stores wrap errors of the operating system in errors of their own; the innermost one says more.
pub(crate) fn store_error(tried: &str, path: &Path, error: object_store::Error) -> Error {
    use object_store::Error as E;
    if let Some(kind) = io_kind(&error) {
        return io_error(tried, std::path::Path::new(path.as_ref()), io::Error::new(kind, error));
    }
    let (kind, remedy) = match &error {
        E::AlreadyExists { .. } | E::Precondition { .. } => (ErrorKind::Conflict, "read again and decide anew"),
        E::InvalidPath { .. } => (ErrorKind::Config, "choose another path"),
        E::NotFound { .. } => (ErrorKind::NotFound, "check the name of the store and of the object"),
        E::NotImplemented { .. } | E::NotSupported { .. } => {
            (ErrorKind::Unsupported, "a registry needs a store that can put an object only if it is absent")
        }
        E::PermissionDenied { .. } | E::Unauthenticated { .. } => {
            (ErrorKind::Denied, "check the credentials and the rights that they give")
        }
        _ => (ErrorKind::Unavailable, "try again later"),
    };
    Error::new(kind, format!("could not {tried} '{path}' ({error}): {remedy}")).with_source(error)
}

fn io_kind(error: &(dyn StdError + 'static)) -> Option<io::ErrorKind> {
    let mut cause = Some(error);
    let mut kind = None;
    while let Some(error) = cause {
        kind = error.downcast_ref::<io::Error>().map(io::Error::kind).or(kind);
        cause = error.source();
    }
    kind
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generic(kind: io::ErrorKind) -> object_store::Error {
        object_store::Error::Generic { store: "test", source: Box::new(io::Error::from(kind)) }
    }

    #[test]
    fn the_innermost_error_decides() {
        let kinds = [
            (io::ErrorKind::PermissionDenied, ErrorKind::Denied),
            (io::ErrorKind::StorageFull, ErrorKind::Unavailable),
            (io::ErrorKind::NotADirectory, ErrorKind::Config),
        ];
        for (io, kind) in kinds {
            let error = store_error("write", &Path::from("models/a"), generic(io));
            assert_eq!(error.kind(), kind);
            assert!(error.message().contains("models/a"), "{error}");
        }
    }

    #[test]
    fn what_a_store_can_not_do_is_unsupported() {
        let error = object_store::Error::NotImplemented { operation: "put".into(), implementer: "test".into() };
        assert_eq!(store_error("write", &Path::from("a"), error).kind(), ErrorKind::Unsupported);
        let error = object_store::Error::Unauthenticated { path: "a".into(), source: "no key".into() };
        assert_eq!(store_error("write", &Path::from("a"), error).kind(), ErrorKind::Denied);
        let error = object_store::Error::Generic { store: "test", source: "timeout".into() };
        assert!(store_error("write", &Path::from("a"), error).is_retryable());
    }
}
