use std::time::Duration;

use guardian_core::event::{Job, JobId, JobType};
use guardian_core::evidence::{Fact, GapReason, KeyManager};
use guardian_core::ports::{BackupReader, KeyReader};
use serde_json::json;

use crate::canned::{Call, Canned, Reply, account, arn, error, ok, region, session};

const KEY: &str = "arn:aws:kms:eu-central-1:111111111111:key/1234abcd-12ab-34cd-56ef-1234567890ab";
const VAULT: &str = "arn:aws:backup:eu-west-1:222222222222:backup-vault:central-vault";

/// Answers STS itself and leaves the rest to `answer`.
pub(super) fn behind_sts(answer: impl Fn(&Call) -> Option<Reply> + Send + Sync + 'static) -> Canned {
    Canned::new(move |_, call| if call.operation == "AssumeRole" { Some(session(call)) } else { answer(call) })
}

#[tokio::test]
async fn a_key_is_read_in_its_own_account_and_region_through_the_reader_role() {
    let canned = behind_sts(|_| {
        Some(ok(json!({"KeyMetadata": {"KeyId": "1234abcd-12ab-34cd-56ef-1234567890ab", "Arn": KEY, "KeyManager": "CUSTOMER",
            "KeyState": "PendingDeletion", "DeletionDate": 1_793_600_000}})))
    });
    let key = canned.cloud().key(&arn(KEY)).await;
    let key = key.known().unwrap();
    assert_eq!((key.manager, key.state.as_deref()), (Some(KeyManager::Customer), Some("PendingDeletion")));
    assert_eq!(key.deletion_at.unwrap().as_second(), 1_793_600_000);
    let calls = canned.calls();
    assert_eq!(canned.operations(), ["AssumeRole", "TrentService.DescribeKey"]);
    let asked = calls[0].body.as_str().unwrap();
    for part in ["role%2Fbackup-guardian-reader", "RoleSessionName=backup-guardian", "ExternalId=ticket", "iam%3A%3A111111111111"] {
        assert!(asked.contains(part), "{part}: {asked}");
    }
    assert_eq!(calls[1].access_key, "ASIA111111111111");
    assert!(calls[1].uri.contains("kms.eu-central-1."), "{}", calls[1].uri);
}

#[tokio::test]
async fn one_session_serves_all_regions_and_all_reads_of_an_account() {
    let canned = behind_sts(|_| Some(error("NotFoundException")));
    let cloud = canned.cloud();
    let other = arn("arn:aws:kms:eu-west-1:111111111111:key/mrk-1");
    let home = arn(KEY);
    tokio::join!(cloud.key(&home), cloud.key(&other), cloud.key_policy(&home), cloud.key_policy(&other));
    let assumed = canned.operations().iter().filter(|operation| *operation == "AssumeRole").count();
    assert_eq!(assumed, 1);
}

#[tokio::test(start_paused = true)]
async fn every_failed_read_is_a_gap_with_action_account_region_and_reason() {
    for (code, reason) in [
        ("AccessDeniedException", GapReason::AccessDenied),
        ("NotFoundException", GapReason::NotFound),
        ("ThrottlingException", GapReason::Throttled),
        ("KMSInternalException", GapReason::Unavailable),
    ] {
        let canned = behind_sts(move |_| Some(error(code)));
        let Fact::Gap(gap) = canned.cloud().key_policy(&arn(KEY)).await else { panic!("{code}") };
        assert_eq!((gap.action.as_str(), gap.reason, gap.detail.as_deref()), ("kms:GetKeyPolicy", reason, Some(code)));
        assert_eq!((gap.account_id, gap.region), (account("111111111111"), Some(region("eu-central-1"))));
    }
    let canned = behind_sts(|_| Some(ok("{\"Policy\": \"{\"}")));
    assert_eq!(canned.cloud().key_policy(&arn(KEY)).await.gap().unwrap().reason, GapReason::Unreadable);
}

#[tokio::test(start_paused = true)]
async fn a_service_that_never_answers_is_a_gap_within_the_timeouts() {
    let canned = behind_sts(|_| None);
    let started = tokio::time::Instant::now();
    let gap = canned.cloud().key(&arn(KEY)).await.gap().cloned().unwrap();
    assert_eq!(gap.reason, GapReason::TimedOut);
    assert!(started.elapsed() <= Duration::from_secs(10), "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_role_that_cannot_be_assumed_is_asked_for_once_and_named() {
    let denied = "<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><Error><Type>Sender</Type><Code>AccessDenied</Code>\
                  <Message>no</Message></Error><RequestId>r</RequestId></ErrorResponse>";
    let canned = Canned::new(move |_, _| Some((403, vec![], denied.to_owned())));
    let cloud = canned.cloud();
    let (home, vault) = (arn(KEY), arn("arn:aws:backup:eu-central-1:111111111111:backup-vault:v"));
    let (key, policy, vault) = tokio::join!(cloud.key(&home), cloud.key_policy(&home), cloud.vault(&vault));
    for gap in [key.gap(), policy.gap(), vault.gap()] {
        let gap = gap.unwrap();
        assert_eq!((gap.action.as_str(), gap.reason), ("sts:AssumeRole", GapReason::RoleNotAssumable));
        assert!(gap.detail.as_deref().unwrap().contains("role/backup-guardian-reader"));
    }
    assert_eq!(canned.calls().len(), 1);
}

#[tokio::test]
async fn a_vault_without_a_policy_is_known_to_have_none() {
    let refusal = || (404, vec![("x-amzn-errortype", "ResourceNotFoundException")], "{}".to_owned());
    let canned = behind_sts(move |_| Some(refusal()));
    let policy = canned.cloud().vault_policy(&arn(VAULT)).await;
    assert_eq!(policy.known().unwrap().document, None);
    // But a vault that is not there is a gap.
    let gap = canned.cloud().vault(&arn(VAULT)).await.gap().cloned().unwrap();
    assert_eq!((gap.reason, gap.region), (GapReason::NotFound, Some(region("eu-west-1"))));
}

#[tokio::test]
async fn a_job_is_found_whichever_letter_case_its_id_has_there() {
    let job = |id: &str| {
        let mut job = Job::new(account("111111111111"), region("eu-central-1"), JobType::Copy);
        job.job_id = Some(JobId::from(id.to_owned()));
        job
    };
    for known in ["47C8EF56-74D8-059D-1301-C5BE1D5C926E", "47c8ef56-74d8-059d-1301-c5be1d5c926e"] {
        let canned = behind_sts(move |call| {
            Some(if call.uri.ends_with(known) {
                ok(json!({"CopyJob": {"CopyJobId": known, "State": "FAILED", "StatusMessage": "no", "IsParent": false,
                    "SourceBackupVaultArn": VAULT, "CreationDate": 1_793_596_873.239}}))
            } else {
                (404, vec![("x-amzn-errortype", "ResourceNotFoundException")], "{}".to_owned())
            })
        });
        let description = canned.cloud().job(&job("47C8EF56-74D8-059D-1301-C5BE1D5C926E")).await;
        let description = description.known().unwrap();
        assert_eq!(description.status_message.as_deref(), Some("no"));
        assert_eq!(description.vault_arn, Some(arn(VAULT)));
    }
}
