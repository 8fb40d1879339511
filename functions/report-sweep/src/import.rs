//! Hands the findings over to Security Hub: bounded in time and pace, and never a reason to report nothing.

use std::fs::File;
use std::future::Future;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::time::Duration;

use guardian_core::ports::PortError;
use tokio::time::{Instant, sleep_until};

/// Calls per second that Security Hub takes (<https://docs.aws.amazon.com/securityhub/1.0/APIReference/API_BatchImportFindings.html>).
const PER_SECOND: u32 = 10;
/// How often a batch is offered.
const ATTEMPTS: u32 = 5;

/// What became of the findings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Imported {
    /// Findings that Security Hub has.
    pub(crate) imported: u64,
    /// Findings that it has not.
    pub(crate) missing: u64,
    /// Why not, where one batch was refused as a whole.
    pub(crate) why: Option<String>,
}

/// Takes findings.
pub trait Importer: Send + Sync {
    /// Imports an input of BatchImportFindings; answers how many findings of it were refused.
    fn import(&self, batch: String) -> impl Future<Output = Result<u64, PortError>> + Send;
}

/// Imports every batch of a file, one a line, until `end`.
pub(crate) async fn import_all<I: Importer>(importer: &I, file: &Path, end: Instant) -> std::io::Result<Imported> {
    let mut done = Imported::default();
    let mut next = Instant::now();
    for line in BufReader::new(File::open(file)?).lines() {
        let batch = line?;
        let findings = count(&batch);
        let outcome = loop_until(importer, &batch, &mut next, end).await;
        match outcome {
            Ok(refused) => {
                done.imported += findings.saturating_sub(refused);
                done.missing += refused.min(findings);
            }
            Err(why) => {
                done.missing += findings;
                done.why.get_or_insert(why);
            }
        }
    }
    Ok(done)
}

async fn loop_until<I: Importer>(importer: &I, batch: &str, next: &mut Instant, end: Instant) -> Result<u64, String> {
    let mut why = "no time was left".to_owned();
    for attempt in 0..ATTEMPTS {
        if *next >= end {
            break;
        }
        sleep_until(*next).await;
        *next = Instant::now() + Duration::from_secs(1) / PER_SECOND;
        match importer.import(batch.to_owned()).await {
            Ok(refused) => return Ok(refused),
            Err(error) if error.retryable => {
                why = error.code;
                *next = Instant::now() + Duration::from_millis(200 << attempt);
            }
            Err(error) => return Err(error.code),
        }
    }
    Err(why)
}

fn count(batch: &str) -> u64 {
    let batch = serde_json::from_str::<serde_json::Value>(batch).unwrap_or_default();
    batch.get("Findings").and_then(serde_json::Value::as_array).map_or(0, |findings| u64::try_from(findings.len()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    struct Scripted(Mutex<Vec<Result<u64, PortError>>>);

    impl Importer for Scripted {
        async fn import(&self, _: String) -> Result<u64, PortError> {
            self.0.lock().unwrap().remove(0)
        }
    }

    fn refused(retryable: bool) -> Result<u64, PortError> {
        Err(PortError { operation: "securityhub:BatchImportFindings", code: "Some".to_owned(), retryable })
    }

    async fn run(answers: Vec<Result<u64, PortError>>, batches: usize, seconds: u64) -> (Imported, usize) {
        let folder = std::env::temp_dir().join(format!("report-sweep-import-{}-{:?}", std::process::id(), std::thread::current().id()));
        let line = "{\"Findings\":[{},{}]}\n";
        std::fs::write(&folder, line.repeat(batches)).unwrap();
        let importer = Scripted(Mutex::new(answers));
        let done = import_all(&importer, &folder, Instant::now() + Duration::from_secs(seconds)).await.unwrap();
        std::fs::remove_file(folder).unwrap();
        let left = importer.0.lock().unwrap().len();
        (done, left)
    }

    #[tokio::test(start_paused = true)]
    async fn what_may_pass_is_offered_again_and_what_is_refused_is_counted() {
        let (done, left) = run(vec![Ok(0), refused(true), Ok(1), refused(false)], 3, 60).await;
        assert_eq!(done, Imported { imported: 3, missing: 3, why: Some("Some".to_owned()) });
        assert_eq!(left, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn ten_batches_a_second_are_offered_and_none_when_the_time_is_over() {
        let (done, left) = run((0..100).map(|_| Ok(0)).collect(), 100, 2).await;
        assert_eq!(left, 80, "two seconds are twenty batches");
        assert_eq!(done, Imported { imported: 40, missing: 160, why: Some("no time was left".to_owned()) });
    }
}
