//! An administrator of an account under its service control policies: what they leave to him, and whom of those that they leave alone he makes himself.

use std::collections::BTreeSet;

use super::AccountView;
use super::exempt::{Exception, TABLES_FUNCTION, TABLES_ROLE, TAKES_USER, Way, exceptions, is_made};
use super::probe::{Caller, Said, Says, any, anybody, everything, home_key};
use crate::arn::AccountId;
use crate::evidence::{PolicyLevels, RoleTrust};
use crate::policy::{Context, Document, Named, Policies, wildcard_matches};

/// An administrator of an account, bound by its service control policies and by nothing else.
pub(super) struct Bound<'a> {
    callers: Vec<Caller<'a>>,
    /// Those of `exceptions` that he makes himself.
    reached: Vec<Caller<'a>>,
    /// Whom the policies leave alone, and whether he makes himself one.
    exceptions: Vec<(Exception, Way)>,
    pub(super) account: &'a AccountId,
    pub(super) partition: &'a str,
    region: &'a str,
    policies: Policies,
    /// Likewise of a key, which must let its own account in besides; the usual policy does.
    of_keys: Policies,
}

impl<'a> Bound<'a> {
    pub(super) fn new(view: &'a AccountView<'_>, levels: &PolicyLevels) -> Self {
        let account = &view.account.account_id;
        let region = view.account.regions.keys().next();
        let partition = region.map_or("aws", |region| region.partition());
        let organization = view.organization.organization.known();
        let policies = Policies {
            identity: vec![everything()],
            scps: levels.levels.iter().map(|level| level.iter().map(|policy| Document::read(&policy.document)).collect()).collect(),
            management_account: organization.map(|organization| organization.management_account.as_str().to_owned()),
            ..Policies::default()
        };
        let mut bound = Self {
            callers: anybody(account, partition, view.organization_id()),
            reached: Vec::new(),
            exceptions: Vec::new(),
            account,
            partition,
            region: region.map_or("", |region| region.as_str()),
            of_keys: Policies { resource: Some(home_key(partition, account)), ..policies.clone() },
            policies,
        };
        let all = levels.levels.iter().flatten().flat_map(|policy| exceptions(&policy.document, account, partition));
        bound.exceptions = all.map(|exception| (exception, Way::None)).collect();
        bound.reach(view);
        bound
    }

    /// Finds on which way he becomes each of the exceptions. Whom he has become may make himself another one.
    fn reach(&mut self, view: &AccountView<'_>) {
        let mut exceptions = std::mem::take(&mut self.exceptions);
        loop {
            let mut more = false;
            for (exception, way) in exceptions.iter_mut().filter(|(_, way)| matches!(way, Way::None | Way::Depends(_))) {
                *way = self.way(view, exception);
                if !matches!(way, Way::None | Way::Depends(_)) {
                    self.reached.push(self.caller(&exception.arn));
                    more = true;
                }
            }
            if !more {
                break;
            }
        }
        self.exceptions = exceptions;
    }

    fn caller(&self, arn: &str) -> Caller<'a> {
        let organization_id = self.callers.first().and_then(|caller| caller.organization_id);
        Caller { arn: arn.to_owned(), organization_id, ..Caller::administrator(self.account, self.partition) }
    }

    /// Whether an administrator may make such a role or user, or get into the one that is there.
    pub(super) fn becomes(&self, exception: &Exception) -> Says {
        let makes = if exception.arn.contains(":user/") { "iam:CreateUser" } else { "iam:CreateRole" };
        any([self.by_whom_he_is(makes, &exception.arn), self.takes(&exception.arn)])
    }

    /// Whether he may get into a role or user that is there, by changing it.
    fn takes(&self, arn: &str) -> Says {
        let ways: &[&str] = if arn.contains(":user/") { TAKES_USER } else { &["iam:UpdateAssumeRolePolicy"] };
        any(ways.iter().map(|action| self.by_whom_he_is(action, arn)))
    }

    /// Whether he may give a role to a function of his own, or put code of his own into the one that has it.
    fn passes(&self, arn: &str) -> Says {
        let function = format!("arn:{}:lambda:{}:{}:function:{TABLES_FUNCTION}", self.partition, self.region, self.account);
        let ways = [("iam:PassRole", arn), ("lambda:UpdateFunctionCode", &function), ("lambda:UpdateFunctionConfiguration", &function)];
        any(ways.into_iter().map(|(action, resource)| self.by_whom_he_is(action, resource)))
    }

    /// Whether he may, as himself or as one of those that he has become.
    fn by_whom_he_is(&self, action: &str, resource: &str) -> Says {
        any(self.callers.iter().chain(&self.reached).map(|caller| self.ask(caller, action, resource, None, |_| {})))
    }

    /// Likewise by whoever the trust policy of such a role lets in. Of an account that is backed up these are not read.
    fn way(&self, view: &AccountView<'_>, exception: &Exception) -> Way {
        let mut open = Way::None;
        match self.becomes(exception) {
            Says::Yes => return Way::Itself,
            Says::Depends(on) => open = Way::Depends(on.join(", ")),
            Says::No => {}
        }
        if exception.arn.contains(&format!(":{TABLES_ROLE}")) {
            match self.passes(&exception.arn) {
                Says::Yes => return Way::Passed(exception.pattern.clone()),
                Says::Depends(on) => open = Way::Depends(on.join(", ")),
                Says::No => {}
            }
        }
        if !view.keeps_copies() || exception.arn.contains(":user/") {
            return open;
        }
        match view.account.trusts.known().map(|trusts| self.through(&exception.pattern, trusts, &mut BTreeSet::new())) {
            Some(Way::None) => open,
            Some(way) => way,
            None => Way::Depends(format!("who may assume {}", exception.pattern)),
        }
    }

    fn through<'t>(&self, pattern: &str, trusts: &'t [RoleTrust], asked: &mut BTreeSet<&'t str>) -> Way {
        let mut open = Way::None;
        for trust in trusts.iter().filter(|trust| wildcard_matches(pattern, trust.role_arn.as_str())) {
            let role = trust.role_arn.as_str();
            if !asked.insert(role) {
                continue;
            }
            match self.let_in(trust) {
                Says::Yes => return Way::Ajar(role.to_owned()),
                Says::Depends(on) => open = Way::Depends(on.join(", ")),
                Says::No => {}
            }
            let named = Named::read(&trust.document);
            // What a role of AWS Backup does is told by the job. Other services run what they are given.
            if named.services.iter().any(|service| service != "backup.amazonaws.com") {
                match self.by_whom_he_is("iam:PassRole", role) {
                    Says::Yes => return Way::Served(role.to_owned()),
                    Says::Depends(on) => open = Way::Depends(on.join(", ")),
                    Says::No => {}
                }
            }
            for principal in named.aws.iter().filter(|principal| is_made(principal, self.account)) {
                match self.takes(principal) {
                    Says::Yes => return Way::Through(principal.clone()),
                    Says::Depends(on) => open = Way::Depends(on.join(", ")),
                    Says::No => {}
                }
                match self.through(principal, trusts, asked) {
                    Way::None => {}
                    Way::Depends(on) => open = Way::Depends(on),
                    way => return way,
                }
            }
        }
        open
    }

    /// Whether the trust policy of a role lets an administrator in as he is. Whoever takes an account over has a second factor of his own.
    fn let_in(&self, trust: &RoleTrust) -> Says {
        let policies = Policies { resource: Some(Document::read(&trust.document)), ..self.policies.clone() };
        any(self.callers.iter().map(|caller| {
            let mut context = caller.context(None);
            context.set("aws:MultiFactorAuthPresent", "true");
            caller.may("sts:AssumeRole", (trust.role_arn.as_str(), self.account.as_str()), context, &policies)
        }))
    }

    fn by_himself(&self, action: &str, resource: &str, region: Option<&str>, set: impl Fn(&mut Context)) -> Says {
        any(self.callers.iter().map(|caller| self.ask(caller, action, resource, region, &set)))
    }

    fn ask(&self, caller: &Caller<'_>, action: &str, resource: &str, region: Option<&str>, set: impl Fn(&mut Context)) -> Says {
        let mut context = caller.context(region);
        set(&mut context);
        let policies = if action.starts_with("kms:") { &self.of_keys } else { &self.policies };
        caller.may(action, (resource, self.account.as_str()), context, policies)
    }

    /// Whether the policies deny something to an administrator by whatever name, and leave it to a role.
    pub(super) fn leaves_to(&self, role: &str, action: &str, resource: &str, region: &str) -> bool {
        let caller = self.caller(role);
        self.by_himself(action, resource, Some(region), |_| {}) == Says::No
            && self.ask(&caller, action, resource, Some(region), |_| {}) == Says::Yes
    }

    /// Whether the administrator may, by whatever name, or by making himself whom the policies leave alone; `set` adds what is known of the resource.
    pub(super) fn may(&self, action: &str, resource: &str, region: Option<&str>, set: impl Fn(&mut Context)) -> Said {
        let says = self.by_himself(action, resource, region, &set);
        if says == Says::Yes {
            return says.into();
        }
        let mut open = says;
        for (exception, way) in self.exceptions.iter().filter(|(_, way)| *way != Way::None) {
            match (self.ask(&self.caller(&exception.arn), action, resource, region, &set), way) {
                (Says::No, _) => {}
                (Says::Depends(on), _) => open = Says::Depends(on),
                (Says::Yes, Way::Depends(on)) => open = Says::Depends(vec![on.clone()]),
                (Says::Yes, way) => return Said { says: Says::Yes, becoming: Some((exception.pattern.clone(), way.clone())) },
            }
        }
        open.into()
    }
}
