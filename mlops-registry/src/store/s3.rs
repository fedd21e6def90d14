use std::sync::Arc;

use mlops_core::{Error, Result};
use object_store::ObjectStore;
use object_store::aws::AmazonS3Builder;
use object_store::path::Path;
use object_store::prefix::PrefixStore;

/// The store at `s3://bucket` or `s3://bucket/prefix`, with what the environment says of the rest.
pub(super) fn open(url: &str) -> Result<Arc<dyn ObjectStore>> {
    let location = url.strip_prefix("s3://").unwrap_or(url);
    let (bucket, prefix) = location.split_once('/').unwrap_or((location, ""));
    let wrong = |why: String| Error::config(format!("'{url}' can't be opened: {why}: write s3://bucket/prefix"));
    if bucket.is_empty() {
        return Err(wrong("it names no bucket".to_owned()));
    }
    let prefix = Path::from_url_path(prefix).map_err(|e| wrong(e.to_string()))?;
    let store = AmazonS3Builder::from_env().with_bucket_name(bucket).build().map_err(|e| {
        Error::config(format!(
            "the store of '{url}' can't be set up ({e}): check the variables AWS_REGION, AWS_ENDPOINT, \
             AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        ))
        .with_source(e)
    })?;
    if prefix.parts().next().is_none() {
        return Ok(Arc::new(store));
    }
    Ok(Arc::new(PrefixStore::new(store, prefix)))
}
