//! Queues before functions, in memory: what fails or dies comes again after the visibility timeout, and in the end is set aside.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use guardian_core::ports::{Outbox, PortError};
use guardian_tests::fate::Life;
use guardian_tests::{World, batch_of_texts, failures};
use serde_json::Value;
use tokio::time::Instant;

/// Longest nap of a poller: something may have come meanwhile.
const NAP: Duration = Duration::from_secs(2);

/// How a queue and its function are deployed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deployed {
    pub(crate) function: &'static str,
    pub(crate) instances: usize,
    pub(crate) batch: usize,
    pub(crate) timeout: Duration,
    pub(crate) visibility: Duration,
    pub(crate) receives: u32,
}

#[derive(Clone, Debug)]
struct Message {
    body: String,
    received: u32,
}

#[derive(Debug, Default)]
struct State {
    waiting: BTreeMap<(Instant, u64), Message>,
    number: u64,
    dead: Vec<String>,
    killed: usize,
    out_of_time: usize,
    invocations: usize,
}

/// A queue; clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Queue {
    pub(crate) deployed: Deployed,
    state: Arc<Mutex<State>>,
}

/// One invocation of an instance.
pub(crate) type Invoke = Box<dyn Fn(Value, Instant) -> Pin<Box<dyn Future<Output = Option<Value>> + Send>> + Send>;

impl Queue {
    pub(crate) fn new(deployed: Deployed) -> Self {
        Self { deployed, state: Arc::default() }
    }

    fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state.lock().unwrap())
    }

    pub(crate) fn put(&self, body: String, delay: Duration) {
        self.show(Message { body, received: 0 }, Instant::now() + delay);
    }

    fn show(&self, message: Message, at: Instant) {
        self.with(|state| {
            if message.received >= self.deployed.receives {
                state.dead.push(message.body);
                return;
            }
            state.number += 1;
            state.waiting.insert((at, state.number), message);
        });
    }

    fn take(&self) -> Vec<Message> {
        let now = Instant::now();
        self.with(|state| {
            let due = state.waiting.range(..=(now, u64::MAX)).map(|(key, _)| *key).take(self.deployed.batch).collect::<Vec<_>>();
            let messages = due.iter().filter_map(|key| state.waiting.remove(key));
            messages.map(|message| Message { received: message.received + 1, ..message }).collect()
        })
    }

    /// What waits, also for a later time.
    pub(crate) fn waiting(&self) -> usize {
        self.with(|state| state.waiting.len())
    }

    /// What was set aside for good.
    pub(crate) fn dead(&self) -> Vec<String> {
        self.with(|state| state.dead.clone())
    }

    /// Invocations, and of these the ones that were killed and that ran out of time.
    pub(crate) fn ended(&self) -> (usize, usize, usize) {
        self.with(|state| (state.invocations, state.killed, state.out_of_time))
    }

    /// Starts the instances, until the end.
    pub(crate) fn serve(&self, world: &World, end: Instant, make: impl Fn(World) -> Invoke + Clone + Send + 'static) {
        for _ in 0..self.deployed.instances {
            tokio::spawn(self.clone().poll(world.clone(), end, make.clone()));
        }
    }

    async fn poll(self, world: World, end: Instant, make: impl Fn(World) -> Invoke + Send) {
        let mut instance: Option<(Life, Invoke)> = None;
        while Instant::now() < end {
            let messages = self.take();
            if messages.is_empty() {
                let next = self.with(|state| state.waiting.keys().next().map(|(at, _)| *at));
                let nap = Instant::now() + NAP;
                // Whoever has the message that is due now was faster.
                tokio::time::sleep_until(next.map_or(nap, |next| next.min(nap)).max(Instant::now() + Duration::from_millis(5))).await;
                continue;
            }
            let (life, invoke) = instance.get_or_insert_with(|| {
                let (world, life) = world.living(self.deployed.function);
                (life, make(world))
            });
            let bodies = messages.iter().map(|message| message.body.clone()).collect::<Vec<_>>();
            let deadline = Instant::now() + self.deployed.timeout;
            // Invisible since it was received.
            let again = Instant::now() + self.deployed.visibility;
            let work = tokio::time::timeout_at(deadline, invoke(batch_of_texts(&bodies), deadline));
            let answer = life.during(work).await;
            self.with(|state| {
                state.invocations += 1;
                state.killed += usize::from(answer.is_none());
                state.out_of_time += usize::from(matches!(answer, Some(Err(_))));
            });
            let lives_on = matches!(answer, Some(Ok(_)));
            let failed = match answer {
                Some(Ok(Some(answer))) => failures(&answer),
                // The whole batch comes again.
                _ => (0..messages.len()).map(|n| format!("m-{n}")).collect(),
            };
            if !lives_on {
                instance = None;
            }
            for (n, message) in messages.into_iter().enumerate() {
                if failed.contains(&format!("m-{n}")) {
                    self.show(message, again);
                }
            }
        }
    }
}

/// A queue that a function writes to.
#[derive(Clone, Debug)]
pub(crate) struct To {
    pub(crate) queue: Queue,
    /// The eyes of the instance that writes.
    pub(crate) world: World,
    pub(crate) name: &'static str,
}

impl Outbox for To {
    async fn put(&self, bodies: &[String], delay: Duration) -> Result<(), PortError> {
        if bodies.is_empty() {
            return Ok(());
        }
        let effect = async {
            for body in bodies {
                self.queue.put(body.clone(), delay);
            }
            Ok(())
        };
        self.world.change(self.name, effect).await
    }
}
