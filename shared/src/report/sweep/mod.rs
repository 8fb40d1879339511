//! The report of a sweep, one renderer per reader. The only place with prose of a sweep.
//!
//! A sweep comes as a stream: the head, the organization, one account after the other by id, the totals. Every [`SweepWriter`] holds one account at
//! a time, so that a report of ten thousand of them needs the memory of one. What must be known before it can be told (the worst findings, the
//! picture of the topology) is gathered by a first pass into an [`Overview`] of bounded size; the page, the terminal and the digest start from it.
//!
//! Renderers know nothing that is not in these results, and every text of others is made inert before any renderer sees it.

mod asff;
mod compare;
mod csv;
mod digest;
mod html;
mod identity;
mod inert;
mod json;
mod ocsf;
mod overview;
mod picture;
mod read;
mod routes;
mod share;
mod terminal;
mod verdict;
mod words;
mod worst;

use std::io;

pub use asff::{Asff, MOST_IN_BATCH, NotAProduct, Product};
pub use compare::{Changes, ProtectionChange, Turn, Turned, compare};
pub use csv::{CoverageCsv, OutcomesCsv};
pub use digest::digest;
pub use html::{Html, Surroundings};
pub use inert::Inert;
pub use json::Json;
pub use ocsf::{OCSF_VERSION, Ocsf};
pub use overview::{AccountLine, CheckLine, Extent, Finding, Overview, Unevaluated};
pub use picture::{topology_json, topology_svg, topology_text};
pub use read::{ReadError, Reader};
pub use routes::{RouteLine, RouteState, Routes};
pub use share::Share;
pub use terminal::{MOST_ROWS, terminal, terminal_findings};
pub use verdict::{Standing, standing};
pub use worst::Worst;

use crate::compliance::{AccountResult, OrganizationResult, SweepHead, Totals};

/// What takes a sweep as it comes: head, organization, accounts by id, totals, in this order and each once but the accounts.
pub trait SweepWriter {
    /// What is known before the first account.
    fn head(&mut self, head: &SweepHead) -> io::Result<()>;
    /// The organization.
    fn organization(&mut self, organization: &OrganizationResult) -> io::Result<()>;
    /// The next account.
    fn account(&mut self, account: &AccountResult) -> io::Result<()>;
    /// The sums; what was written is complete after it.
    fn end(&mut self, totals: &Totals) -> io::Result<()>;
}
