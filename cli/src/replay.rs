//! `guardian replay`: recorded events through the real functions.

use std::io::{Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use guardian_aws::replay::{Mailbox, Replayer};
use guardian_core::event::{self, Parsed};
use guardian_core::report::{Alert, terminal};
use serde_json::Value;

use crate::explain::read_input;
use crate::output::{Exit, Format, Output, complain};

/// Longest wait until the lab has nothing in flight.
const IDLE_PATIENCE: Duration = Duration::from_secs(60);

/// Send recorded events through the real functions of a lab and show the alerts that come out.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  AWS_ENDPOINT_URL=http://127.0.0.1:4566 guardian replay failed-copy.json
  AWS_ENDPOINT_URL=http://127.0.0.1:4566 guardian replay failed-copy.json --times 5
  guardian replay failed-copy.json --queue-url https://sqs.eu-central-1.amazonaws.com/444444444444/problem-events

Without --queue-url only a lab is written to: AWS_ENDPOINT_URL must be a loopback address. With --queue-url the events are sent with your own
credentials, and the alerts go to whoever is subscribed.")]
pub(crate) struct Replay {
    /// Files with one EventBridge event each; `-` reads standard input.
    #[arg(required = true, value_name = "EVENT")]
    events: Vec<PathBuf>,
    /// How often each event is sent: AWS delivers at least once.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    times: u32,
    /// Send into this queue instead of a lab's.
    #[arg(long, value_name = "URL")]
    queue_url: Option<String>,
}

impl Replay {
    pub(crate) async fn run(self, output: &Output) -> anyhow::Result<Exit> {
        let mut events = Vec::new();
        for file in &self.events {
            let bytes = read_input(file)?;
            let text = String::from_utf8(bytes).with_context(|| format!("`{}` is not UTF-8 text", file.display()))?;
            events.push((text, file));
        }
        if let Some(queue_url) = &self.queue_url {
            let region = queue_region(queue_url).context("`--queue-url` names no Region: set AWS_REGION")?;
            let replayer = Replayer::here(&region).await;
            let sent = self.send(&replayer, queue_url, &events).await?;
            if output.json(Format::Text) {
                output.print(&serde_json::json!({"sent": sent}).to_string())?;
            } else {
                output.print(&format!("{sent} event(s) sent."))?;
            }
            return Ok(Exit::Fine);
        }
        let lab = Lab::from_env()?;
        let info = lab.get("/lab/info")?;
        let text = |path: &str| {
            info.pointer(path).and_then(Value::as_str).map(str::to_owned).with_context(|| format!("`/lab/info` has no `{path}`"))
        };
        let (region, topic) = (text("/region")?, text("/alert_topic_arn")?);
        let role = format!("arn:aws:iam::{}:role/{}", text("/accounts/guardian")?, text("/admin_role_name")?);
        let replayer = Replayer::through(&role, &region).await?;
        let queue = replayer
            .find_queue(&[&text("/stack_name")?, "ProblemEventsQueue"])
            .await?
            .context("the lab has not exactly one queue of problem events: name it with `--queue-url`")?;
        let mailbox = replayer.subscribe(&topic, &format!("guardian-replay-{}", std::process::id())).await?;
        let alerts = self.through_lab(&replayer, &lab, &queue, &mailbox, &events).await;
        if let Err(error) = replayer.unsubscribe(mailbox).await {
            complain(&format!("guardian: the temporary queue could not be removed: {error}"));
        }
        show(&alerts?, output)
    }

    async fn send(&self, replayer: &Replayer, queue_url: &str, events: &[(String, &PathBuf)]) -> anyhow::Result<u32> {
        let mut sent = 0;
        for (event, file) in events {
            // What is not an event is sent all the same, because the guardian must stand it; but say so.
            if let Parsed::Quarantine(quarantine) = event::parse(event.as_bytes()) {
                complain(&format!("guardian: `{}` is not an event ({})", file.display(), quarantine.reason.as_str()));
            }
            for _ in 0..self.times {
                replayer.send(queue_url, event).await?;
                sent += 1;
            }
        }
        Ok(sent)
    }

    async fn through_lab(
        &self,
        replayer: &Replayer,
        lab: &Lab,
        queue: &str,
        mailbox: &Mailbox,
        events: &[(String, &PathBuf)],
    ) -> anyhow::Result<Vec<String>> {
        self.send(replayer, queue, events).await?;
        lab.get("/lab/idle").context("the lab did not come to rest")?;
        Ok(replayer.receive(mailbox, Duration::from_secs(2)).await?)
    }
}

fn show(bodies: &[String], output: &Output) -> anyhow::Result<Exit> {
    if output.json(Format::Text) {
        let alerts = bodies.iter().map(|body| serde_json::from_str(body).unwrap_or_else(|_| Value::String(body.clone())));
        output.print(&serde_json::to_string_pretty(&alerts.collect::<Vec<Value>>())?)?;
    } else if bodies.is_empty() {
        output.print("No alert.")?;
    } else {
        let texts = bodies.iter().map(|body| match serde_json::from_str::<Alert>(body) {
            Ok(alert) => terminal(&alert, output.color()),
            Err(_) => body.escape_debug().to_string(),
        });
        output.print(&texts.collect::<Vec<_>>().join("\n\n"))?;
    }
    Ok(if bodies.is_empty() { Exit::Fine } else { Exit::Finding })
}

/// `https://sqs.<region>.amazonaws.com/…`, else the Region of the environment.
fn queue_region(queue_url: &str) -> Option<String> {
    let host = queue_url.split("://").nth(1)?.split('/').next()?;
    let named = host.strip_prefix("sqs.").and_then(|rest| rest.split('.').next()).map(str::to_owned);
    named.or_else(|| std::env::var("AWS_REGION").ok())
}

/// The control routes of a lab on this machine.
struct Lab {
    host: String,
}

impl Lab {
    fn from_env() -> anyhow::Result<Self> {
        let url = std::env::var("AWS_ENDPOINT_URL").ok().filter(|url| !url.is_empty());
        let Some(url) = url else { bail!("AWS_ENDPOINT_URL is not set: start a lab with `make lab`, or name a queue with `--queue-url`") };
        let host = url.strip_prefix("http://").map(|rest| rest.trim_end_matches('/').to_owned());
        let Some(host) = host.filter(|host| is_loopback(host)) else {
            bail!("AWS_ENDPOINT_URL is `{}`, not a lab on this machine: name a queue with `--queue-url`", url.escape_debug())
        };
        Ok(Self { host })
    }

    fn get(&self, path: &str) -> anyhow::Result<Value> {
        let address = self.host.to_socket_addrs()?.next().context("the lab has no address")?;
        let mut stream =
            TcpStream::connect_timeout(&address, Duration::from_secs(3)).with_context(|| format!("no lab at `{}`", self.host))?;
        stream.set_read_timeout(Some(IDLE_PATIENCE))?;
        // HTTP/1.0: the server closes when it is done, so that nothing has to be chunked.
        write!(stream, "GET {path} HTTP/1.0\r\nHost: {}\r\n\r\n", self.host)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").context("the lab gave no answer")?;
        let status = head.split(' ').nth(1).unwrap_or_default();
        if status != "200" {
            bail!("`{path}` answered {status}");
        }
        serde_json::from_str(body).with_context(|| format!("`{path}` did not answer JSON"))
    }
}

/// Whether `host:port` can only be this machine.
fn is_loopback(host: &str) -> bool {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name).trim_matches(['[', ']']);
    name == "localhost" || name.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_counts_as_a_lab() {
        for lab in ["127.0.0.1:4566", "localhost:4566", "[::1]:4566", "127.0.0.2:1"] {
            assert!(is_loopback(lab), "{lab}");
        }
        for other in ["10.0.0.1:4566", "127.0.0.1.example.com:80", "localhost.example.com:80", "example.com", ""] {
            assert!(!is_loopback(other), "{other}");
        }
        assert_eq!(queue_region("https://sqs.eu-west-1.amazonaws.com/1/q").as_deref(), Some("eu-west-1"));
    }
}
