//! `guardian replay`: recorded events through the real functions.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use guardian_aws::replay::{Mailbox, Replayer};
use guardian_core::arn::Region;
use guardian_core::event::{self, Parsed};
use guardian_core::report::{Alert, terminal};
use serde_json::Value;

use crate::input;
use crate::lab::Lab;
use crate::output::{Exit, Format, Output, complain};

/// Send recorded events through the real functions of a lab.
///
/// The events go into the queue of problem events, and the alerts that come out
/// are shown as a subscriber gets them: each job is told once, however often its
/// event comes.
#[derive(Debug, Args)]
#[command(after_help = "Examples, with a lab from `make lab PORT=4566`:
  export AWS_ENDPOINT_URL=http://127.0.0.1:4566
  guardian replay failed-copy.json
  guardian replay failed-copy.json --times 5
  guardian replay monday/*.json --format json

Without --queue-url only a lab is written to: AWS_ENDPOINT_URL must be an
address of this machine, and no credentials are needed. With --queue-url the
events are sent with your own credentials, and the alerts go to whoever is
subscribed; they are not shown.

Exit codes: 0 no alert came (or --queue-url: all sent), 1 alerts came,
2 wrong usage, unreadable input or no lab, 3 the lab did not come to rest.")]
pub(crate) struct Replay {
    /// Files with one EventBridge event each; `-` reads standard input.
    #[arg(required = true, value_name = "EVENT")]
    events: Vec<PathBuf>,
    /// How often each event is sent: AWS delivers at least once.
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    times: u32,
    /// Send into this queue instead of a lab's.
    #[arg(long, value_name = "URL")]
    queue_url: Option<String>,
}

/// More than a queue takes (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html>).
const LARGEST_MESSAGE: usize = 1024 * 1024;

/// An event as it will be sent.
struct Recorded {
    text: String,
    file: PathBuf,
}

impl Replay {
    pub(crate) async fn run(self, output: &Output) -> anyhow::Result<Exit> {
        let events = self.events.iter().map(|file| read(file)).collect::<anyhow::Result<Vec<_>>>()?;
        match &self.queue_url {
            Some(queue_url) => self.to_queue(queue_url, &events, output).await,
            None => self.through_lab(&events, output).await,
        }
    }

    async fn to_queue(&self, queue_url: &str, events: &[Recorded], output: &Output) -> anyhow::Result<Exit> {
        let region = queue_region(queue_url).context("`--queue-url` is no URL of a queue that names its Region: set AWS_REGION")?;
        let replayer = Replayer::here(&region).await;
        let sent = self.send(&replayer, queue_url, events).await?;
        if output.json(Format::Text) {
            output.print(&serde_json::json!({"sent": sent}).to_string())?;
        } else {
            output.print(&format!("{sent} sent."))?;
        }
        Ok(Exit::Fine)
    }

    async fn through_lab(&self, events: &[Recorded], output: &Output) -> anyhow::Result<Exit> {
        let lab = Lab::required()?;
        let info = lab.info()?;
        let region = Region::parse(info.text("/region")?)?;
        let replayer = Replayer::in_lab(&info.administrator()?, &region).await?;
        let queue = replayer
            .find_queue(&[info.text("/stack_name")?, "ProblemEventsQueue"])
            .await?
            .context("the lab has not exactly one queue of problem events: name it with `--queue-url`")?;
        let topic = info.text("/alert_topic_arn")?;
        let mailbox = replayer.subscribe(topic, &format!("guardian-replay-{}", std::process::id())).await?;
        let outcome = self.send_and_wait(&replayer, &lab, &queue, &mailbox, events).await;
        if let Err(error) = replayer.unsubscribe(mailbox).await {
            complain(&format!("guardian: the temporary queue could not be removed: {error}"));
        }
        let (sent, rested, bodies) = outcome?;
        show(&bodies, output)?;
        complain(&format!("guardian: {sent} sent, {}", count(bodies.len())));
        if !rested {
            complain("guardian: the lab did not come to rest, so more may follow: see `/lab/health`");
            return Ok(Exit::CouldNotTell);
        }
        Ok(if bodies.is_empty() { Exit::Fine } else { Exit::Finding })
    }

    async fn send(&self, replayer: &Replayer, queue_url: &str, events: &[Recorded]) -> anyhow::Result<u32> {
        let mut sent = 0;
        for event in events {
            // What is not an event is sent all the same, because the guardian must stand it; but say so.
            if let Parsed::Quarantine(quarantine) = event::parse(event.text.as_bytes()) {
                complain(&format!(
                    "guardian: {} is not an event ({}); it ends in the dead-letter queue",
                    input::name(&event.file),
                    quarantine.reason.as_str()
                ));
            }
            for _ in 0..self.times {
                replayer.send(queue_url, &event.text).await?;
                sent += 1;
            }
        }
        Ok(sent)
    }

    /// How many were sent, whether the lab came to rest, and the alerts.
    async fn send_and_wait(
        &self,
        replayer: &Replayer,
        lab: &Lab,
        queue: &str,
        mailbox: &Mailbox,
        events: &[Recorded],
    ) -> anyhow::Result<(u32, bool, Vec<String>)> {
        let sent = self.send(replayer, queue, events).await?;
        let rested = lab.idle()?;
        Ok((sent, rested, replayer.receive(mailbox, Duration::from_secs(2)).await?))
    }
}

fn read(file: &Path) -> anyhow::Result<Recorded> {
    let text = String::from_utf8(input::read(file)?);
    let text = text.map_err(|_| anyhow::anyhow!("{} is not text: a queue takes only that", input::name(file)))?;
    if text.len() > LARGEST_MESSAGE {
        anyhow::bail!("{} is larger than {} KiB, more than a queue takes", input::name(file), LARGEST_MESSAGE / 1024);
    }
    Ok(Recorded { text, file: file.to_owned() })
}

fn count(alerts: usize) -> String {
    match alerts {
        0 => "no alert: it was no problem, or the lab knew the job already (`POST /lab/reset` forgets)".to_owned(),
        1 => "1 alert".to_owned(),
        many => format!("{many} alerts"),
    }
}

fn show(bodies: &[String], output: &Output) -> anyhow::Result<()> {
    if output.json(Format::Text) {
        let alerts = bodies.iter().map(|body| serde_json::from_str(body).unwrap_or_else(|_| Value::String(body.clone())));
        return output.print(&serde_json::to_string_pretty(&alerts.collect::<Vec<Value>>())?);
    }
    if bodies.is_empty() {
        return output.print("No alert.");
    }
    let texts = bodies.iter().map(|body| match serde_json::from_str::<Alert>(body) {
        Ok(alert) => terminal(&alert, output.look()),
        Err(_) => body.escape_debug().to_string(),
    });
    output.print(&texts.collect::<Vec<_>>().join("\n\n"))
}

/// `https://sqs.<region>.amazonaws.com/...`, else the Region of the environment.
fn queue_region(queue_url: &str) -> Option<Region> {
    let host = queue_url.split("://").nth(1)?.split('/').next()?;
    let named = host.strip_prefix("sqs.").and_then(|rest| rest.split('.').next()).map(str::to_owned);
    Region::parse(&named.or_else(|| std::env::var("AWS_REGION").ok())?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_tells_its_region() {
        assert_eq!(queue_region("https://sqs.eu-west-1.amazonaws.com/1/q").unwrap().as_str(), "eu-west-1");
    }
}
