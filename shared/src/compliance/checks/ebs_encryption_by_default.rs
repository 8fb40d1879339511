//! New EBS volumes are encrypted.

use crate::arn::Region;
use crate::compliance::say::quoted;
use crate::compliance::{AccountView, Check, Judge, Meta, Outcome};
use crate::diagnosis::steps::command;
use crate::diagnosis::{Grade, Severity};

/// The check.
pub(super) const CHECK: Check = Check {
    meta: Meta {
        code: "BKC-042",
        name: "ebs-encryption-by-default",
        title: "New EBS volumes are encrypted",
        severity: Severity::Medium,
        since: "0.1.0",
        needs: &["ec2:GetEbsEncryptionByDefault"],
        remedy: Grade::NeedsApproval,
        references: &[
            "https://docs.aws.amazon.com/ebs/latest/userguide/encryption-by-default.html",
            "https://docs.aws.amazon.com/securityhub/latest/userguide/ec2-controls.html",
        ],
        page: include_str!("ebs-encryption-by-default.md"),
    },
    judge: Judge::Account(judge),
};

fn judge(view: &AccountView<'_>) -> Vec<Outcome> {
    view.in_source_account(|| {
        view.in_regions(|place, region| {
            let outcome = match region.ebs.known() {
                None => Outcome::unseen(place.here(), "the default encryption of EBS", &region.ebs),
                Some(ebs) if ebs.encrypted => Outcome::pass(place.here(), "new volumes are encrypted"),
                Some(_) => {
                    let name = place.region.map(Region::as_str).unwrap_or_default();
                    let remedy = format!(
                        "in account {}: {}",
                        place.account,
                        quoted(&command("aws ec2 enable-ebs-encryption-by-default", &[("region", name)]))
                    );
                    Outcome::fail(place.here(), "new volumes are not encrypted unless somebody asks for it", remedy)
                }
            };
            vec![outcome]
        })
    })
}
