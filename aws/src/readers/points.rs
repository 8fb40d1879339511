//! The recovery points of a vault, folded by resource.

use std::collections::BTreeMap;

use guardian_core::arn::Arn;
use guardian_core::evidence::{Point, ResourcePoints};
use serde_json::Value;

use super::read::{arn, text, time_of};

/// Folds recovery points as they come: what is kept follows the number of resources and not that of points.
#[derive(Debug, Default)]
pub struct Fold(BTreeMap<(Arn, Option<Arn>), ResourcePoints>);

impl Fold {
    /// Adds a point of `ListRecoveryPointsByBackupVault`; `None` where it is none.
    pub fn add(&mut self, point: &Value) -> Option<()> {
        let point_arn = arn(point, "RecoveryPointArn")?;
        let resource_arn = arn(point, "ResourceArn").unwrap_or_else(|| point_arn.clone());
        let copied_from = arn(point, "SourceBackupVaultArn");
        let resource_type = text(point, "ResourceType")?;
        let points = self.0.entry((resource_arn.clone(), copied_from.clone())).or_insert_with(|| ResourcePoints {
            resource_arn,
            resource_type,
            resource_name: None,
            copied_from,
            completed: 0,
            newest: Vec::new(),
            unencrypted: 0,
            partial: 0,
            expired: 0,
            expired_since: None,
        });
        if points.resource_name.is_none() {
            points.resource_name = text(point, "ResourceName");
        }
        let delete_at = point.get("CalculatedLifecycle").and_then(|lifecycle| time_of(lifecycle, "DeleteAt"));
        match point.get("Status").and_then(Value::as_str).unwrap_or_default() {
            // Continuous backups are available, or stopped: either way they can be restored from.
            "COMPLETED" | "AVAILABLE" | "STOPPED" => {
                points.completed += 1;
                points.unencrypted += u64::from(point.get("IsEncrypted").and_then(Value::as_bool) == Some(false));
                if let Some(created_at) = time_of(point, "CreationDate") {
                    let plan = |name: &str| point.get("CreatedBy").and_then(|by| text(by, name));
                    let (plan_id, rule_id) = (plan("BackupPlanId"), plan("BackupRuleId"));
                    keep(
                        points,
                        Point { arn: point_arn, created_at, plan_id, rule_id, key_arn: arn(point, "EncryptionKeyArn"), delete_at },
                    );
                }
            }
            "PARTIAL" => points.partial += 1,
            "EXPIRED" => {
                points.expired += 1;
                points.expired_since = [points.expired_since, delete_at].into_iter().flatten().min();
            }
            // On its way, going, or of a state that is not known: it protects nothing and harms nobody.
            _ => {}
        }
        Some(())
    }

    /// By resource, then by the vault they came from.
    pub fn done(self) -> Vec<ResourcePoints> {
        self.0.into_values().collect()
    }
}

/// Keeps a point if it is among the newest, whatever the order in which they come.
fn keep(points: &mut ResourcePoints, point: Point) {
    let age = |point: &Point| (point.created_at, point.arn.clone());
    let place = points.newest.partition_point(|other| age(other) > age(&point));
    if place < ResourcePoints::KEPT {
        points.newest.insert(place, point);
        points.newest.truncate(ResourcePoints::KEPT);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

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

    fn fold<'a>(points: impl IntoIterator<Item = &'a Value>) -> Vec<ResourcePoints> {
        let mut fold = Fold::default();
        for point in points {
            fold.add(point).unwrap();
        }
        fold.done()
    }

    #[test]
    fn the_newest_points_are_kept_in_whatever_order_they_come_and_all_are_counted() {
        let many = (0..200).map(|number| point(number, number)).collect::<Vec<_>>();
        let folded = fold(&many);
        assert_eq!(folded, fold(many.iter().rev()));
        let [points] = folded.as_slice() else { panic!("one resource") };
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
        let folded = fold(&points);
        assert_eq!(folded.iter().map(|points| (points.completed, points.partial)).collect::<Vec<_>>(), [(1, 0), (0, 1)]);
        let mut expired = point(2, 2);
        expired["Status"] = json!("EXPIRED");
        expired["CalculatedLifecycle"] = json!({"DeleteAt": 1_767_225_600});
        let folded = fold([&expired]);
        assert_eq!((folded[0].expired, folded[0].completed), (1, 0));
        assert!(folded[0].expired_since.is_some() && folded[0].newest.is_empty());
        assert_eq!(Fold::default().add(&json!({"ResourceType": "EBS"})), None, "a point without an ARN is not read over");
    }
}
