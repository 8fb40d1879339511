//! Finds the recovery point of a drill, and all that decides about it.

use guardian_core::arn::Arn;
use guardian_core::drill::backfill::Wish;
use guardian_core::drill::record::Purpose;
use guardian_core::drill::retest::{Ask, Held, destinations, newest, plan};
use guardian_core::drill::{Order, Planned, Why, restore};
use guardian_core::event::Job;
use guardian_core::evidence::{BackupPlan, Fact, Gap, GapReason};
use guardian_core::ports::{BackupReader, CopyLists, PlanReader, PointLists, RestoreLists, RestoreSettings};
use jiff::Timestamp;

/// A copy that is asked for, out or back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// What for.
    pub purpose: Purpose,
    /// Vault that holds the recovery point.
    pub from: Arn,
    /// What was backed up.
    pub resource: Arn,
    /// Vault that is to hold the copy; that of the plan where none is named.
    pub to: Option<Arn>,
    /// Role of the job; that of the recovery point where none is named.
    pub role: Option<Arn>,
}

/// What was found out before anything is started.
#[derive(Clone, Debug, PartialEq)]
pub enum Found<P> {
    /// It can be started.
    Ready(Box<P>),
    /// It cannot.
    Cannot {
        /// The recovery point, where it is known.
        point: Option<Arn>,
        /// Why not.
        why: Why,
    },
    /// It does not say what is meant: a sentence for whoever asked.
    Unclear(String),
}

fn unseen(gap: Gap) -> Why {
    Why::NotSeen(Box::new(gap))
}

/// The newest recovery point of a resource, with what its list does not say.
async fn point<R: BackupReader + PointLists, P>(readers: &R, vault: &Arn, resource: &Arn, now: Timestamp) -> Result<Held, Found<P>> {
    let held = match readers.points_of(vault, resource).await {
        Ok(held) => held,
        Err(gap) => return Err(Found::Cannot { point: None, why: unseen(gap) }),
    };
    let Some(newest) = newest(&held, now) else {
        return Err(Found::Unclear(format!("the vault `{vault}` holds no recovery point of `{resource}`: check both ARNs")));
    };
    let mut newest = newest.clone();
    // The list does not say where it lies.
    match readers.recovery_point(vault, &newest.point.arn).await {
        Fact::Known { value, .. } => newest.point = value,
        Fact::Gap(gap) => return Err(Found::Cannot { point: Some(newest.point.arn), why: unseen(gap) }),
        Fact::NotAsked => {}
    }
    Ok(newest)
}

/// The copy that is asked for.
pub async fn copy<R>(readers: &R, wanted: &Wanted, wish: &Wish) -> Found<Planned>
where
    R: BackupReader + CopyLists + PlanReader + PointLists,
{
    let (from, resource) = (&wanted.from, &wanted.resource);
    let newest = match point(readers, from, resource, wish.now).await {
        Ok(newest) => newest,
        Err(found) => return found,
    };
    let cannot = |why| Found::Cannot { point: Some(newest.point.arn.clone()), why };
    let plan_of = match (&wanted.purpose, newest.plan.as_ref().and_then(|plan| plan.plan_id.clone())) {
        (Purpose::Copy, Some(id)) => match plan_named(readers, from, &id).await {
            Ok(plan) => plan,
            Err(gap) => return cannot(unseen(gap)),
        },
        _ => None,
    };
    let to = match &wanted.to {
        Some(to) => to.clone(),
        None => match destinations(plan_of.as_ref(), &newest).as_slice() {
            [only] => only.clone(),
            [] => {
                return Found::Unclear(format!(
                    "no plan copies the newest recovery point of `{resource}`: say with --to, in a message destination_vault_arn, where the copy goes"
                ));
            }
            several => {
                let names = several.iter().map(|vault| format!("`{vault}`")).collect::<Vec<_>>().join(", ");
                return Found::Unclear(format!(
                    "its plan copies to {names}: say with --to, in a message destination_vault_arn, which is meant"
                ));
            }
        },
    };
    let (Some(account), Some(region)) = (from.account(), from.region()) else {
        return Found::Unclear(format!("`{from}` is not the ARN of a vault"));
    };
    let copies = match readers.copies(&account, &region, &newest.point.arn, &to).await {
        Ok(copies) => copies,
        Err(gap) => return cannot(unseen(gap)),
    };
    let ask = Ask {
        source_vault: from.clone(),
        destination: readers.vault(&to).await,
        destination_vault: to,
        role: wanted.role.clone(),
        plan: plan_of,
        copies,
    };
    match plan(&ask, &newest, wish) {
        Ok(planned) => Found::Ready(Box::new(planned)),
        Err(why) => cannot(why),
    }
}

async fn plan_named<R: PlanReader>(readers: &R, vault: &Arn, id: &str) -> Result<Option<BackupPlan>, Gap> {
    match (vault.account(), vault.region()) {
        (Some(account), Some(region)) => readers.plan(&account, &region, id).await,
        _ => Ok(None),
    }
}

/// The restore that is asked for. Only the role for drills may ask how the recovery point would be restored.
pub async fn restore<R, C>(readers: &R, starter: &C, ask: &restore::Ask, resource: &Arn) -> Found<restore::Planned>
where
    R: BackupReader + PointLists,
    C: RestoreSettings,
{
    let newest = match point(readers, &ask.vault, resource, ask.now).await {
        Ok(newest) => newest,
        Err(found) => return found,
    };
    let cannot = |why| Found::Cannot { point: Some(newest.point.arn.clone()), why };
    if let Err(why) = restore::admit(ask, &newest) {
        return cannot(why);
    }
    let (Some(account), Some(region)) = (ask.vault.account(), ask.vault.region()) else {
        return Found::Unclear(format!("`{}` is not the ARN of a vault", ask.vault));
    };
    let settings = match starter.restore_settings(&account, &region, &ask.vault, &newest.point.arn).await {
        Ok(settings) => settings,
        Err(gap) if matches!(gap.reason, GapReason::RoleNotAssumable | GapReason::AccessDenied) => {
            return cannot(Why::NotSwitchedOn(Box::new(gap)));
        }
        Err(gap) => return cannot(unseen(gap)),
    };
    match restore::plan(ask, &newest, settings) {
        Ok(planned) => Found::Ready(Box::new(planned)),
        Err(why) => cannot(why),
    }
}

/// The jobs that AWS lists of what an order names.
pub async fn jobs<R: CopyLists + RestoreLists>(readers: &R, order: &Order) -> Result<Vec<Job>, Gap> {
    match order {
        Order::Copy(copy) => readers.copies(&copy.account, &copy.region, &copy.point, &copy.destination_vault).await,
        Order::Restore(restore) => readers.restores(&restore.account, &restore.region, &restore.point).await,
    }
}
