//! The handler: judge, write, hand over, tell, note.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, StreamExt as _};
use guardian_aws::answers::Answers;
use guardian_aws::lambda::count;
use guardian_aws_sweep::sweep::{Forms, PartError, Parts, ReportError, Routes, Sweep, changes, judge_to, write_forms};
use guardian_aws_sweep::{Kind, ReportBucket, SweepId};
use guardian_core::arn::{AccountId, Region};
use guardian_core::evidence::{AlarmPath, Fact, Gap, GapReason};
use guardian_core::incident::pace::{Permit, Sender};
use guardian_core::ports::{AlertSink, Heart, Pace, PortError, Pulse, RouteMemory, TroubleMemory};
use guardian_core::report::sweep::{Changes, Overview, Product, digest};
use guardian_core::report::{Alert, render};
use jiff::Timestamp;
use plan_sweep::{PlanError, opened};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::config::Told;
use crate::import::{Imported, Importer, import_all};
use crate::latest::Latest;

/// Name of the function in metrics.
const FUNCTION: &str = "report-sweep";
/// Who looks at the alarm path, every hour, and how old its last look may be.
const LOOKER: &str = "check-alarm-path";
const LOOKED_WITHIN_HOURS: u64 = 3;
/// Accounts whose copies are kept at the same time.
const ROUTES_AT_ONCE: usize = 8;
/// The part that says that people were told.
const TOLD: &str = "told.json";
/// What is left of an invocation for telling and noting when findings are handed over.
const NEEDED: Duration = Duration::from_secs(120);
/// How long a message waits for its turn: others are more urgent.
const TURNS: u32 = 60;

/// What is to be reported.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Request {
    /// The sweep.
    pub sweep: SweepId,
}

/// What was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// The sweep.
    pub sweep: SweepId,
    /// The page.
    pub report: String,
    /// The sweep that it was compared with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<SweepId>,
    /// Whether people were told.
    pub told: bool,
    /// Findings that Security Hub has.
    pub imported: u64,
}

/// A report that must be tried again.
#[derive(Debug, thiserror::Error)]
pub enum ReportSweepError {
    /// The event is none of the state machine.
    #[error("the event asks for nothing that is known: {0}")]
    Unknown(#[from] serde_json::Error),
    /// The sweep cannot be taken up.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// A part could not be had or kept.
    #[error(transparent)]
    Part(#[from] PartError),
    /// A report could not be made.
    #[error("{}", with_source(.0))]
    Report(#[from] ReportError),
    /// A file could not be made.
    #[error("the folder of reports cannot be made: {0}")]
    Folder(#[from] std::io::Error),
    /// Something was not taken.
    #[error(transparent)]
    Port(#[from] PortError),
}

fn with_source(error: &ReportError) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

/// The outside of the handler.
pub struct Ports<W, H, T, S, I, R> {
    /// The pace of messages.
    pub pace: W,
    /// Our heartbeat, and that of check-alarm-path.
    pub heart: H,
    /// What check-alarm-path keeps.
    pub troubles: T,
    /// Where the copies of the accounts are kept, for the predictions.
    pub routes: R,
    /// Where messages go.
    pub alerts: S,
    /// Security Hub, and the product in whose name findings are.
    pub findings: Option<(I, Product)>,
    /// The clock.
    pub now: Box<dyn Fn() -> Timestamp + Send + Sync>,
    /// Where metrics go, line by line.
    pub metrics: Box<dyn Fn(&str) + Send + Sync>,
}

/// The function.
pub struct Handler<W, H, T, S, I, R> {
    ports: Ports<W, H, T, S, I, R>,
    told: Told,
    account: AccountId,
    region: Option<Region>,
}

/// The reports of a sweep in a folder, each with what it is.
struct Files(PathBuf);

const MACHINE: &str = "report.json";
const PAGE: &str = "report.html";
const COVERAGE: &str = "coverage.csv";
const CHECKS: &str = "checks.csv";
const ASFF: &str = "findings.asff.jsonl";
const OCSF: &str = "findings.ocsf.jsonl";

/// Every report with its media type.
const REPORTS: [(&str, &str); 6] = [
    (MACHINE, "application/json"),
    (PAGE, "text/html; charset=utf-8"),
    (COVERAGE, "text/csv; charset=utf-8"),
    (CHECKS, "text/csv; charset=utf-8"),
    (ASFF, "application/jsonl"),
    (OCSF, "application/jsonl"),
];

impl Files {
    /// An empty folder: an environment that is used again keeps what the last invocation left.
    fn new(sweep: &SweepId) -> std::io::Result<Self> {
        let folder = std::env::temp_dir().join(format!("report-{sweep}"));
        match std::fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => std::fs::create_dir(&folder)?,
        }
        Ok(Self(folder))
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn forms(&self, product: Option<&Product>) -> Forms {
        Forms {
            html: Some(self.at(PAGE)),
            coverage_csv: Some(self.at(COVERAGE)),
            checks_csv: Some(self.at(CHECKS)),
            asff: product.map(|product| (self.at(ASFF), product.clone())),
            ocsf: Some(self.at(OCSF)),
            machine_form: Some(MACHINE.to_owned()),
        }
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        // What cannot be removed goes with the environment.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl<W, H, T, S, I, R> Handler<W, H, T, S, I, R>
where
    W: Pace,
    H: Heart + Pulse,
    T: TroubleMemory,
    S: AlertSink,
    I: Importer,
    R: RouteMemory,
{
    /// A handler over these ports, in this account and Region.
    pub fn new(ports: Ports<W, H, T, S, I, R>, told: Told, account: AccountId, region: Option<Region>) -> Self {
        Self { ports, told, account, region }
    }

    /// Reports a sweep.
    pub async fn report<A: Answers + 'static, P: Parts + 'static>(
        &self,
        sweep: &Arc<Sweep<A, P>>,
        parts: &P,
        bucket: &ReportBucket,
        id: &SweepId,
        deadline: Instant,
    ) -> Result<Answer, ReportSweepError> {
        let begun = opened(sweep, parts, id).await?;
        let mut ready = Box::pin(sweep.ready(begun)).await?;
        let at = ready.organization.at;
        ready.organization.alarm_path = self.alarm_path().await;
        let files = Files::new(id)?;
        let (keeper, judged) = mpsc::channel(ROUTES_AT_ONCE);
        ready.keep_for(keeper);
        let judging = async {
            // It ends with the last who hands copies over, and so ends the other.
            let ready = Arc::new(ready);
            Box::pin(judge_to(sweep, &ready, &files.at(MACHINE))).await
        };
        let (overview, ()) = tokio::join!(judging, self.keep_routes(judged));
        let overview = overview?;
        let latest = self.latest(bucket).await?;
        let before = latest.as_ref().and_then(|latest| latest.before(id));
        let changed = self.changed(bucket, before.as_ref(), &files).await?;
        let since = changed.as_ref().and(before);
        write_forms(&files.at(MACHINE), &overview, changed.as_ref(), &files.forms(self.product()))?;
        let reports = upload(bucket, id, &files).await?;
        let imported = self.hand_over(&files, deadline).await?;
        let page = bucket.uri(&id.key(PAGE));
        let told = self.tell(parts, &overview, changed.as_ref(), &page, &imported).await?;
        if latest.is_none_or(|latest| latest.sweep <= *id) {
            let latest = Latest::new(id.clone(), at, reports, since.clone());
            let kind = Kind { content_type: "application/json", tag: None };
            bucket.put_object(&SweepId::latest(), serde_json::to_vec(&latest)?.into(), kind).await?;
        }
        self.beat().await;
        Ok(Answer { sweep: id.clone(), report: page, since, told, imported: imported.imported })
    }

    /// Keeps the copies of the accounts as they are judged. What is not kept makes no report worse; a prediction goes by what was kept before.
    async fn keep_routes(&self, judged: mpsc::Receiver<Routes>) {
        let coming = stream::unfold(judged, async |mut judged| Some((judged.recv().await?, judged)));
        let kept = coming.map(|routes| async move {
            let kept = self.ports.routes.keep(&routes.account_id, &routes.kept, routes.at, (self.ports.now)()).await;
            (routes.account_id, kept)
        });
        let mut kept = std::pin::pin!(kept.buffer_unordered(ROUTES_AT_ONCE));
        while let Some((account, kept)) = kept.next().await {
            if let Err(error) = kept {
                tracing::error!(%account, operation = error.operation, code = %error.code, "the copies of an account were not kept");
                self.count("not-kept", "routes");
            }
        }
    }

    /// What check-alarm-path came to: found there, and told here.
    async fn alarm_path(&self) -> Fact<AlarmPath> {
        let now = (self.ports.now)();
        let looked = self.ports.heart.last_beat(LOOKER, now).await;
        match self.ports.troubles.kept().await {
            Ok(troubles) => {
                let value = AlarmPath { account_id: self.account.clone(), looked, limit_hours: LOOKED_WITHIN_HOURS, troubles };
                Fact::Known { value, source: "dynamodb:Query".to_owned(), at: now }
            }
            Err(error) => Fact::Gap(Gap {
                action: error.operation.to_owned(),
                account_id: self.account.clone(),
                region: self.region.clone(),
                reason: GapReason::Unavailable,
                detail: Some(error.code),
            }),
        }
    }

    /// The newest sweep so far. What cannot be understood is none: then everything is told.
    async fn latest(&self, bucket: &ReportBucket) -> Result<Option<Latest>, ReportSweepError> {
        let Some(bytes) = bucket.get_object(&SweepId::latest()).await? else { return Ok(None) };
        let latest = serde_json::from_slice(&bytes);
        Ok(latest.inspect_err(|error| tracing::error!(%error, "what names the newest sweep cannot be understood")).ok())
    }

    /// What changed since a sweep, where it can still be read.
    async fn changed(&self, bucket: &ReportBucket, before: Option<&SweepId>, files: &Files) -> Result<Option<Changes>, ReportSweepError> {
        let Some(before) = before else { return Ok(None) };
        let file = files.at("before.json");
        if !bucket.get_file(&before.key(MACHINE), &file).await? {
            tracing::error!(sweep = %before, "the last report is gone; everything is told as new");
            return Ok(None);
        }
        let changed = changes(&file, &files.at(MACHINE));
        // It may be of an older version; the next sweep is compared with this one.
        let _ = std::fs::remove_file(&file);
        Ok(changed
            .inspect_err(|error| tracing::error!(sweep = %before, error = with_source(error), "the last report cannot be compared"))
            .ok())
    }

    fn product(&self) -> Option<&Product> {
        self.ports.findings.as_ref().map(|(_, product)| product)
    }

    /// Hands the findings over to Security Hub, where somebody asked for it.
    async fn hand_over(&self, files: &Files, deadline: Instant) -> Result<Imported, ReportSweepError> {
        let Some((importer, _)) = &self.ports.findings else { return Ok(Imported::default()) };
        let end = deadline.checked_sub(NEEDED).unwrap_or(deadline);
        let imported = import_all(importer, &files.at(ASFF), end).await?;
        if imported.missing > 0 {
            tracing::error!(missing = imported.missing, why = imported.why, "Security Hub did not take every finding");
            self.count("not-imported", "findings");
        }
        Ok(imported)
    }

    /// Tells people, once, what they should know.
    async fn tell<P: Parts>(
        &self,
        parts: &P,
        overview: &Overview,
        changed: Option<&Changes>,
        page: &str,
        imported: &Imported,
    ) -> Result<bool, ReportSweepError> {
        if !is_due(self.told, overview, changed, imported) {
            return Ok(false);
        }
        if parts.get(TOLD).await?.is_some() {
            return Ok(true);
        }
        let Some(mut alert) = digest(overview, changed, Some(page)) else { return Ok(false) };
        self.add_missing(&mut alert, imported);
        self.turn().await;
        self.ports.alerts.send(&render(&alert)).await?;
        self.count("alerts", "sweep");
        tracing::info!(incident_id = %alert.incident_id, severity = alert.severity.as_str(), "digest sent");
        parts.put(TOLD, serde_json::to_vec(&serde_json::json!({"incident_id": alert.incident_id}))?).await?;
        Ok(true)
    }

    fn add_missing(&self, alert: &mut Alert, imported: &Imported) {
        if imported.missing > 0 {
            let why = imported.why.as_deref().unwrap_or("refused one by one");
            alert.gaps.push(Gap {
                action: "securityhub:BatchImportFindings".to_owned(),
                account_id: self.account.clone(),
                region: self.region.clone(),
                reason: GapReason::Unavailable,
                detail: Some(guardian_core::report::inert_text(&format!("{} findings were not imported: {why}", imported.missing))),
            });
        }
    }

    /// Waits for the turn of the message. Where the pace cannot be asked it is sent all the same: it is one a day.
    async fn turn(&self) {
        for _ in 0..TURNS {
            match self.ports.pace.permit(&Sender::Digest, (self.ports.now)()).await {
                Ok(Permit::Now) => return,
                Ok(Permit::After(wait)) => tokio::time::sleep(wait.unsigned_abs().min(Duration::from_secs(1))).await,
                Err(error) => {
                    tracing::error!(operation = error.operation, code = %error.code, "the table is down; telling without it");
                    return self.count("failed-open", "permit");
                }
            }
        }
        self.count("failed-open", "turn");
    }

    async fn beat(&self) {
        self.count("heartbeat", "complete");
        if let Err(error) = self.ports.heart.beat(FUNCTION, (self.ports.now)()).await {
            tracing::error!(operation = error.operation, code = %error.code, "the heartbeat was not kept");
        }
    }

    fn count(&self, metric: &str, reason: &str) {
        (self.ports.metrics)(&count(FUNCTION, metric, reason, (self.ports.now)()));
    }
}

/// Whether people should hear of a sweep: of the first, of what changed, of what could not be seen or handed over.
fn is_due(told: Told, overview: &Overview, changed: Option<&Changes>, imported: &Imported) -> bool {
    let unseen = overview.totals.accounts_not_evaluated > 0 || !overview.organization_gaps.is_empty();
    told == Told::Always || changed.is_none_or(|changed| !changed.is_empty()) || unseen || imported.missing > 0
}

/// Puts every report that was made into the bucket; the keys.
async fn upload(bucket: &ReportBucket, id: &SweepId, files: &Files) -> Result<Vec<String>, PortError> {
    let mut keys = Vec::new();
    for (name, content_type) in REPORTS {
        let file: &Path = &files.at(name);
        if file.exists() {
            bucket.put_file(&id.key(name), file, Kind { content_type, tag: None }).await?;
            keys.push(id.key(name));
        }
    }
    Ok(keys)
}
