//! Faults by seed: the same request is treated the same way at the same try, whatever the order in which requests come.

use crate::answer::{Call, Reply};
use crate::estate::mix;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Turned away for its pace.
    Throttled,
    /// `500`.
    Down,
    /// The connection ends without an answer.
    Reset,
    /// No answer at all.
    Hang,
    /// Half an answer.
    Truncated,
    /// An answer that is none.
    Garbled,
    /// The reader role may not do it.
    Denied,
}

/// The faults that pass. A hang costs a time-out each, so it is rare where time counts.
pub const PASSING: &[Fault] = &[Fault::Throttled, Fault::Down, Fault::Reset, Fault::Truncated, Fault::Garbled];

/// Whether a try of a request fails, and how.
pub fn drawn(seed: u64, percent: u64, request: u64, attempt: u64) -> Option<Fault> {
    let drawn = mix(&[seed, request, attempt]);
    if drawn % 100 >= percent {
        return None;
    }
    PASSING.get(usize::try_from((drawn >> 8) % PASSING.len() as u64).unwrap_or(0)).copied()
}

/// What is answered instead.
pub(crate) fn instead(fault: Fault, call: &Call, reply: Reply) -> Reply {
    match fault {
        Fault::Throttled if matches!(call.service.as_str(), "sts" | "iam" | "ec2") => query_error(400, "Throttling"),
        Fault::Throttled => Reply::error(400, "ThrottlingException"),
        Fault::Down => Reply { status: 500, content_type: "text/plain".into(), error: None, headers: Vec::new(), body: b"stub".to_vec() },
        Fault::Garbled => Reply { body: b"{\"RecoveryPoints\": [{\"".to_vec(), ..reply },
        Fault::Denied if matches!(call.service.as_str(), "sts" | "iam") => query_error(403, "AccessDenied"),
        Fault::Denied if call.service == "ec2" => query_error(403, "UnauthorizedOperation"),
        Fault::Denied => Reply::error(400, "AccessDeniedException"),
        Fault::Reset | Fault::Hang | Fault::Truncated => reply,
    }
}

fn query_error(status: u16, code: &str) -> Reply {
    let body = format!("<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>stub</Message></Error></ErrorResponse>");
    Reply { status, content_type: "text/xml".into(), error: None, headers: Vec::new(), body: body.into_bytes() }
}
