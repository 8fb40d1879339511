//! The machine form of a sweep, `backup-guardian/sweep/v1`: one JSON document in which every row has a line of its own.
//!
//! Two sweeps can be compared line by line: the order is fixed and no time is in it but those of facts. The last member is the SHA-256 of every
//! byte before its line, so that `head -n -2 sweep.json | sha256sum` proves that nothing was changed or cut.

use std::io::{self, Write};

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::{Inert, SweepWriter};
use crate::compliance::{AccountResult, OrganizationResult, SweepHead, Totals};

/// Writes the machine form.
#[derive(Debug)]
pub struct Json<W> {
    out: W,
    hash: Sha256,
    accounts: u64,
}

impl<W: Write> Json<W> {
    /// To `out`, which should be buffered.
    pub fn to(out: W) -> Inert<Self> {
        Inert(Self { out, hash: Sha256::new(), accounts: 0 })
    }

    fn text(&mut self, text: &str) -> io::Result<()> {
        self.hash.update(text);
        self.out.write_all(text.as_bytes())
    }

    fn value(&mut self, value: &impl Serialize) -> io::Result<()> {
        let text = serde_json::to_string(value)?;
        self.text(&text)
    }

    /// `"name":[` and one line per item; nothing between the brackets where there is none.
    fn rows<T: Serialize>(&mut self, name: &str, rows: &[T]) -> io::Result<()> {
        self.text(&format!("\"{name}\":["))?;
        for (at, row) in rows.iter().enumerate() {
            self.text(if at == 0 { "\n" } else { ",\n" })?;
            self.value(row)?;
        }
        self.text(if rows.is_empty() { "]" } else { "\n]" })
    }
}

impl<W: Write> SweepWriter for Json<W> {
    fn head(&mut self, head: &SweepHead) -> io::Result<()> {
        self.text("{\n\"head\":")?;
        self.value(head)
    }

    fn organization(&mut self, organization: &OrganizationResult) -> io::Result<()> {
        self.text(",\n\"organization\":{")?;
        self.rows("outcomes", &organization.outcomes)?;
        self.text(",")?;
        self.rows("gaps", &organization.gaps)?;
        self.text("},\n\"accounts\":[")
    }

    fn account(&mut self, account: &AccountResult) -> io::Result<()> {
        self.text(if self.accounts == 0 { "\n{\"account_id\":" } else { ",\n{\"account_id\":" })?;
        self.accounts += 1;
        self.value(&account.account_id)?;
        if let Some(name) = &account.name {
            self.text(",\"name\":")?;
            self.value(name)?;
        }
        self.text(",")?;
        self.rows("coverage", &account.coverage)?;
        self.text(",")?;
        self.rows("outcomes", &account.outcomes)?;
        self.text(",")?;
        self.rows("not_evaluated", &account.not_evaluated)?;
        self.text("}")
    }

    fn end(&mut self, totals: &Totals) -> io::Result<()> {
        self.text(if self.accounts == 0 { "],\n\"totals\":" } else { "\n],\n\"totals\":" })?;
        self.value(totals)?;
        self.text(",\n")?;
        let hash = hex(self.hash.clone());
        writeln!(self.out, "\"sha256\":\"{hash}\"\n}}")?;
        self.out.flush()
    }
}

/// A hash as `sha256sum` prints it.
pub(super) fn hex(hash: Sha256) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
