//! Does the opt-in setting of a Region let a selected resource be backed up?
//!
//! AWS' words (<https://docs.aws.amazon.com/aws-backup/latest/devguide/assigning-resources.html>,
//! <https://docs.aws.amazon.com/aws-backup/latest/devguide/assigning-resources-json.html>): where tags alone select, or only the service is named,
//! the setting counts. Where the type is named, the setting is disregarded, but not for Aurora, Neptune and Amazon DocumentDB. The page of
//! `DescribeRegionSettings` knows no such exception; the three pages that speak of it explicitly are followed, and a resource that is for all
//! that not backed up shows as one without a backup: nothing is hidden by it.

use super::resource_type::{OptInOfNamed, ResourceType};
use super::selection::{Named, Selected, Weighed};
use crate::evidence::RegionSettings;

/// What a selection and the setting of the Region say together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chosen<'a> {
    /// The selection.
    pub weighed: Weighed<'a>,
    /// The setting.
    pub opted_in: Selected,
}

impl Chosen<'_> {
    /// Whether the resource is backed up by it.
    pub fn selected(&self) -> Selected {
        self.weighed.selected.and(self.opted_in)
    }

    /// Whether the setting, and nothing else, keeps the resource out.
    pub fn blocked(&self) -> bool {
        self.weighed.selected == Selected::Yes && self.opted_in == Selected::No
    }

    /// Why, in words. Untrusted text.
    pub fn because(&self) -> String {
        match (self.weighed.selected, self.opted_in) {
            (Selected::No, _) | (_, Selected::Yes) => self.weighed.because.to_string(),
            (_, Selected::No) => format!("{}, but the opt-in setting of the Region keeps its type out", self.weighed.because),
            (_, Selected::Perhaps) => format!("{}, if the opt-in setting lets its type in, which is not known", self.weighed.because),
        }
    }
}

/// Whether a resource of one of these types is backed up when a selection names it like this. `settings` are those that count for the plan,
/// `None` where they were not seen. A resource of no known type is as its setting would be: not known.
pub fn opted_in<'a>(types: impl Iterator<Item = &'a ResourceType>, named: Named, settings: Option<&RegionSettings>) -> Selected {
    let mut answers = types.map(|one| of_type(one, named, settings));
    let Some(first) = answers.next() else { return Selected::Perhaps };
    if answers.all(|answer| answer == first) { first } else { Selected::Perhaps }
}

fn of_type(one: &ResourceType, named: Named, settings: Option<&RegionSettings>) -> Selected {
    let setting = settings
        .and_then(|settings| one.names().find_map(|name| settings.opted_in.get(name)))
        .map_or(Selected::Perhaps, |on| Selected::of(*on));
    match (named, one.opt_in) {
        (Named::ByType, OptInOfNamed::Disregarded) => Selected::Yes,
        (Named::Unclear, OptInOfNamed::Disregarded) | (Named::ByType | Named::Unclear, OptInOfNamed::Unclear) => {
            setting.or(Selected::Perhaps)
        }
        (Named::Not | Named::ByService, _) | (_, OptInOfNamed::Counts) => setting,
    }
}
