//! Would AWS allow it? An offline evaluation of identity policies, boundaries, session policies, SCPs, RCPs, resource policies and KMS grants.
//!
//! It decides from documents and a request context alone and knows nothing of AWS Backup. Its answers are three-valued: what AWS leaves
//! undocumented, or what was not seen, is `Uncertain` where it matters.

mod answer;
mod arn;
pub mod case;
mod condition;
mod context;
mod document;
mod evaluate;
mod grant;
mod matching;
mod named;
mod principal;
mod service;
mod tri;
mod wildcard;

pub use answer::{Answer, Decision, Layer, Missed, Outcome, Reason};
pub use context::Context;
pub use document::Document;
pub use evaluate::{Policies, Request, evaluate};
pub use grant::Grant;
pub use named::{Named, left_alone, roles_left_alone};
pub use principal::{NotAPrincipal, Principal};
pub(crate) use wildcard::Tokens;
pub use wildcard::wildcard_matches;
