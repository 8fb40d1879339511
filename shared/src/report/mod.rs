//! What people and machines read. The only place that lays out prose; every untrusted text is made inert on its way.
//!
//! [`build`] turns evidence and verdict into the machine form; [`render`] turns the machine form into one text per sink. Renderers know nothing
//! that is not in the [`Alert`], so what a person reads and what a machine reads cannot differ.

mod again;
pub mod alert;
mod build;
mod chat;
mod email;
mod headline;
mod inert;
mod layout;
mod limit;
mod listing;
mod message;
mod outline;
mod page;
mod prediction;
pub mod schema;
pub mod set_up;
mod sms;
mod subject;
pub mod sweep;
mod tamper;
mod terminal;
mod words;

pub use again::{MOST_IN_DIGEST, again, digest, of_incident};
pub use alert::{Alert, Kind};
pub use build::{Names, build, job_of};
pub use listing::{Listed, ListedJob, REPORT_SCHEMA, Report};
pub use message::{Message, SNS_LIMIT};
pub use page::{check_page, page, prose};
pub use prediction::{Telling, foretell};
pub use tamper::tamper;
pub use terminal::{Look, terminal};

/// Renders an alert for every sink, within the limits of each.
pub fn render(alert: &Alert) -> Message {
    limit::fit(&inert::alert(alert), SNS_LIMIT)
}

/// The alert with every text inert, as the machine form carries it.
pub fn inert(alert: &Alert) -> Alert {
    inert::alert(alert)
}

/// Somebody else's text, such as the name of a plan or a Sid, made inert for a terminal.
pub fn inert_text(raw: &str) -> String {
    inert::text(raw)
}
