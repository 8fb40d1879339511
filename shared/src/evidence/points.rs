//! Recovery points, folded by resource.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::arn::Arn;

/// Recovery points that were copied into a vault from other accounts, in sum. One by one they are looked at with the account they came from; a
/// vault that keeps the copies of ten thousand accounts has no list of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Copies {
    /// How many are complete.
    pub completed: u64,
    /// The types of the complete ones.
    pub resource_types: BTreeSet<String>,
    /// How many of the complete ones are not encrypted.
    pub unencrypted: Counted,
    /// How many are partial.
    pub partial: Counted,
    /// How many should have been deleted and could not be (`EXPIRED`).
    pub expired: Counted,
    /// When the first of those should have been deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expired_since: Option<Timestamp>,
}

/// How many recovery points, and of which resources.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    /// How many.
    pub points: u64,
    /// The first resources by ARN; at most [`NAMED`](Self::NAMED).
    pub resources: BTreeSet<Arn>,
}

impl Copies {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Adds what else there is.
    pub fn absorb(&mut self, other: Self) {
        self.completed = self.completed.saturating_add(other.completed);
        self.resource_types.extend(other.resource_types);
        self.unencrypted.absorb(other.unencrypted);
        self.partial.absorb(other.partial);
        self.expired.absorb(other.expired);
        self.expired_since = [self.expired_since, other.expired_since].into_iter().flatten().min();
    }
}

impl Counted {
    /// How many resources are named.
    pub const NAMED: usize = 20;

    /// One more. Which resources are named does not depend on the order in which they come.
    pub fn add(&mut self, resource: &str) {
        self.points += 1;
        let full = self.resources.len() >= Self::NAMED;
        if full && self.resources.last().is_none_or(|last| last.as_str() <= resource) {
            return;
        }
        self.resources.extend(Arn::parse(resource).ok());
        if self.resources.len() > Self::NAMED {
            self.resources.pop_last();
        }
    }

    fn absorb(&mut self, other: Self) {
        self.points = self.points.saturating_add(other.points);
        self.resources.extend(other.resources);
        while self.resources.len() > Self::NAMED {
            self.resources.pop_last();
        }
    }
}

/// The recovery points of one resource in one vault that came the same way: made there, or copied from one vault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourcePoints {
    /// The resource; of a point that names none, the point itself.
    pub resource_arn: Arn,
    /// `EBS`, `RDS`, …
    pub resource_type: String,
    /// Untrusted text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_name: Option<String>,
    /// Copies: the vault they came from. Its account is the source account; some resource ARNs carry none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copied_from: Option<Arn>,
    /// How many are complete.
    pub completed: u64,
    /// The newest complete ones, newest first; at most [`KEPT`](Self::KEPT), which may be less than `completed`.
    pub newest: Vec<Point>,
    /// How many of the complete ones are not encrypted.
    #[serde(default)]
    pub unencrypted: u64,
    /// How many are partial.
    #[serde(default)]
    pub partial: u64,
    /// How many should have been deleted and could not be (`EXPIRED`).
    #[serde(default)]
    pub expired: u64,
    /// When the first of those should have been deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expired_since: Option<Timestamp>,
}

impl ResourcePoints {
    /// How many recovery points are kept one by one.
    pub const KEPT: usize = 64;

    /// Where a point of this age belongs among the newest; `None` where it is not one of them.
    pub fn place(&self, created_at: Timestamp, arn: &str) -> Option<usize> {
        let place = self.newest.partition_point(|other| (other.created_at, other.arn.as_str()) > (created_at, arn));
        (place < Self::KEPT).then_some(place)
    }

    /// Keeps a point if it is among the newest, whatever the order in which they come.
    pub fn keep(&mut self, point: Point) {
        if let Some(place) = self.place(point.created_at, point.arn.as_str()) {
            self.newest.insert(place, point);
            self.newest.truncate(Self::KEPT);
        }
    }

    /// Adds what else there is of the same resource that came the same way.
    pub fn absorb(&mut self, other: Self) {
        self.resource_name = self.resource_name.take().or(other.resource_name);
        self.completed = self.completed.saturating_add(other.completed);
        self.unencrypted = self.unencrypted.saturating_add(other.unencrypted);
        self.partial = self.partial.saturating_add(other.partial);
        self.expired = self.expired.saturating_add(other.expired);
        self.expired_since = [self.expired_since, other.expired_since].into_iter().flatten().min();
        other.newest.into_iter().for_each(|point| self.keep(point));
    }
}

/// A complete recovery point.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Point {
    /// Its ARN.
    pub arn: Arn,
    /// When it was made.
    pub created_at: Timestamp,
    /// The plan whose job made it; absent for a backup on demand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan_id: Option<String>,
    /// The rule of that plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule_id: Option<String>,
    /// The key that protects it; absent where it is not encrypted or AWS owns the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_arn: Option<Arn>,
    /// When it will be deleted; absent: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delete_at: Option<Timestamp>,
}
