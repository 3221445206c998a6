//! Whether an output is one of the inputs: writing it would destroy what is still to be read, or was only read.
//!
//! Files are told apart by device and inode, so that links, other spellings of a path and a shell's `<` and `>>`
//! are seen through. Only what keeps its bytes is compared: a terminal, a pipe or `/dev/null` may be both.
use crate::exit::Error;
use std::fs::{File, Metadata};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

/// Refuses `output`, the value of `flag` and not yet created, if it is one of `inputs`. `-` is stdout as an
/// output and stdin as an input.
///
/// # Errors
/// Wrong usage: it is one of them. The file was not touched.
pub(crate) fn refuse<'a>(
    flag: &str,
    output: &Path,
    inputs: impl IntoIterator<Item = &'a Path>,
) -> Result<(), Error> {
    let Some(written) = identity(output, &io::stdout()) else { return Ok(()) };
    for input in inputs {
        if identity(input, &io::stdin()) == Some(written) {
            let named =
                if is_standard(input) { "standard input".to_owned() } else { input.display().to_string() };
            return Err(Error::usage(format!(
                "{flag} {}: it is the same file as {named}, which it would destroy; give it another name",
                output.display()
            )));
        }
    }
    Ok(())
}

fn is_standard(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// Device and inode, of a file that is there and keeps its bytes.
fn identity(path: &Path, standard: &impl AsFd) -> Option<(u64, u64)> {
    let metadata: io::Result<Metadata> = if is_standard(path) {
        standard.as_fd().try_clone_to_owned().and_then(|fd| File::from(fd).metadata())
    } else {
        path.metadata()
    };
    // What is not there, or may not be looked at, is told by whoever opens it.
    let metadata = metadata.ok()?;
    let kept = metadata.is_file() || metadata.file_type().is_block_device();
    kept.then(|| (metadata.dev(), metadata.ino()))
}
