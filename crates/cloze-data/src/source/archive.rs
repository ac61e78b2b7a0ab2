//! Taking named members out of a zip archive.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use zip::ZipArchive;

use crate::DataError;
use crate::manifest::base_name;
use crate::whole_file::temporary;

/// Writes each of `members` to `folder`, under the last component of its name.
pub(crate) fn extract(archive: &Path, members: &[String], folder: &Path) -> Result<(), DataError> {
    let damaged = |reason| DataError::Archive { file: archive.to_owned(), reason };
    let file = File::open(archive).map_err(DataError::io("read", archive))?;
    let mut zip = ZipArchive::new(BufReader::new(file))
        .map_err(|error| damaged(format!("no zip archive ({error})")))?;
    for member in members {
        let mut source = zip.by_name(member).map_err(|error| damaged(format!("member {member}: {error}")))?;
        // Written beside and renamed: a file under its own name is whole.
        let mut part = temporary(folder)?;
        std::io::copy(&mut source, &mut part)
            .map_err(|error| damaged(format!("member {member}: {error}")))?;
        let target = folder.join(base_name(member));
        part.persist(&target).map_err(|error| DataError::io("write", target)(error.error))?;
    }
    Ok(())
}
