//! What befalls the calls of one instance of a function: refused, never answered, done but the answer lost, or the instance is killed around
//! it. Instances that were killed make no further call.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use guardian_core::arn::AccountId;
use guardian_core::ports::PortError;
use tokio::sync::Notify;

use crate::World;

/// What a call meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trouble {
    /// It is not allowed.
    Denied,
    /// It fails, and nothing was done.
    Down,
    /// It never answers, and nothing was done.
    Hanging,
    /// Everything was done, and the answer is lost.
    Lost,
    /// The instance ends before anything is done.
    KilledBefore,
    /// The instance ends when everything is done.
    KilledAfter,
}

/// A call of an instance.
#[derive(Debug)]
pub struct Call<'a> {
    /// The function.
    pub function: &'static str,
    /// The call, by the name of the port or of the IAM action.
    pub operation: &'a str,
    /// Whose object a reader asks for; `None`: our own.
    pub account: Option<&'a AccountId>,
    /// Whether it changes something.
    pub changes: bool,
    /// A message went out in this invocation before.
    pub has_sent: bool,
}

/// Decides.
pub type Decide = Box<dyn FnMut(&Call<'_>) -> Option<Trouble> + Send>;

/// Numbers that are the same for the same seed.
#[derive(Clone, Debug)]
pub struct Chance(u64);

impl Chance {
    /// A beginning.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// One of `0..below`. SplitMix64 (<https://doi.org/10.1145/2714064.2660195>).
    pub fn below(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % below.max(1)
    }

    /// One of these.
    pub fn of<T: Clone>(&mut self, all: &[T]) -> T {
        let place = usize::try_from(self.below(all.len() as u64)).unwrap();
        all.get(place).unwrap().clone()
    }

    /// Another order.
    pub fn shuffle<T>(&mut self, all: &mut [T]) {
        for n in (1..all.len()).rev() {
            all.swap(n, usize::try_from(self.below(n as u64 + 1)).unwrap());
        }
    }
}

/// The decision over all instances of a world.
#[derive(Default)]
pub struct Fate(Option<(Decide, Chance)>);

impl std::fmt::Debug for Fate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Fate")
    }
}

#[derive(Debug)]
struct Inner {
    function: &'static str,
    has_sent: AtomicBool,
    killed: AtomicBool,
    end: Notify,
    fate: Arc<Mutex<Fate>>,
}

/// The life of one instance.
#[derive(Clone, Debug)]
pub struct Life(Arc<Inner>);

impl Life {
    /// Works while the instance lives; `None`: it was killed.
    pub async fn during<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        self.0.has_sent.store(false, Ordering::Relaxed);
        tokio::select! {
            biased;
            () = self.0.end.notified() => None,
            answer = work => Some(answer),
        }
    }

    pub(crate) fn sent(&self) {
        self.0.has_sent.store(true, Ordering::Relaxed);
    }

    async fn end<T>(&self) -> T {
        self.0.killed.store(true, Ordering::Relaxed);
        self.0.end.notify_one();
        std::future::pending().await
    }

    async fn meet(&self, operation: &str, account: Option<&AccountId>, changes: bool) -> Option<Trouble> {
        let decided = {
            let mut fate = self.0.fate.lock().unwrap_or_else(PoisonError::into_inner);
            fate.0.as_mut().map(|(_, chance)| Duration::from_millis(1 + chance.below(30)))
        };
        // An answer that comes at once would let nobody come between.
        tokio::time::sleep(decided?).await;
        if self.0.killed.load(Ordering::Relaxed) {
            return std::future::pending().await;
        }
        let call = Call { function: self.0.function, operation, account, changes, has_sent: self.0.has_sent.load(Ordering::Relaxed) };
        let mut fate = self.0.fate.lock().unwrap_or_else(PoisonError::into_inner);
        fate.0.as_mut().and_then(|(decide, _)| decide(&call))
    }
}

impl World {
    /// From now on this decides what the calls of living instances meet.
    pub fn destine(&self, seed: u64, decide: impl FnMut(&Call<'_>) -> Option<Trouble> + Send + 'static) {
        *self.fate.lock().unwrap_or_else(PoisonError::into_inner) = Fate(Some((Box::new(decide), Chance::new(seed))));
    }

    /// The world as one instance of a function sees it, and the life of that instance.
    pub fn living(&self, function: &'static str) -> (Self, Life) {
        let (has_sent, killed) = (AtomicBool::new(false), AtomicBool::new(false));
        let life = Life(Arc::new(Inner { function, has_sent, killed, end: Notify::new(), fate: Arc::clone(&self.fate) }));
        let mut world = self.clone();
        world.life = Some(life.clone());
        (world, life)
    }

    pub(crate) async fn meet(&self, operation: &str, account: Option<&AccountId>, changes: bool) -> Option<Trouble> {
        match &self.life {
            Some(life) => life.meet(operation, account, changes).await,
            None => None,
        }
    }

    /// A question to something of our own.
    pub(crate) async fn ask(&self, operation: &'static str) -> Result<(), PortError> {
        match self.meet(operation, None, false).await {
            None | Some(Trouble::KilledBefore | Trouble::KilledAfter) => Ok(()),
            Some(Trouble::Denied) => Err(failed(operation, "AccessDeniedException", false)),
            Some(Trouble::Down | Trouble::Lost) => Err(failed(operation, "InternalServerError", true)),
            Some(Trouble::Hanging) => std::future::pending().await,
        }
    }

    /// A change of something of our own.
    pub async fn change<T>(&self, operation: &'static str, effect: impl Future<Output = Result<T, PortError>>) -> Result<T, PortError> {
        let trouble = self.meet(operation, None, true).await;
        match (trouble, &self.life) {
            (None, _) | (_, None) => effect.await,
            (Some(Trouble::Denied), _) => Err(failed(operation, "AccessDeniedException", false)),
            (Some(Trouble::Down), _) => Err(failed(operation, "InternalServerError", true)),
            (Some(Trouble::Hanging), _) => std::future::pending().await,
            (Some(Trouble::Lost), _) => {
                effect.await?;
                Err(failed(operation, "DispatchFailure", true))
            }
            (Some(Trouble::KilledBefore), Some(life)) => life.end().await,
            (Some(Trouble::KilledAfter), Some(life)) => {
                effect.await?;
                life.end().await
            }
        }
    }
}

fn failed(operation: &'static str, code: &str, retryable: bool) -> PortError {
    PortError { operation, code: code.to_owned(), retryable }
}
