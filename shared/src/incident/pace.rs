//! How many messages may go out: never more than SNS lets an e-mail subscription have, whatever happens.
//!
//! The log of the last minute is exact, where a token bucket would allow its whole burst on top of its rate. A part of each limit is kept
//! for accounts that have not been heard of within the minute and for digests, so that a noisy account silences no other.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::arn::AccountId;

/// SNS disables an e-mail subscription above 10 messages per second
/// (<https://docs.aws.amazon.com/sns/latest/dg/sns-email-notifications.html>); messages that leave in two seconds may arrive in one.
const PER_SECOND: usize = 8;
/// Nobody reads more than one message per second; two are left for what is sent without the table.
const PER_MINUTE: usize = 58;
/// What an account that was heard of within the minute may use of both.
const KNOWN_PER_SECOND: usize = 4;
const KNOWN_PER_MINUTE: usize = 38;

/// Who wants to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sender {
    /// An incident of this account.
    Account(AccountId),
    /// A digest of many.
    Digest,
}

/// What the pace says to a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permit {
    /// Send it now; it is in the log.
    Now,
    /// It may go out after this time.
    After(SignedDuration),
}

/// One message of the last minute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// When it was allowed.
    pub at: Timestamp,
    /// The account of its incident; none for a digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountId>,
}

/// The messages of the last minute, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Log(Vec<Sent>);

impl Log {
    /// The messages, oldest first.
    pub fn entries(&self) -> &[Sent] {
        &self.0
    }

    /// A log as it was kept.
    pub fn from_entries(mut entries: Vec<Sent>) -> Self {
        entries.sort_by_key(|sent| sent.at);
        Self(entries)
    }

    /// Asks for a message, and enters it where it may go out.
    pub fn ask(&mut self, sender: &Sender, now: Timestamp) -> Permit {
        let (second, minute) = (SignedDuration::from_secs(1), SignedDuration::from_secs(60));
        // An entry of the future was written by a clock gone wrong, and must not stop the mail until then.
        self.0.retain(|sent| now.duration_since(sent.at) < minute && sent.at.duration_since(now) < minute);
        let known = match sender {
            Sender::Account(account) => self.0.iter().any(|sent| sent.account.as_ref() == Some(account)),
            Sender::Digest => false,
        };
        let (per_second, per_minute) = if known { (KNOWN_PER_SECOND, KNOWN_PER_MINUTE) } else { (PER_SECOND, PER_MINUTE) };
        let wait = self.wait(per_second, second, now).max(self.wait(per_minute, minute, now));
        if wait > SignedDuration::ZERO {
            return Permit::After(wait);
        }
        let account = match sender {
            Sender::Account(account) => Some(account.clone()),
            Sender::Digest => None,
        };
        self.0.push(Sent { at: now, account });
        self.0.sort_by_key(|sent| sent.at);
        Permit::Now
    }

    /// Until when fewer than `most` lie within `window`.
    fn wait(&self, most: usize, window: SignedDuration, now: Timestamp) -> SignedDuration {
        let within = self.0.iter().filter(|sent| now.duration_since(sent.at) < window).count();
        let Some(over) = within.checked_sub(most) else { return SignedDuration::ZERO };
        let first = self.0.len().saturating_sub(within);
        let leaves = self.0.get(first.saturating_add(over)).map_or(now, |sent| sent.at);
        (window - now.duration_since(leaves)).max(SignedDuration::from_millis(1))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn account(n: u8) -> Sender {
        Sender::Account(AccountId::parse(&format!("1111111111{n:02}")).unwrap())
    }

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millisecond(1_700_000_000_000 + ms).unwrap()
    }

    proptest! {
        #[test]
        fn no_second_and_no_minute_has_more_than_its_share(asked in prop::collection::vec((0u8..30, 0i64..400), 1..400)) {
            let mut log = Log::default();
            let mut sent = Vec::new();
            let mut now = 0;
            for (who, pause) in asked {
                now += pause;
                let sender = if who == 0 { Sender::Digest } else { account(who) };
                match log.ask(&sender, at(now)) {
                    Permit::Now => sent.push(now),
                    Permit::After(wait) => {
                        // Where nothing comes between, it is allowed when it was promised.
                        let mut later = log.clone();
                        let promised = now + i64::try_from(wait.as_millis()).unwrap();
                        prop_assert_eq!(later.ask(&sender, at(promised)), Permit::Now);
                    }
                }
            }
            for (n, first) in sent.iter().enumerate() {
                prop_assert!(sent.iter().skip(n).filter(|at| **at - first < 1_000).count() <= 10);
                prop_assert!(sent.iter().skip(n).filter(|at| **at - first < 60_000).count() <= 60);
            }
        }

        #[test]
        fn a_noisy_account_delays_nine_others_by_at_most_a_second(noise in prop::collection::vec(0i64..300, 0..600), start in 0i64..50_000) {
            let mut log = Log::default();
            let mut now = 0;
            for pause in noise {
                now += pause;
                log.ask(&account(1), at(now));
                if now > start {
                    break;
                }
            }
            let waiting = (2..=10).filter(|other| log.ask(&account(*other), at(now)) != Permit::Now).collect::<Vec<_>>();
            for other in waiting {
                prop_assert_eq!(log.ask(&account(other), at(now + 1_000)), Permit::Now);
            }
        }
    }
}
