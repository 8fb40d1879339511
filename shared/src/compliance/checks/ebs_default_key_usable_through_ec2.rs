//! The default key of EBS can be used through EC2 without permissions for keys.

use crate::arn::{Arn, Region};
use crate::compliance::probe::{Caller, Says};
use crate::compliance::say::{Place, listed, quoted};
use crate::compliance::{AccountView, Check, Judge, Meta, Outcome, keyed, probe};
use crate::diagnosis::{Grade, Severity};
use crate::evidence::{KeyManager, RegionInventory};
use crate::policy::{Document, Policies};

/// The check.
pub(super) const CHECK: Check = Check {
    meta: Meta {
        code: "BKC-077",
        name: "ebs-default-key-usable-through-ec2",
        title: "The default key of EBS can be used through EC2 without permissions for keys",
        severity: Severity::Low,
        since: "0.1.0",
        needs: &["kms:GetKeyPolicy", "kms:DescribeKey", "ec2:GetEbsDefaultKmsKeyId"],
        remedy: Grade::NeedsApproval,
        references: &[
            "https://docs.aws.amazon.com/autoscaling/ec2/userguide/key-policy-requirements-EBS-encryption.html",
            "https://docs.aws.amazon.com/ebs/latest/userguide/ebs-encryption-requirements.html",
        ],
        page: include_str!("ebs-default-key-usable-through-ec2.md"),
    },
    judge: Judge::Account(judge),
};

/// What making a volume from a snapshot and attaching it takes (see the references).
const CALLS: &[&str] =
    &["kms:DescribeKey", "kms:Decrypt", "kms:GenerateDataKeyWithoutPlaintext", "kms:ReEncryptFrom", "kms:ReEncryptTo", "kms:CreateGrant"];

fn judge(view: &AccountView<'_>) -> Vec<Outcome> {
    view.in_source_account(|| view.in_regions(|place, region| vec![of(view, place, region)]))
}

fn of(view: &AccountView<'_>, place: Place<'_>, region: &RegionInventory) -> Outcome {
    let subject = place.here();
    let Some(ebs) = region.ebs.known() else { return Outcome::unseen(subject, "the default encryption of EBS", &region.ebs) };
    let name = ebs.key.as_deref().unwrap_or_default();
    if keyed::is_alias_of_aws(name) {
        return Outcome::not_applicable(subject, "AWS manages the default key of EBS, and lets everybody in who may use EC2");
    }
    let Some(key) = keyed::resolved(place, region, name) else {
        return Outcome::unknown(subject, "not seen: which key the default of EBS is", Vec::new());
    };
    let subject = place.of(&key);
    let Some(inventory) = region.keys.get(&key) else {
        return Outcome::unknown(subject, format!("not seen: the key {}, which was not asked for", quoted(key.as_str())), Vec::new());
    };
    match inventory.key.known().map(|key| key.manager) {
        None => return Outcome::unseen(subject, "who manages the key", &inventory.key),
        Some(Some(KeyManager::Aws)) => {
            return Outcome::not_applicable(subject, "AWS manages the default key of EBS, and lets everybody in who may use EC2");
        }
        Some(_) => {}
    }
    let Some(policy) = inventory.policy.known() else { return Outcome::unseen(subject, "the policy of the key", &inventory.policy) };
    // One who may use EC2 and has no permission of his own for any key: the service-linked role of EC2 Auto Scaling is never given one.
    let partition = key.partition();
    let role =
        format!("arn:{partition}:iam::{}:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling", place.account);
    let caller = Caller { arn: role.clone(), organization_id: view.organization_id(), ..Caller::administrator(place.account, partition) };
    let policies = Policies { resource: Some(Document::read(&policy.document)), ..Policies::default() };
    let owner = key.account().unwrap_or_else(|| place.account.clone());
    let mut refused = probe::Left::default();
    for action in CALLS {
        let mut context = caller.context(place.region.map(Region::as_str));
        context.set("kms:ViaService", via(&key));
        context.set("aws:ViaAWSService", "true");
        if *action == "kms:CreateGrant" {
            context.set("kms:GrantIsForAWSResource", "true");
        }
        match caller.may(action, (key.as_str(), owner.as_str()), context, &policies) {
            Says::No => refused.left.push(*action),
            says @ Says::Depends(_) => refused.add(action, says),
            Says::Yes => {}
        }
    }
    let evidence = [key.as_str().to_owned(), role];
    let outcome = if !refused.left.is_empty() {
        let seen = format!(
            "through EC2 its policy does not let principals without permissions of their own for keys do {}, so EC2 Auto Scaling, \
             whose service-linked role is given none, starts no instance with new volumes",
            listed(&refused.left)
        );
        let statement = format!(
            r#"{{"Effect":"Allow","Principal":{{"AWS":"*"}},"Action":["kms:CreateGrant","kms:Decrypt","kms:DescribeKey","kms:Encrypt","kms:GenerateDataKey*","kms:ReEncrypt*"],"Resource":"*","Condition":{{"StringEquals":{{"kms:CallerAccount":"{}","kms:ViaService":"{}"}}}}}}"#,
            place.account,
            via(&key)
        );
        let remedy =
            format!("in account {owner} add to the policy of {} by `kms:PutKeyPolicy`: {}", quoted(key.as_str()), quoted(&statement));
        Outcome::fail(subject, seen, remedy)
    } else if let Some((action, on)) = refused.open.first() {
        Outcome::unknown(subject, format!("whether its policy lets EC2 do {} depends on {}", quoted(action), listed(on)), Vec::new())
    } else {
        Outcome::pass(subject, "through EC2 its policy lets `AWSServiceRoleForAutoScaling` use it")
    };
    outcome.from(evidence)
}

fn via(key: &Arn) -> String {
    format!("ec2.{}.amazonaws.com", key.region().map(|region| region.as_str().to_owned()).unwrap_or_default())
}
