//! Telling, and remembering what was told.

use std::collections::BTreeSet;

use guardian_core::alarm_path::{Check, Kept, Notice, self_check, settle, unheard};
use guardian_core::arn::Arn;
use guardian_core::ports::{AlertSink, Operations, PortError, TroubleMemory};
use guardian_core::report::render;
use jiff::{SignedDuration, Timestamp};

/// While something is wrong people are reminded of it so often.
const REMIND_AFTER: SignedDuration = SignedDuration::from_hours(24);

/// Who is told, and who remembers.
pub(crate) struct Teller<'a, M, O, A> {
    pub(crate) memory: &'a M,
    pub(crate) operations: &'a O,
    pub(crate) alerts: &'a A,
    pub(crate) operations_topic: &'a Arn,
    pub(crate) now: Timestamp,
}

/// What became of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    /// Whoever should hear of it may have heard, or there was nothing to tell.
    pub(crate) done: bool,
    /// It went to the alert topic, too.
    pub(crate) fell_back: bool,
    /// What was told before is not known.
    pub(crate) without_memory: bool,
}

fn log(what: &'static str) -> impl Fn(&PortError) {
    move |error| tracing::error!(operation = error.operation, code = %error.code, "{what}")
}

impl<M: TroubleMemory, O: Operations, A: AlertSink> Teller<'_, M, O, A> {
    /// Tells what is new, due again or over.
    pub(crate) async fn tell(&self, checks: &[Check], parts: Option<&BTreeSet<String>>) -> Told {
        let kept = self.memory.kept().await.inspect_err(log("what was told cannot be read; all is told again"));
        let without_memory = kept.is_err();
        let kept = kept.unwrap_or_default();
        let step = settle(&kept, checks, parts, self.now, REMIND_AFTER);
        let (done, fell_back) = match &step.notice {
            Some(notice) => self.send(notice, checks, &kept).await,
            None => (true, false),
        };
        let keep = if done { &step.keep } else { &step.keep_untold };
        let _ = self.memory.keep(keep, self.now).await.inspect_err(log("what was told is not remembered"));
        // While nobody heard that all is well again, it is to be told.
        if done || !matches!(step.notice, Some(Notice::Well { .. })) {
            let _ = self.memory.forget(&step.forget).await.inspect_err(log("what is over is not forgotten"));
        }
        Told { done, fell_back, without_memory }
    }

    /// To the operations topic; where that one may not be heard, or does not take it, to the alert topic, too. Done and fell back.
    async fn send(&self, notice: &Notice, checks: &[Check], kept: &[Kept]) -> (bool, bool) {
        let topic = self.operations_topic;
        let sent = self.operations.tell(&notice.subject(), &notice.body()).await;
        let sent = sent.inspect_err(log("the operations topic did not take the message"));
        let was_deaf = matches!(notice, Notice::Well { over } if over.iter().any(|kept| kept.subject == topic.as_str()));
        let deaf = unheard(topic, checks, kept);
        if sent.is_ok() && !deaf && !was_deaf {
            return (true, false);
        }
        let Some(alert) = self_check(notice, topic, self.now) else { return (sent.is_ok() && !deaf, false) };
        let alerted = self.alerts.send(&render(&alert)).await.inspect_err(log("the alert topic did not take the message either"));
        (alerted.is_ok() || sent.is_ok() && !deaf, true)
    }
}
