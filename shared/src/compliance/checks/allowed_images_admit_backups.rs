//! The Allowed AMIs setting admits the images of backups.

use crate::compliance::say::{Place, listed, quoted};
use crate::compliance::walk::{Concern, air_gapped};
use crate::compliance::{AccountView, Check, Judge, Meta, Outcome};
use crate::diagnosis::{Grade, Severity};
use crate::evidence::{AllowedImages, ImageCriterion, RegionInventory};

/// The check.
pub(super) const CHECK: Check = Check {
    meta: Meta {
        code: "BKC-072",
        name: "allowed-images-admit-backups",
        title: "The Allowed AMIs setting admits the images of backups",
        severity: Severity::High,
        since: "0.1.0",
        needs: &["ec2:GetAllowedImagesSettings", "backup:ListRecoveryPointsByBackupVault"],
        remedy: Grade::NeedsApproval,
        references: &[
            "https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-allowed-amis.html",
            "https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ImageCriterion.html",
            "https://docs.aws.amazon.com/aws-backup/latest/devguide/logicallyairgappedvault.html",
        ],
        page: include_str!("allowed-images-admit-backups.md"),
    },
    judge: Judge::Account(judge),
};

/// Images that AWS Backup made (`API_ImageCriterion`).
const OF_BACKUP: &str = "aws-backup-vault";

fn judge(view: &AccountView<'_>) -> Vec<Outcome> {
    view.in_regions(|place, region| {
        let outcome = concern(view, place, region).then(place.here(), |subject| match region.allowed_images.known() {
            None => Outcome::unseen(subject, "the Allowed AMIs setting", &region.allowed_images),
            Some(setting) => of(place, region, setting),
        });
        vec![outcome]
    })
}

/// Whether EC2 instances are backed up, or copied to, there.
fn concern(view: &AccountView<'_>, place: Place<'_>, region: &RegionInventory) -> Concern {
    let is_ec2 = |kind: &str| kind.eq_ignore_ascii_case("EC2");
    let vaults = region.vaults.known().into_iter().flatten().collect::<Vec<_>>();
    let held = vaults.iter().any(|vault| {
        let own = vault.points.known().into_iter().flatten().any(|points| is_ec2(&points.resource_type));
        own || vault.copies.resource_types.iter().any(|kind| is_ec2(kind))
    });
    let selected = view.coverage.iter().any(|row| Some(&row.region) == place.region && is_ec2(&row.resource_type) && !row.rules.is_empty());
    if held || selected {
        return Concern::Yes;
    }
    let unread = vaults.iter().filter(|vault| vault.points.known().is_none() && vault.vault.points != Some(0)).collect::<Vec<_>>();
    if region.vaults.known().is_some() && unread.is_empty() {
        return Concern::No("no EC2 instance is backed up there".to_owned());
    }
    Concern::Open(region.vaults.gap().into_iter().chain(unread.iter().filter_map(|vault| vault.points.gap())).cloned().collect())
}

/// What a setting does with images of one provider.
#[derive(PartialEq)]
enum Admits {
    Yes,
    /// If they meet what else is asked of them.
    Perhaps(Vec<String>),
    No,
}

fn admits(setting: &AllowedImages, provider: impl Fn(&str) -> bool) -> Admits {
    let fits = |criterion: &&ImageCriterion| criterion.providers.is_empty() || criterion.providers.iter().any(|one| provider(one));
    let fitting = setting.criteria.iter().filter(fits).collect::<Vec<_>>();
    if fitting.iter().any(|criterion| criterion.further.is_empty()) {
        return Admits::Yes;
    }
    let mut further = fitting.iter().flat_map(|criterion| criterion.further.clone()).collect::<Vec<_>>();
    further.sort();
    further.dedup();
    if further.is_empty() { Admits::No } else { Admits::Perhaps(further) }
}

fn of(place: Place<'_>, region: &RegionInventory, setting: &AllowedImages) -> Outcome {
    let subject = place.here();
    match setting.state.as_str() {
        "disabled" => return Outcome::pass(subject, "the Allowed AMIs setting is off, so that every image may be used"),
        "audit-mode" => {
            let note = if admits(setting, |one| one == OF_BACKUP) == Admits::Yes {
                "also when it is switched on, it admits the images of backups"
            } else {
                "switched on as it is, it may stop copies of EC2 instances"
            };
            return Outcome::pass(subject, format!("the Allowed AMIs setting only audits; {note}"));
        }
        "enabled" => {}
        other => return Outcome::unknown(subject, format!("the Allowed AMIs setting is in state {}", quoted(other)), Vec::new()),
    }
    let account = place.account.as_str();
    let is_other_account = |one: &str| one != account && one.len() == 12 && one.bytes().all(|byte| byte.is_ascii_digit());
    let holds_air_gapped = region.vaults.known().into_iter().flatten().any(|vault| air_gapped(&vault.vault));
    match (admits(setting, |one| one == OF_BACKUP), admits(setting, is_other_account)) {
        (Admits::Yes, _) => Outcome::pass(subject, format!("the Allowed AMIs setting admits {}", quoted(OF_BACKUP))),
        (Admits::Perhaps(further), _) => Outcome::unknown(
            subject,
            format!("whether the Allowed AMIs setting admits the images of backups depends on {}", listed(&further)),
            Vec::new(),
        ),
        (Admits::No, Admits::Yes | Admits::Perhaps(_)) if !holds_air_gapped => Outcome::unknown(
            subject,
            format!(
                "the Allowed AMIs setting admits images of other accounts and not {}: whether that is enough for copies, AWS does not say",
                quoted(OF_BACKUP)
            ),
            Vec::new(),
        ),
        (Admits::No, _) => Outcome::fail(
            subject,
            format!(
                "the Allowed AMIs setting is on and does not admit {}, so that a copy or a restore of an EC2 instance ends with `Source AMI \
                 not found`",
                quoted(OF_BACKUP)
            ),
            remedy(place, setting),
        ),
    }
}

fn remedy(place: Place<'_>, setting: &AllowedImages) -> String {
    let how = match setting.managed_by.as_deref() {
        Some("declarative-policy") => "in the declarative policy of the organization, which manages the setting there",
        _ => "`ec2:ReplaceImageCriteriaInAllowedImagesSettings`",
    };
    format!("{}: add a criterion with the image provider {} ({how})", place.words(), quoted(OF_BACKUP))
}
