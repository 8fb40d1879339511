//! The machine form of a sweep, read again from its first line to its last.

use std::path::Path;

use guardian_aws_sweep::sweep::{ReportError, open};
use guardian_core::report::sweep::SweepWriter;

use crate::input;
use crate::sweep::unreadable;

/// Gives a writer everything that a file says, and proves that the file is whole.
pub(super) fn read(file: &Path, writer: &mut dyn SweepWriter) -> anyhow::Result<()> {
    let mut from = open(file).map_err(unreadable)?;
    writer.head(&from.head)?;
    writer.organization(&from.organization)?;
    while let Some(account) = from.next_account().map_err(|error| unreadable(ReportError::Read(input::shown(file), error)))? {
        writer.account(&account)?;
    }
    writer.end(&from.totals().cloned().unwrap_or_default())?;
    Ok(())
}
