//! What only vault notifications tell: each of them is told, whatever was told before of the same job, resource or kind.

use std::sync::Arc;
use std::time::Duration;

use guardian_core::evidence::JobDescription;
use guardian_core::incident::Closing;
use guardian_core::ports::IncidentKeeper as _;
use guardian_tests::{World, batch_of_texts, event};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::setting::{arn, function, world};
use crate::storms::{come_back, running};

const CLUSTER: &str = "arn:aws:eks:eu-central-1:111111111111:cluster/payroll";
const BUCKET: &str = "arn:aws:s3:::payroll-documents";

/// A notification of the queue of notifications about a job.
fn notification(name: &str, event_type: &str, job: &str, message: &str) -> Value {
    let mut body = event(name);
    body["MessageId"] = json!(format!("{event_type}-{job}"));
    body["Message"] = json!(message);
    body["MessageAttributes"]["EventType"]["Value"] = json!(event_type);
    body["MessageAttributes"]["Id"]["Value"] = json!(job);
    body
}

async fn tell(world: &World, body: &Value) {
    let mut payload = batch_of_texts(&[body.to_string()]);
    payload["Records"][0]["eventSourceARN"] = json!("arn:aws:sqs:eu-central-1:444444444444:backup-guardian-vault-notifications");
    let answer = Arc::clone(&function(world)).handle(payload, Instant::now() + Duration::from_secs(60)).await.unwrap();
    assert_eq!(answer["batchItemFailures"], json!([]), "{body}");
}

fn describe(world: &World, job: &str, resource: &str) {
    let description = JobDescription { resource_arn: Some(arn(resource)), ..JobDescription::default() };
    world.set(|state| _ = state.jobs.insert(job.to_owned(), description));
}

/// Severity and summary of each alert.
fn told(world: &World) -> Vec<(String, String)> {
    let text = |alert: &Value, field: &str| alert[field].as_str().unwrap().to_owned();
    world.alerts().iter().map(|alert| (text(alert, "severity"), text(alert, "summary"))).collect()
}

#[tokio::test(start_paused = true)]
async fn objects_that_are_left_out_by_design_hide_none_that_failed() {
    // Of the same job, and of a later one of the same cluster.
    for (skipped, failed) in [("job-1", "job-1"), ("job-1", "job-2")] {
        let world = world();
        describe(&world, skipped, CLUSTER);
        describe(&world, failed, CLUSTER);
        let message = |what: &str| format!("AWS Backup {what} one or more objects. Resource ARN : {CLUSTER}.");
        let name = "vault-notification/eks-restore-object-skipped";
        tell(&world, &notification(name, "EKS_RESTORE_OBJECT_SKIPPED", skipped, &message("skipped"))).await;
        tell(&world, &notification(name, "EKS_RESTORE_OBJECT_FAILED", failed, &message("failed to restore"))).await;
        let told = told(&world);
        assert_eq!(told.iter().map(|(severity, _)| severity.as_str()).collect::<Vec<_>>(), ["low", "medium"], "{failed}: {told:?}");
        assert!(told[1].1.contains("could not restore"), "{told:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_restore_that_left_objects_out_hides_no_backup_of_the_same_bucket_that_does() {
    let world = world();
    describe(&world, "job-1", BUCKET);
    describe(&world, "job-2", BUCKET);
    let message = |what: &str| format!("AWS Backup failed to {what} one or more objects. Resource ARN : {BUCKET}.");
    tell(&world, &notification("vault-notification/s3-restore-object-failed", "S3_RESTORE_OBJECT_FAILED", "job-1", &message("restore")))
        .await;
    tell(&world, &notification("vault-notification/s3-backup-object-failed", "S3_BACKUP_OBJECT_FAILED", "job-2", &message("back up")))
        .await;
    let told = told(&world);
    assert_eq!(told.iter().map(|(severity, _)| severity.as_str()).collect::<Vec<_>>(), ["medium", "high"], "{told:?}");
}

#[tokio::test(start_paused = true)]
async fn a_message_that_names_no_resource_hides_no_other_bucket() {
    let world = world();
    describe(&world, "job-1", BUCKET);
    describe(&world, "job-2", "arn:aws:s3:::invoices");
    for job in ["job-1", "job-2", "job-2"] {
        let message = "AWS Backup failed to back up one or more objects.";
        tell(&world, &notification("vault-notification/s3-backup-object-failed", "S3_BACKUP_OBJECT_FAILED", job, message)).await;
    }
    let told = told(&world);
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!(world.alerts()[1]["act_in"]["resource_arn"], "arn:aws:s3:::invoices");
}

#[tokio::test(start_paused = true)]
async fn a_continuous_backup_that_stops_hides_no_other_however_aws_names_it() {
    for name in ["arn:aws:rds:eu-central-1:111111111111:db:", "arn:aws:s3:::"] {
        let world = world();
        for resource in ["payroll", "invoices"] {
            let message = format!("The continuous backup of {name}{resource} was interrupted.");
            let body =
                notification("vault-notification/continuous-backup-interrupted", "CONTINUOUS_BACKUP_INTERRUPTED", resource, &message);
            tell(&world, &body).await;
        }
        let told = told(&world);
        assert_eq!(told.len(), 2, "{told:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn two_selections_of_a_plan_that_cannot_be_processed_have_each_a_message() {
    let world = world();
    let events = ["role-not-assumable", "tags-not-allowed", "other-error"].map(|name| event(&format!("not-started/{name}")));
    let plan = events[0]["detail"]["serviceEventDetails"]["backupPlanArn"].clone();
    // Two nights.
    for (n, event) in events.iter().chain(&events).enumerate() {
        let mut event = event.clone();
        event["detail"]["eventID"] = json!(format!("record-{n}"));
        event["detail"]["serviceEventDetails"]["backupPlanArn"] = plan.clone();
        function(&world).event(event.to_string().as_bytes(), Instant::now() + Duration::from_secs(60)).await.unwrap();
    }
    let alerts = world.alerts();
    let incidents = alerts.iter().map(|alert| alert["incident_id"].as_str().unwrap()).collect::<std::collections::BTreeSet<_>>();
    assert_eq!((alerts.len(), incidents.len()), (3, 3), "{:?}", told(&world));
}

#[tokio::test(start_paused = true)]
async fn a_request_to_confirm_a_subscription_is_kept_out_and_fails_nothing() {
    let world = world();
    tell(&world, &event("vault-notification/odd-subscription-confirmation")).await;
    assert!(world.alerts().is_empty());
    let metrics = world.get(|state| state.metrics.clone());
    assert!(metrics.len() == 1 && metrics[0].contains("ignored"), "{metrics:?}");
}

#[tokio::test(start_paused = true)]
async fn what_somebody_closed_is_told_on_the_way_to_the_next_reminder_and_opened_by_the_next_message() {
    let world = running();
    let message = format!("The continuous backup was interrupted. Resource ARN : {BUCKET}.");
    let interrupted =
        |n: &str| notification("vault-notification/continuous-backup-interrupted", "CONTINUOUS_BACKUP_INTERRUPTED", n, &message);
    tell(&world, &interrupted("first")).await;
    // The looks for late evidence are over, and the next one is the reminder.
    come_back(&world, 3600).await;
    let id = world.incidents()[0].id.clone();
    let closing = Closing { owner: "sam".to_owned(), reason: "begun anew".to_owned(), at: world.now(), opening: 0 };
    world.close(&id, &closing).await.unwrap().unwrap().unwrap();
    come_back(&world, 905).await;
    let kinds = || world.alerts().iter().map(|alert| alert["kind"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(kinds(), ["failure", "resolved"]);
    assert_eq!(world.alerts()[1]["closed"]["owner"], "sam");
    come_back(&world, 24 * 3600).await;
    assert_eq!(kinds().len(), 2, "nobody is reminded of what is over");
    tell(&world, &interrupted("second")).await;
    assert_eq!(kinds(), ["failure", "resolved", "failure"]);
    assert_eq!(world.alerts()[2]["incident_id"], id.as_str());
}
