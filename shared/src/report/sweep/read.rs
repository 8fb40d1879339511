//! Reads the machine form again, one account at a time, and proves that it is whole.
//!
//! Only what [`Json`](super::Json) wrote is read: the lines tell where an account begins and ends, so that no more than one is held.

use std::io::{self, BufRead};

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::json::hex;
use crate::compliance::{AccountResult, OrganizationResult, SWEEP_SCHEMA, SweepHead, Totals};

/// The document cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It could not be read.
    #[error("the sweep could not be read: {0}")]
    Io(#[from] io::Error),
    /// It is not what a sweep writes.
    #[error("line {line} is not of the form of `{SWEEP_SCHEMA}`: {why}")]
    Form {
        /// Counted from 1.
        line: u64,
        /// Why.
        why: String,
    },
    /// It was changed or cut.
    #[error("the sweep was changed after it was written: its sha256 is `{found}` and `{stated}` is written in it")]
    Hash {
        /// Of the bytes that were read.
        found: String,
        /// In the document.
        stated: String,
    },
}

/// A sweep that was written down.
#[derive(Debug)]
pub struct Reader<R> {
    from: R,
    hash: Sha256,
    line: u64,
    /// The head.
    pub head: SweepHead,
    /// The organization.
    pub organization: OrganizationResult,
    totals: Option<Totals>,
}

#[derive(Deserialize)]
struct Hash {
    sha256: String,
}

impl<R: BufRead> Reader<R> {
    /// Reads up to the first account.
    pub fn open(from: R) -> Result<Self, ReadError> {
        let mut reader = Self {
            from,
            hash: Sha256::new(),
            line: 0,
            head: SweepHead {
                schema: String::new(),
                at: jiff::Timestamp::UNIX_EPOCH,
                version: String::new(),
                organization_id: None,
                regions: Vec::new(),
                backup_accounts: Vec::new(),
            },
            organization: OrganizationResult::default(),
            totals: None,
        };
        reader.expect("{")?;
        let head = reader.next_line()?;
        reader.head = reader.member(&head, "\"head\":")?;
        if reader.head.schema != SWEEP_SCHEMA {
            let schema = reader.head.schema.chars().take(64).collect::<String>();
            return Err(reader.wrong(format!("its schema is `{schema}`")));
        }
        let organization = reader.object("\"organization\":")?;
        reader.organization = organization;
        Ok(reader)
    }

    /// The next account; after the last one the document is known to be whole.
    pub fn next_account(&mut self) -> Result<Option<AccountResult>, ReadError> {
        if self.totals.is_some() {
            return Ok(None);
        }
        let line = self.next_line()?;
        if line == "\"accounts\":[" {
            return self.next_account();
        }
        if line == "]," || line == "\"accounts\":[]," {
            return self.close().map(|()| None);
        }
        self.rest_of_object(line, "").map(Some)
    }

    /// The sums, after the last account.
    pub fn totals(&self) -> Option<&Totals> {
        self.totals.as_ref()
    }

    fn close(&mut self) -> Result<(), ReadError> {
        let line = self.next_line()?;
        let totals = self.member::<Totals>(&line, "\"totals\":")?;
        let found = hex(self.hash.clone());
        let line = self.next_line()?;
        let stated = serde_json::from_str::<Hash>(&format!("{{{line}}}")).map_err(|error| self.wrong(error))?.sha256;
        if stated != found {
            return Err(ReadError::Hash { found, stated: stated.chars().take(64).collect() });
        }
        self.expect("}")?;
        self.totals = Some(totals);
        Ok(())
    }

    fn next_line(&mut self) -> Result<String, ReadError> {
        let mut line = String::new();
        self.from.read_line(&mut line)?;
        self.line += 1;
        self.hash.update(&line);
        if line.pop() != Some('\n') {
            return Err(self.wrong("the document ends here"));
        }
        Ok(line)
    }

    fn expect(&mut self, text: &str) -> Result<(), ReadError> {
        if self.next_line()? == text { Ok(()) } else { Err(self.wrong(format!("`{text}` is expected"))) }
    }

    /// A member on one line.
    fn member<T: for<'de> Deserialize<'de>>(&self, line: &str, name: &str) -> Result<T, ReadError> {
        let value = line.strip_prefix(name).ok_or_else(|| self.wrong(format!("{name} is expected")))?;
        serde_json::from_str(value.strip_suffix(',').unwrap_or(value)).map_err(|error| self.wrong(error))
    }

    /// An object whose rows have lines of their own.
    fn object<T: for<'de> Deserialize<'de>>(&mut self, name: &str) -> Result<T, ReadError> {
        let line = self.next_line()?;
        self.rest_of_object(line, name)
    }

    /// Its lines up to the one that closes it: rows begin with `{`, and the line that ends the last list ends the object.
    fn rest_of_object<T: for<'de> Deserialize<'de>>(&mut self, first: String, name: &str) -> Result<T, ReadError> {
        let mut text = first;
        let ends = |line: &str| line.ends_with("]}") || line.ends_with("]},");
        let mut is_row = false;
        let mut last = text.clone();
        while is_row || !ends(&last) {
            last = self.next_line()?;
            is_row = last.starts_with('{');
            text.push('\n');
            text.push_str(&last);
        }
        self.member(&text, name)
    }

    fn wrong(&self, why: impl ToString) -> ReadError {
        ReadError::Form { line: self.line, why: why.to_string() }
    }
}
