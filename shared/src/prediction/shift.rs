//! What a change does to copies.

use super::{KeptLeg, Objects};
use crate::copy::{Forecast, Verdict, forecast, obstacles};

/// A copy before a change and after it.
#[derive(Clone, Debug, PartialEq)]
pub struct Shift {
    /// The copy.
    pub leg: KeptLeg,
    /// As it was foretold before.
    pub before: Forecast,
    /// As it is foretold now.
    pub after: Forecast,
}

/// What a change does to the copies that it may touch.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Shifts {
    /// They worked, and will fail.
    pub broken: Vec<Shift>,
    /// They would have failed, and work.
    pub mended: Vec<Shift>,
    /// They would have failed, and what they would have failed for is gone: now it depends on what was not seen.
    pub unblocked: Vec<Shift>,
    /// They worked or would have failed, and now that depends on what was not seen. Neither broken nor mended.
    pub open: Vec<Shift>,
    /// Of them nobody could tell before.
    pub unknown: Vec<Shift>,
    /// Of them nobody could tell before, and they will fail: perhaps the change broke them.
    pub suspected: Vec<Shift>,
    /// How many would have failed, and still will.
    pub failing: usize,
}

impl Shifts {
    /// Whether nothing changed for any of them, as far as that can be told.
    pub fn is_empty(&self) -> bool {
        self.broken.is_empty() && self.suspected.is_empty() && self.mended.is_empty() && self.unblocked.is_empty() && self.open.is_empty()
    }
}

/// Whether a copy of which nobody can tell fails all the same, unless somebody chose a key for the vault that hardly anybody chooses: then no other
/// change is what breaks or mends it.
fn nearly_fails(forecast: &Forecast) -> bool {
    obstacles(&forecast.route).iter().any(|obstacle| !obstacle.is_certain())
}

/// Judges copies by what was seen of their objects before and by what is seen now. A copy that cannot be judged at all is left out.
pub fn shifts<'a>(legs: impl IntoIterator<Item = &'a KeptLeg>, before: &Objects, after: &Objects, organization_id: Option<&str>) -> Shifts {
    let mut shifts = Shifts::default();
    for leg in legs {
        let told = |objects: &Objects| forecast(&leg.leg, &leg.facts(objects), organization_id)?.ok();
        let (Some(before), Some(after)) = (told(before), told(after)) else { continue };
        let list = match (before.verdict, after.verdict) {
            (Verdict::Works, Verdict::WillFail) => &mut shifts.broken,
            (Verdict::WillFail, Verdict::Works) => &mut shifts.mended,
            (Verdict::WillFail, Verdict::Depends) if !nearly_fails(&after) => &mut shifts.unblocked,
            (Verdict::Works | Verdict::WillFail, Verdict::Depends) => &mut shifts.open,
            (Verdict::Works, Verdict::Works) => continue,
            (Verdict::WillFail, Verdict::WillFail) => {
                shifts.failing += 1;
                continue;
            }
            (Verdict::Depends, Verdict::WillFail) if !nearly_fails(&before) => &mut shifts.suspected,
            (Verdict::Depends, _) => &mut shifts.unknown,
        };
        list.push(Shift { leg: leg.clone(), before, after });
    }
    shifts
}
