//! A lab on this machine (`make lab`): its control routes, and the way in.

use std::io::{Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::Value;

/// Longest wait until nothing is in flight any more: a thousand events take their time, and what fails is tried again sixty times.
const REST: Duration = Duration::from_secs(300);
/// Longest wait for an answer.
const PATIENCE: Duration = Duration::from_secs(310);

/// The control routes of a lab on this machine.
pub(crate) struct Lab {
    host: String,
}

/// What a lab says of itself.
pub(crate) struct Info {
    answer: Value,
}

impl Lab {
    /// The lab that `AWS_ENDPOINT_URL` names; `None` where it names none on this machine.
    pub(crate) fn from_env() -> Option<Self> {
        let url = endpoint()?;
        let host = url.strip_prefix("http://").map(|rest| rest.trim_end_matches('/').to_owned());
        host.filter(|host| is_loopback(host)).map(|host| Self { host })
    }

    /// The lab, or what is missing to find it.
    pub(crate) fn required() -> anyhow::Result<Self> {
        match (Self::from_env(), endpoint()) {
            (Some(lab), _) => Ok(lab),
            (None, None) => bail!("AWS_ENDPOINT_URL is not set: start a lab with `make lab`, or name a queue with `--queue-url`"),
            (None, Some(url)) => {
                bail!("AWS_ENDPOINT_URL is `{}`, not a lab on this machine: name a queue with `--queue-url`", url.escape_debug())
            }
        }
    }

    /// `/lab/info`.
    pub(crate) fn info(&self) -> anyhow::Result<Info> {
        Ok(Info { answer: self.get("/lab/info")? })
    }

    /// Returns when nothing is in flight; `false` where that did not come to pass.
    pub(crate) fn idle(&self) -> anyhow::Result<bool> {
        Ok(self.get(&format!("/lab/idle?timeout={}", REST.as_secs()))?.get("idle").and_then(Value::as_bool) == Some(true))
    }

    fn get(&self, path: &str) -> anyhow::Result<Value> {
        let address = self.host.to_socket_addrs().ok().and_then(|mut found| found.next());
        let address = address.with_context(|| format!("AWS_ENDPOINT_URL names `{}`, which has no address", self.host.escape_debug()))?;
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(3))
            .with_context(|| format!("no lab answers at `{}`: start one with `make lab`", self.host))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        // HTTP/1.0: the server closes when it is done, so that nothing has to be chunked.
        write!(stream, "GET {path} HTTP/1.0\r\nHost: {}\r\n\r\n", self.host)?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).with_context(|| format!("`{}` gave no answer to `{path}`", self.host))?;
        let (head, body) = answer.split_once("\r\n\r\n").with_context(|| format!("`{}` does not speak HTTP", self.host))?;
        let status = head.split(' ').nth(1).unwrap_or_default();
        if status != "200" {
            bail!("`{}` is no lab: `{path}` answered {status}", self.host);
        }
        serde_json::from_str(body).with_context(|| format!("`{}` is no lab: `{path}` did not answer JSON", self.host))
    }
}

impl Info {
    /// A text of the answer, by JSON pointer.
    pub(crate) fn text(&self, pointer: &str) -> anyhow::Result<&str> {
        self.answer.pointer(pointer).and_then(Value::as_str).with_context(|| format!("`/lab/info` has no `{pointer}`"))
    }

    /// The administrator of the guardian account.
    pub(crate) fn administrator(&self) -> anyhow::Result<String> {
        Ok(format!("arn:aws:iam::{}:role/{}", self.text("/accounts/guardian")?, self.text("/admin_role_name")?))
    }
}

fn endpoint() -> Option<String> {
    std::env::var("AWS_ENDPOINT_URL").ok().filter(|url| !url.is_empty())
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
    }
}
