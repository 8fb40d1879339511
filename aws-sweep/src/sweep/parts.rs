//! Where the parts of a sweep lie until its report is written: a folder, or a bucket.

use std::fs::File;
use std::future::Future;
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// A part could not be kept or read.
#[derive(Debug, thiserror::Error)]
pub enum PartError {
    /// The place where it lies failed.
    #[error("part `{name}` of the sweep: {what}")]
    Place {
        /// The part.
        name: String,
        /// What failed.
        what: String,
    },
    /// It is there and is not what was put there.
    #[error("part `{name}` of the sweep cannot be understood: {source}")]
    Form {
        /// The part.
        name: String,
        /// Why not.
        source: serde_json::Error,
    },
}

/// Keeps the parts of one sweep.
pub trait Parts: Send + Sync {
    /// Recovery points of other accounts that are held while a vault is read, before they are put here. A resource of
    /// one point takes about 2 kB.
    const MOST_HELD: usize;
    /// How many accounts are fetched at once to be judged one after the other: each is held until its turn.
    const AT_ONCE: usize;
    /// Puts a part in the place of an older one of its name.
    fn put(&self, name: &str, body: Vec<u8>) -> impl Future<Output = Result<(), PartError>> + Send;
    /// Puts a part as JSON. Whoever can writes it piece by piece: the list of the accounts of a large organization takes megabytes.
    fn put_json<T: Serialize + Sync>(&self, name: &str, part: &T) -> impl Future<Output = Result<(), PartError>> + Send {
        async {
            let body = serde_json::to_vec(part).map_err(|source| PartError::Form { name: name.to_owned(), source })?;
            self.put(name, body).await
        }
    }
    /// A part; `None` where there is none of this name.
    fn get(&self, name: &str) -> impl Future<Output = Result<Option<Vec<u8>>, PartError>> + Send;
}

/// A part from JSON.
pub(crate) async fn get_json<P: Parts, T: DeserializeOwned>(parts: &P, name: &str) -> Result<Option<T>, PartError> {
    let Some(body) = parts.get(name).await? else { return Ok(None) };
    serde_json::from_slice(&body).map(Some).map_err(|source| PartError::Form { name: name.to_owned(), source })
}

/// Parts in a folder.
#[derive(Clone, Debug)]
pub struct FolderParts(PathBuf);

impl FolderParts {
    /// In this folder, which is made where it is missing.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self(folder.into())
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.0
    }

    /// Whole or not at all: a sweep that is taken up again trusts what it finds.
    fn write(&self, name: &str, write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>) -> Result<(), PartError> {
        let path = self.0.join(name);
        let all = || {
            std::fs::create_dir_all(path.parent().unwrap_or(&self.0))?;
            let unfinished = path.with_extension("unfinished");
            let mut file = BufWriter::new(File::create(&unfinished)?);
            write(&mut file)?;
            file.flush()?;
            std::fs::rename(&unfinished, &path)
        };
        all().map_err(|error| failed(name, &error))
    }
}

fn failed(name: &str, error: &io::Error) -> PartError {
    PartError::Place { name: name.to_owned(), what: error.to_string() }
}

impl Parts for FolderParts {
    // A file costs nothing. Tests spill early.
    const MOST_HELD: usize = if cfg!(test) { 50 } else { 500 };
    const AT_ONCE: usize = 1;

    async fn put(&self, name: &str, body: Vec<u8>) -> Result<(), PartError> {
        self.write(name, |file| file.write_all(&body))
    }

    async fn put_json<T: Serialize + Sync>(&self, name: &str, part: &T) -> Result<(), PartError> {
        self.write(name, |file| Ok(serde_json::to_writer(file, part)?))
    }

    async fn get(&self, name: &str) -> Result<Option<Vec<u8>>, PartError> {
        match std::fs::read(self.0.join(name)) {
            Ok(body) => Ok(Some(body)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed(name, &error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[tokio::test]
    async fn a_part_that_cannot_be_written_leaves_the_older_one() {
        let folder = std::env::temp_dir().join(format!("guardian-parts-{}", std::process::id()));
        let parts = FolderParts::new(&folder);
        parts.put_json("a/one.json", &[1, 2]).await.unwrap();
        // A list is no name of a member.
        let strange = BTreeMap::from([(vec![1], 1)]);
        let error = parts.put_json("a/one.json", &strange).await.unwrap_err();
        assert!(error.to_string().contains("a/one.json"), "{error}");
        let read = get_json::<_, Vec<u8>>(&parts, "a/one.json").await;
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(read.unwrap(), Some(vec![1, 2]));
    }
}
