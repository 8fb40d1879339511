//! A stub of the calls that a sweep makes, for tests that count every request and for measurements that moto is too slow for.
//!
//! It knows an estate from a seed, keeps a log of every request, and on demand the published token buckets, latency and faults. It is no AWS: nothing
//! is decided by policies here. The lab does that.

pub mod answer;
mod backup;
mod documents;
pub mod estate;
pub mod faults;
mod http;
pub mod limits;
mod points;
pub mod replay;

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use answer::{Call, Reply, Request};
use estate::{Shape, mix};
use faults::Fault;
use http::Answering;
use limits::Buckets;
use points::Pages;

/// How the stub behaves.
#[derive(Debug)]
pub struct Settings {
    /// The estate.
    pub shape: Shape,
    /// How long every answer takes.
    pub latency: Duration,
    /// Whether the published limits hold.
    pub limited: bool,
    /// How many calls in a hundred fail, and the seed that chooses them.
    pub faults: (u64, u64),
    /// Calls that always fail in one way: account (or none for all), service, operation (or none for all).
    pub always: Vec<(Option<String>, String, Option<String>, Fault)>,
}

impl Settings {
    /// A stub of this estate that answers at once and well.
    pub fn of(shape: Shape) -> Self {
        Self { shape, latency: Duration::ZERO, limited: false, faults: (0, 0), always: Vec::new() }
    }
}

/// What was asked, and what came of it.
#[derive(Clone, Debug, Default)]
pub struct Log {
    /// Calls that were answered, by account, Region, service and operation.
    pub answered: BTreeMap<Call, u64>,
    /// Calls that failed on purpose.
    pub failed: u64,
    /// Calls that the limits turned away.
    pub throttled: u64,
}

impl Log {
    /// All calls.
    pub fn total(&self) -> u64 {
        self.answered.values().sum::<u64>() + self.failed + self.throttled
    }

    /// Calls that were answered, by service and operation: `backup:ListBackupVaults`.
    pub fn by_operation(&self) -> BTreeMap<String, u64> {
        let mut calls = BTreeMap::<String, u64>::new();
        for (call, count) in &self.answered {
            *calls.entry(format!("{}:{}", call.service, call.operation)).or_default() += count;
        }
        calls
    }
}

/// A running stub. Its thread ends with the process.
#[derive(Debug)]
pub struct Stub {
    settings: Settings,
    buckets: Buckets,
    pages: Pages,
    log: Mutex<Log>,
    tries: Mutex<BTreeMap<u64, u64>>,
}

impl Stub {
    /// Starts on a port of loopback (0: a free one); answers with its address.
    pub fn start(settings: Settings, port: u16) -> std::io::Result<(Arc<Self>, String)> {
        let listener = TcpListener::bind(("127.0.0.1", port))?;
        let address = format!("http://{}", listener.local_addr()?);
        let stub = Arc::new(Self {
            settings,
            buckets: Buckets::default(),
            pages: Pages::default(),
            log: Mutex::default(),
            tries: Mutex::default(),
        });
        let serving = Arc::clone(&stub);
        std::thread::spawn(move || http::serve(&listener, &serving));
        Ok((stub, address))
    }

    /// What was asked so far.
    pub fn log(&self) -> Log {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn fault(&self, request: &Request, call: &Call) -> Option<Fault> {
        for (account, service, operation, fault) in &self.settings.always {
            let asked = if call.service == "sts" { role_account(request) } else { call.account.clone() };
            if account.as_ref().is_none_or(|wanted| *wanted == asked)
                && *service == call.service
                && operation.as_ref().is_none_or(|wanted| *wanted == call.operation)
            {
                return Some(*fault);
            }
        }
        let (percent, seed) = self.settings.faults;
        if percent == 0 {
            return None;
        }
        let text = format!("{call:?} {} {} {}", request.path, request.query, String::from_utf8_lossy(&request.body));
        let id = mix(&text.bytes().map(u64::from).collect::<Vec<_>>());
        let mut tries = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
        let attempt = tries.entry(id).or_default();
        *attempt += 1;
        faults::drawn(seed, percent, id, *attempt)
    }
}

impl Answering for Stub {
    fn reply(&self, request: &Request) -> (Reply, Option<Fault>) {
        let call = request.call();
        if !self.settings.latency.is_zero() {
            std::thread::sleep(self.settings.latency);
        }
        if self.settings.limited && !self.buckets.allow(&call.account, &call.region, &call.service, &call.operation) {
            self.log.lock().unwrap_or_else(PoisonError::into_inner).throttled += 1;
            return (faults::instead(Fault::Throttled, &call, Reply::error(400, "ThrottlingException")), None);
        }
        let fault = self.fault(request, &call);
        {
            let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
            if fault.is_some() {
                log.failed += 1;
            } else {
                match log.answered.get_mut(&call) {
                    Some(count) => *count += 1,
                    None => {
                        log.answered.insert(call.clone(), 1);
                    }
                }
            }
        }
        let reply = answer::answer(&self.settings.shape, &self.pages, request, &call);
        match fault {
            Some(fault) => (faults::instead(fault, &call, reply), Some(fault)),
            None => (reply, None),
        }
    }
}

/// The account of the role that is to be assumed.
fn role_account(request: &Request) -> String {
    let body = String::from_utf8_lossy(&request.body);
    let role = body.split('&').find_map(|pair| pair.strip_prefix("RoleArn=")).unwrap_or_default();
    role.split("%3A").nth(4).unwrap_or_default().to_owned()
}
