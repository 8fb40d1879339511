//! Answers a function as it was answered once, and hands it its event: what is left in a measurement is the function.
//!
//! The recording comes from the lab, which decides everything; here nothing is decided. A call is known by who makes it, its service and operation,
//! and what it asks for. Several equal calls get their answers in turn, from the first again with every event.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::ServerConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;
use serde_json::{Value, json};

use crate::answer::{Reply, Request, decode};
use crate::faults::Fault;
use crate::http::{self, Answering};

const RUNTIME: &str = "/2018-06-01/runtime/";
/// Time that a function has for an event.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A recording that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("the recording has no {0}")]
pub struct Incomplete(&'static str);

/// Who the server of a TLS connection is: its certificate and its key (PKCS 8), both DER.
#[derive(Debug)]
pub struct Identity {
    /// The certificate.
    pub certificate: Vec<u8>,
    /// The key.
    pub key: Vec<u8>,
}

impl Identity {
    fn config(self) -> Result<ServerConfig, rustls::Error> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?.with_no_client_auth();
        builder.with_single_cert(vec![self.certificate.into()], PrivatePkcs8KeyDer::from(self.key).into())
    }
}

/// A recording on its way.
#[derive(Debug)]
pub struct Replay {
    event: Vec<u8>,
    function_arn: String,
    answers: BTreeMap<Vec<String>, Vec<Reply>>,
    /// What AWS takes for each answer.
    delay: Duration,
    state: Mutex<State>,
    more: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Events that may still be handed out.
    allowed: u64,
    handed: u64,
    given: BTreeMap<Vec<String>, usize>,
    log: Vec<(u64, String)>,
}

impl Replay {
    /// From what `perf/cold.py` recorded: the event, and requests with their answers, each given after a while.
    pub fn of(recording: &Value, delay: Duration) -> Result<Self, Incomplete> {
        let text = |value: &Value, name: &'static str| value.get(name).and_then(Value::as_str).map(str::to_owned).ok_or(Incomplete(name));
        let mut answers = BTreeMap::<Vec<String>, Vec<Reply>>::new();
        for exchange in recording.get("exchanges").and_then(Value::as_array).ok_or(Incomplete("exchanges"))? {
            let whole = text(exchange, "path")?;
            let (path, query) = whole.split_once('?').unwrap_or((&whole, ""));
            let request = Request {
                method: text(exchange, "method")?,
                path: path.to_owned(),
                query: query.to_owned(),
                target: text(exchange, "target")?,
                authorization: text(exchange, "authorization")?,
                body: text(exchange, "body")?.into_bytes(),
                closes: false,
            };
            let status = exchange.get("status").and_then(Value::as_u64).and_then(|status| u16::try_from(status).ok());
            let reply = Reply {
                status: status.ok_or(Incomplete("status"))?,
                content_type: text(exchange, "content_type")?.into(),
                error: text(exchange, "error").ok().filter(|error| !error.is_empty()),
                headers: Vec::new(),
                body: text(exchange, "answer")?.into_bytes(),
            };
            answers.entry(identity(&request)).or_default().push(reply);
        }
        let event = recording.get("event").ok_or(Incomplete("event"))?.to_string().into_bytes();
        let function_arn = text(recording, "function_arn")?;
        Ok(Self { event, function_arn, answers, delay, state: Mutex::default(), more: Condvar::new() })
    }

    /// Answers on a port of loopback, until `orders` end. Each line there is a number: so many events more may be handed out. Then, once so many results
    /// came, or a minute went by, the log since the last is told: nanoseconds since 1970 and the call, for a message with what it says. No event: as soon as the
    /// function asks for one.
    ///
    /// First the addresses are told: that of the Lambda Runtime API, and `service=` that of each service, which are others as they are in AWS: a connection
    /// to one is of no use for another.
    pub fn serve(self, tls: Option<Identity>, orders: impl BufRead, mut told: impl Write) -> io::Result<()> {
        let tls = tls.map(Identity::config).transpose().map_err(io::Error::other)?.map(Arc::new);
        let replay = Arc::new(self);
        write!(told, "{}", replay.listen(None, None)?)?;
        let services = replay.answers.keys().filter_map(|identity| identity.get(1)).collect::<BTreeSet<_>>();
        for service in services {
            let scheme = if tls.is_some() { "https" } else { "http" };
            write!(told, " {service}={scheme}://{}", replay.listen(Some(service), tls.clone())?)?;
        }
        writeln!(told)?;
        told.flush()?;
        for line in orders.lines() {
            let events = line?.trim().parse::<u64>().unwrap_or(0);
            writeln!(told, "{}", json!(replay.run(events)))?;
            told.flush()?;
        }
        Ok(())
    }

    /// Another port, for one service or for the Runtime API.
    fn listen(self: &Arc<Self>, service: Option<&str>, tls: Option<Arc<ServerConfig>>) -> io::Result<SocketAddr> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        let (serving, met) = (Arc::clone(self), format!("handshake {}", service.unwrap_or("runtime")));
        std::thread::spawn(move || match tls {
            Some(tls) => http::serve_tls(&listener, &serving, &tls, move |replay| replay.met(&met)),
            None => http::serve(&listener, &serving),
        });
        Ok(address)
    }

    fn run(&self, events: u64) -> Vec<(u64, String)> {
        let mut state = self.state();
        state.allowed += events;
        self.more.notify_all();
        let (awaited, count) = if events == 0 { ("next", 1) } else { ("result", events) };
        let seen = |state: &State| state.log.iter().filter(|(_, call)| call.starts_with(awaited)).count() as u64;
        let end = SystemTime::now() + TIMEOUT;
        while seen(&state) < count {
            let Ok(left) = end.duration_since(SystemTime::now()) else { break };
            state = self.more.wait_timeout(state, left).map(|(state, _)| state).unwrap_or_else(|poisoned| poisoned.into_inner().0);
        }
        std::mem::take(&mut state.log)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn met(&self, handshake: &str) {
        self.state().log.push((now(), handshake.to_owned()));
    }

    /// The next event, as soon as one may be handed out.
    fn next(&self) -> Reply {
        let mut state = self.state();
        state.log.push((now(), "next".to_owned()));
        self.more.notify_all();
        while state.handed == state.allowed {
            state = self.more.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.handed += 1;
        state.given.clear();
        let (request, deadline) = (format!("00000000-0000-4000-8000-{:012}", state.handed), now() / 1_000_000 + 60_000);
        state.log.push((now(), "event".to_owned()));
        let headers = vec![
            ("Lambda-Runtime-Aws-Request-Id", request),
            ("Lambda-Runtime-Deadline-Ms", deadline.to_string()),
            ("Lambda-Runtime-Invoked-Function-Arn", self.function_arn.clone()),
        ];
        Reply { status: 200, content_type: crate::answer::JSON.into(), error: None, headers, body: self.event.clone() }
    }

    fn recorded(&self, request: &Request) -> Reply {
        let identity = identity(request);
        let mut state = self.state();
        let mut call = identity.get(1..3).unwrap_or_default().join(":");
        // What people are told is what programs are held against.
        if let Some(message) = request.form("Message") {
            call = format!("{call} {message}");
        }
        if request.authorization.is_empty() {
            state.log.push((now(), "unsigned".to_owned()));
            return Reply::error(403, "MissingAuthenticationTokenException");
        }
        let Some(answers) = self.answers.get(&identity) else {
            state.log.push((now(), format!("unknown {}", identity.join(" "))));
            return Reply::error(400, "NotRecorded");
        };
        let given = state.given.entry(identity).or_default();
        let reply = answers.get(*given).or(answers.last()).cloned();
        *given += 1;
        state.log.push((now(), call));
        reply.unwrap_or_else(|| Reply::error(400, "NotRecorded"))
    }
}

impl Answering for Replay {
    fn reply(&self, request: &Request) -> (Reply, Option<Fault>) {
        let Some(runtime) = request.path.strip_prefix(RUNTIME) else {
            let reply = self.recorded(request);
            std::thread::sleep(self.delay);
            return (reply, None);
        };
        if runtime == "invocation/next" {
            return (self.next(), None);
        }
        let what = if runtime.ends_with("/response") { "result" } else { "result: error" };
        let mut state = self.state();
        state.log.push((now(), format!("{what} {}", String::from_utf8_lossy(&request.body))));
        self.more.notify_all();
        let reply = Reply { status: 202, content_type: crate::answer::JSON.into(), error: None, headers: Vec::new(), body: b"{}".to_vec() };
        (reply, None)
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).ok().and_then(|since| u64::try_from(since.as_nanos()).ok()).unwrap_or(0)
}

/// What the answer depends on: who asks, the service, the operation, and what is asked for. Times and ids that every run draws anew are left out, and
/// so is the order of members.
fn identity(request: &Request) -> Vec<String> {
    let call = request.call();
    let key = request.authorization.split("Credential=").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or_default();
    let mut identity = vec![key.to_owned(), call.service, call.operation];
    if request.target.is_empty() && !request.path.trim_matches('/').is_empty() {
        identity.push(request.method.clone());
        identity.push(decode(request.path.trim_end_matches('/')));
    }
    identity.extend(subjects(request));
    identity
}

/// Members of a request that say what it asks for.
const SUBJECTS: [&str; 7] = ["TableName", "KeyId", "RoleArn", "RoleName", "PolicyName", "TopicArn", "QueueUrl"];

fn subjects(request: &Request) -> Vec<String> {
    let Ok(body) = serde_json::from_slice::<Value>(&request.body) else {
        return SUBJECTS.iter().filter_map(|name| request.form(name)).collect();
    };
    let mut found = SUBJECTS.iter().filter_map(|name| body.get(name)?.as_str().map(str::to_owned)).collect::<Vec<_>>();
    // Which item of a table, or which items of one key, without what is drawn anew; which event history.
    found.extend(body.pointer("/Key/pk/S").and_then(Value::as_str).map(str::to_owned));
    found.extend(body.pointer("/ExpressionAttributeValues/:pk/S").and_then(Value::as_str).map(str::to_owned));
    found.extend(body.pointer("/LookupAttributes/0/AttributeValue").and_then(Value::as_str).map(str::to_owned));
    found.extend(body.get("NextToken").and_then(Value::as_str).map(str::to_owned));
    found
}
