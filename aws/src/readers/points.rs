//! The recovery points of a vault, folded by resource as the pages come.
//!
//! A vault that keeps the copies of an organization has millions of them. What is kept follows the number of resources; what arrived from other
//! accounts can be taken out from time to time.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};

use guardian_core::arn::{AccountId, Arn};
use guardian_core::evidence::{Copies, Gap, Point, ResourcePoints, Vault};
use jiff::Timestamp;
use serde::Deserialize as _;
use serde_json::{Value, json};

use super::page::{Creator, PointsPage, Row};
use super::{Readers, in_place};
use crate::answers::{Answers, MOST_PAGES, Question, circle};

fn given<'a>(text: Option<&'a Cow<'_, str>>) -> Option<&'a str> {
    text.map(AsRef::as_ref).filter(|text| !text.is_empty())
}

fn arn(text: Option<&Cow<'_, str>>) -> Option<Arn> {
    given(text).and_then(|text| Arn::parse(text).ok())
}

/// Folds recovery points: what is kept follows the number of resources and not that of points.
#[derive(Debug)]
pub struct Fold {
    owner: AccountId,
    own: Groups,
    arrived: Groups,
    copies: Copies,
    keys: BTreeSet<Arn>,
}

/// By the resource, then by the vault they came from.
#[derive(Debug, Default)]
struct Groups {
    by_resource: HashMap<String, Vec<ResourcePoints>>,
    kept: usize,
}

/// What a vault holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Holdings {
    /// What its own account backed up or copied, by resource and by the vault it came from.
    pub own: Vec<ResourcePoints>,
    /// What came from other accounts, in sum.
    pub copies: Copies,
    /// What came from other accounts and was not taken out before.
    pub arrived: Vec<ResourcePoints>,
    /// The keys of the newest points.
    pub keys: BTreeSet<Arn>,
}

impl Fold {
    /// Of a vault of this account.
    pub fn of(owner: AccountId) -> Self {
        Self { owner, own: Groups::default(), arrived: Groups::default(), copies: Copies::default(), keys: BTreeSet::new() }
    }

    /// A page that is to be added to it.
    pub fn page(&self) -> PointsPage {
        PointsPage::new(Self::of(self.owner.clone()))
    }

    /// Adds a page, and tells where the next one begins; `None` where it was no page or not all of one, and then nothing of it.
    pub fn close(&mut self, page: PointsPage) -> Option<Option<String>> {
        let (page, next) = page.done()?;
        self.absorb(page);
        Some(next)
    }

    /// Adds an answer that is there as a whole, as if it were a page; `None` where something in it is no recovery point, and then nothing of it.
    pub fn add_answer(&mut self, answer: &Value) -> Option<()> {
        // Of an answer that says where more is this is not the whole.
        let more = answer.get("NextToken").is_some_and(|next| next.as_str() != Some("") && !next.is_null());
        let rows = answer.get("RecoveryPoints")?.as_array().filter(|_| !more)?;
        let mut fold = Self::of(self.owner.clone());
        rows.iter().try_for_each(|row| fold.add(&Row::deserialize(row).ok()?))?;
        self.absorb(fold);
        Some(())
    }

    fn absorb(&mut self, other: Self) {
        self.own.absorb(other.own);
        self.arrived.absorb(other.arrived);
        self.copies.absorb(other.copies);
        self.keys.extend(other.keys);
    }

    /// Adds a recovery point; `None` where it is none.
    pub(super) fn add(&mut self, row: &Row<'_>) -> Option<()> {
        (Arn::is_one(&row.recovery_point_arn) && !row.resource_type.is_empty()).then_some(())?;
        let from = given(row.source_backup_vault_arn.as_ref());
        let abroad = from.is_some_and(|from| from.split(':').nth(4).is_some_and(|account| account != self.owner.as_str()));
        if abroad {
            count(&mut self.copies, row);
        }
        if abroad { &mut self.arrived } else { &mut self.own }.add(row, from)
    }

    /// How many recovery points of other accounts are kept one by one.
    pub fn arrived(&self) -> usize {
        self.arrived.kept
    }

    /// Takes out what came from other accounts so far. Of one resource there may be more to come.
    pub fn take_arrived(&mut self) -> Vec<ResourcePoints> {
        std::mem::take(&mut self.arrived).done(&mut self.keys)
    }

    /// All of it, in an order of its own.
    pub fn done(mut self) -> Holdings {
        let arrived = self.take_arrived();
        let own = self.own.done(&mut self.keys);
        Holdings { own, copies: self.copies, arrived, keys: self.keys }
    }
}

/// Continuous backups are available, or stopped: either way they can be restored from.
fn is_complete(status: &str) -> bool {
    matches!(status, "COMPLETED" | "AVAILABLE" | "STOPPED")
}

fn delete_at(row: &Row<'_>) -> Option<Timestamp> {
    row.calculated_lifecycle.as_ref().and_then(|lifecycle| lifecycle.delete_at)
}

fn resource<'a>(row: &'a Row<'_>) -> &'a str {
    // Of a point that names no resource, the point itself.
    given(row.resource_arn.as_ref()).filter(|arn| Arn::is_one(arn)).unwrap_or(&row.recovery_point_arn)
}

fn count(copies: &mut Copies, row: &Row<'_>) {
    match row.status.as_deref().unwrap_or_default() {
        status if is_complete(status) => {
            copies.completed += 1;
            if !copies.resource_types.contains(row.resource_type.as_ref()) {
                copies.resource_types.insert(row.resource_type.clone().into_owned());
            }
            if row.is_encrypted == Some(false) {
                copies.unencrypted.add(resource(row));
            }
        }
        "PARTIAL" => copies.partial.add(resource(row)),
        "EXPIRED" => {
            copies.expired.add(resource(row));
            copies.expired_since = [copies.expired_since, delete_at(row)].into_iter().flatten().min();
        }
        _ => {}
    }
}

impl Groups {
    fn absorb(&mut self, other: Self) {
        if self.by_resource.is_empty() {
            *self = other;
            return;
        }
        for (resource, others) in other.by_resource {
            let groups = self.by_resource.entry(resource).or_insert_with(|| Vec::with_capacity(others.len()));
            for other in others {
                let Some(group) = groups.iter_mut().find(|group| group.copied_from == other.copied_from) else {
                    self.kept += other.newest.len();
                    groups.push(other);
                    continue;
                };
                let kept = group.newest.len();
                group.absorb(other);
                self.kept += group.newest.len() - kept;
            }
        }
    }

    fn add(&mut self, row: &Row<'_>, from: Option<&str>) -> Option<()> {
        let points = self.group(row, from)?;
        let kept = points.newest.len();
        if points.resource_name.is_none() {
            points.resource_name = given(row.resource_name.as_ref()).map(str::to_owned);
        }
        match row.status.as_deref().unwrap_or_default() {
            status if is_complete(status) => {
                points.completed += 1;
                points.unencrypted += u64::from(row.is_encrypted == Some(false));
                if let Some(created_at) = row.creation_date
                    && points.place(created_at, &row.recovery_point_arn).is_some()
                {
                    points.keep(point(row, created_at)?);
                }
            }
            "PARTIAL" => points.partial += 1,
            "EXPIRED" => {
                points.expired += 1;
                points.expired_since = [points.expired_since, delete_at(row)].into_iter().flatten().min();
            }
            // On its way, going, or of a state that is not known: it protects nothing and harms nobody.
            _ => {}
        }
        let more = points.newest.len() - kept;
        self.kept += more;
        Some(())
    }

    fn group(&mut self, row: &Row<'_>, from: Option<&str>) -> Option<&mut ResourcePoints> {
        let resource = resource(row);
        if !self.by_resource.contains_key(resource) {
            // Nearly always one, and of a copy one point: what is reserved for more would be most of what a vault of copies takes here.
            self.by_resource.insert(resource.to_owned(), Vec::with_capacity(1));
        }
        let groups = self.by_resource.get_mut(resource)?;
        let place = match groups.iter().position(|group| group.copied_from.as_ref().map(Arn::as_str) == from) {
            Some(place) => place,
            None => {
                groups.push(ResourcePoints {
                    resource_arn: Arn::parse(resource).ok()?,
                    resource_type: row.resource_type.clone().into_owned(),
                    resource_name: None,
                    copied_from: from.and_then(|from| Arn::parse(from).ok()),
                    completed: 0,
                    newest: Vec::with_capacity(1),
                    unencrypted: 0,
                    partial: 0,
                    expired: 0,
                    expired_since: None,
                });
                groups.len() - 1
            }
        };
        groups.get_mut(place)
    }

    /// By resource, then by the vault they came from; their keys aside.
    fn done(self, keys: &mut BTreeSet<Arn>) -> Vec<ResourcePoints> {
        // Nearly always one of each: room for all of them at once, not half of it again and again.
        let mut all = Vec::with_capacity(self.by_resource.len());
        all.extend(self.by_resource.into_values().flatten());
        all.sort_by(|a, b| (&a.resource_arn, &a.copied_from).cmp(&(&b.resource_arn, &b.copied_from)));
        for key in all.iter().filter_map(|points| points.newest.first()?.key_arn.as_ref()) {
            if !keys.contains(key) {
                keys.insert(key.clone());
            }
        }
        all
    }
}

fn point(row: &Row<'_>, created_at: Timestamp) -> Option<Point> {
    let by = |id: fn(&Creator<'_>) -> Option<String>| row.created_by.as_ref().and_then(id);
    Some(Point {
        arn: Arn::parse(&row.recovery_point_arn).ok()?,
        created_at,
        plan_id: by(|by| given(by.backup_plan_id.as_ref()).map(str::to_owned)),
        rule_id: by(|by| given(by.backup_rule_id.as_ref()).map(str::to_owned)),
        key_arn: arn(row.encryption_key_arn.as_ref()),
        delete_at: delete_at(row),
    })
}

/// The recovery points of a vault on their way, page by page.
#[derive(Debug)]
pub struct Pages<'a, A> {
    readers: &'a Readers<A>,
    question: Question,
    next: Option<String>,
    count: usize,
}

impl<A: Answers> Readers<A> {
    /// Begins with the recovery points of a vault; `None` where the vault has no place.
    pub fn points(&self, vault: &Vault) -> Option<Pages<'_, A>> {
        let (account, region) = (vault.arn.account()?, vault.arn.region()?);
        let question =
            in_place(&account, &region, "ListRecoveryPointsByBackupVault", json!({"BackupVaultName": vault.arn.resource_name()}));
        Some(Pages { readers: self, question, next: None, count: 0 })
    }
}

impl<A: Answers> Pages<'_, A> {
    /// What is asked, as IAM names it.
    pub fn action(&self) -> String {
        self.question.action()
    }

    /// Folds the next page; the time of the last one, and `None` while there are more.
    pub async fn fold(&mut self, fold: &mut Fold) -> Result<Option<Timestamp>, Gap> {
        let page = self.readers.answers().recovery_points(&self.question, self.next.as_deref(), fold).await;
        let (next, at) = page.map_err(|failure| self.question.gap(&failure))?;
        self.count += 1;
        if next.is_some() && (next == self.next || self.count >= MOST_PAGES) {
            return Err(self.question.gap(&circle()));
        }
        self.next = next;
        Ok(self.next.is_none().then_some(at))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn point(number: u32, day: u32) -> Value {
        json!({
            "RecoveryPointArn": format!("arn:aws:ec2:eu-central-1::snapshot/snap-{number:04}"),
            "ResourceArn": "arn:aws:ec2:eu-central-1:111111111111:volume/vol-1",
            "ResourceType": "EBS",
            "Status": "COMPLETED",
            "IsEncrypted": true,
            "CreationDate": 1_767_225_600 + i64::from(day) * 86_400,
            "CreatedBy": {"BackupPlanId": "p", "BackupRuleId": "r"},
        })
    }

    fn folded(points: &[Value]) -> Option<Holdings> {
        let mut fold = Fold::of(AccountId::parse("111111111111").unwrap());
        fold.add_answer(&json!({"RecoveryPoints": points}))?;
        Some(fold.done())
    }

    #[test]
    fn the_newest_points_are_kept_in_whatever_order_they_come_and_all_are_counted() {
        let many = (0..200).map(|number| point(number, number)).collect::<Vec<_>>();
        let held = folded(&many).unwrap();
        assert_eq!(held, folded(&many.iter().rev().cloned().collect::<Vec<_>>()).unwrap());
        let [points] = held.own.as_slice() else { panic!("one resource") };
        assert_eq!((points.completed, points.newest.len()), (200, ResourcePoints::KEPT));
        assert_eq!(points.newest[0].arn.resource_name(), "snap-0199");
        assert_eq!(points.newest[0].rule_id.as_deref(), Some("r"));
    }

    #[test]
    fn copies_of_two_accounts_are_kept_apart_and_only_complete_points_protect() {
        let from = |account: &str| json!(format!("arn:aws:backup:eu-central-1:{account}:backup-vault:local"));
        let mut points = ["111111111111", "333333333333"].map(|account| {
            let mut copy = point(1, 1);
            copy["SourceBackupVaultArn"] = from(account);
            copy
        });
        points[1]["Status"] = json!("PARTIAL");
        let held = folded(&points).unwrap();
        assert_eq!(held.own.iter().map(|points| (points.completed, points.partial)).collect::<Vec<_>>(), [(1, 0)]);
        assert_eq!(held.arrived.iter().map(|points| (points.completed, points.partial)).collect::<Vec<_>>(), [(0, 1)]);
        assert_eq!((held.copies.completed, held.copies.partial.points, held.copies.partial.resources.len()), (0, 1, 1));
        let mut expired = point(2, 2);
        expired["Status"] = json!("EXPIRED");
        expired["CalculatedLifecycle"] = json!({"DeleteAt": 1_767_225_600});
        let held = folded(&[expired]).unwrap();
        assert_eq!((held.own[0].expired, held.own[0].completed), (1, 0));
        assert!(held.own[0].expired_since.is_some() && held.own[0].newest.is_empty());
        assert_eq!(folded(&[json!({"ResourceType": "EBS"})]), None, "a point without an ARN is not read over");
    }

    #[test]
    fn what_arrived_can_be_taken_out_in_pieces_and_put_together_again() {
        let from = "arn:aws:backup:eu-central-1:333333333333:backup-vault:local";
        let copies = (0..100).map(|number| {
            let mut copy = point(number, number);
            copy["SourceBackupVaultArn"] = json!(from);
            copy
        });
        let copies = copies.collect::<Vec<_>>();
        let whole = folded(&copies).unwrap();
        let mut fold = Fold::of(AccountId::parse("111111111111").unwrap());
        let mut pieces = Vec::new();
        for page in copies.chunks(30) {
            fold.add_answer(&json!({"RecoveryPoints": page})).unwrap();
            assert!(fold.arrived() > 0);
            pieces.extend(fold.take_arrived());
            assert_eq!(fold.arrived(), 0);
        }
        let mut pieces = pieces.into_iter();
        let mut first = pieces.next().unwrap();
        pieces.for_each(|piece| first.absorb(piece));
        assert_eq!((vec![first], fold.done().copies), (whole.arrived, whole.copies));
    }

    #[test]
    fn times_come_in_two_forms_and_an_answer_is_read_whole_or_not_at_all() {
        let mut written = point(1, 0);
        written["CreationDate"] = json!("2026-01-01T00:00:00Z");
        assert_eq!(folded(&[written]).unwrap().own[0].newest[0].created_at, "2026-01-01T00:00:00Z".parse().unwrap());
        let mut without = point(1, 0);
        without["CreationDate"] = json!(null);
        without["CreatedBy"] = json!(null);
        assert_eq!(folded(&[without]).unwrap().own[0].completed, 1);
        let mut fold = Fold::of(AccountId::parse("111111111111").unwrap());
        for answer in [
            json!({"RecoveryPoints": [point(1, 1), {"RecoveryPointArn": "x", "ResourceType": "EBS"}]}),
            json!({"RecoveryPoints": null}),
            json!({"RecoveryPoints": [point(1, 1)], "NextToken": "more"}),
            json!({"__type": "ThrottlingException"}),
            json!([]),
        ] {
            assert_eq!(fold.add_answer(&answer), None, "{answer}");
        }
        assert_eq!(fold.done(), Holdings::default());
    }
}
