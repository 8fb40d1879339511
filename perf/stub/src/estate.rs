//! An estate from a seed: how many vaults, points, plans and resources each account and Region has. Nothing is stored; the same question always has
//! the same answer.

/// How large an estate is. Where `uneven`, each number is the largest, and what a place really has is drawn from the seed.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "named after what they count")]
pub struct Shape {
    pub seed: u64,
    pub uneven: bool,
    pub accounts: usize,
    pub regions: Vec<String>,
    /// Per account and Region.
    pub vaults: usize,
    /// Per vault.
    pub points: usize,
    /// Per vault.
    pub resources: usize,
    /// Per account and Region.
    pub plans: usize,
    /// Per plan.
    pub selections: usize,
    /// Tagged resources per account and Region.
    pub tagged: usize,
    /// Most items of a page of recovery points, whatever was asked for.
    pub page: usize,
    /// Policies of each kind that the organization attaches at its root.
    pub policies: usize,
    /// A backup account that keeps copies; without it nobody copies anything.
    pub central: Option<Central>,
}

/// An account whose vaults keep copies of the recovery points of all others: one vault in each Region.
///
/// Plans copy there, policies and roles are those of a real estate, and a few resources are ill in known ways ([`Fate`]), so that there is something
/// to judge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Central {
    /// Seconds since 1970: recovery points are as old as a nightly plan would have them now.
    pub now: u64,
    /// Copies of each vault of the others.
    pub copies: usize,
}

/// What is wrong with the first resource of the first vault of an account, in both Regions alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// Nothing.
    Well,
    /// Its newest recovery point, and the copy of it, are a month older than those of the others.
    Stale,
    /// Its copies never landed.
    NeverCopied,
    /// Its tag is not the one that the plan selects.
    Unprotected,
    /// Nothing; but there is one resource more that was never backed up.
    NeverBackedUp,
}

impl Shape {
    /// The reference: 1,000 accounts, 2 Regions, 3 vaults, 200 recovery points each.
    pub fn reference() -> Self {
        Self {
            seed: 0,
            uneven: false,
            accounts: 1000,
            regions: vec!["eu-central-1".to_owned(), "eu-west-1".to_owned()],
            vaults: 3,
            points: 200,
            resources: 20,
            plans: 1,
            selections: 1,
            tagged: 20,
            page: 1000,
            policies: 1,
            central: None,
        }
    }
}

/// A vault of a place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "named after what they are")]
pub struct VaultShape {
    pub name: String,
    pub points: usize,
    /// Id of the key; several vaults may share one.
    pub key: String,
}

/// Mixes numbers to one.
pub fn mix(parts: &[u64]) -> u64 {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for part in parts {
        state = (state ^ part).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        state ^= state >> 27;
        state = state.wrapping_mul(0x94d0_49bb_1331_11eb);
        state ^= state >> 31;
    }
    state
}

/// The management account, which also reads the organization.
pub const MANAGEMENT: &str = "900000000000";
/// The account that runs the sweep.
pub const HOME: &str = "900000000001";
/// Id of the organization.
pub const ORGANIZATION: &str = "o-stubstub01";
/// The account that keeps the copies, where there is one.
pub const BACKUP: &str = "900000000002";
/// The vault there, in each Region.
pub const CENTRAL_VAULT: &str = "central";
/// Its root.
pub const ROOT: &str = "r-stub";

impl Shape {
    /// The accounts by number.
    pub fn account(number: usize) -> String {
        format!("{:012}", 100_000_000_000 + number)
    }

    /// All of them, the management account last.
    pub fn accounts(&self) -> Vec<String> {
        let central = self.central.map(|_| BACKUP.to_owned());
        (0..self.accounts).map(Self::account).chain(central).chain([MANAGEMENT.to_owned()]).collect()
    }

    /// What is wrong in an account.
    pub fn fate_of(&self, account: &str) -> Fate {
        match account.parse::<u64>().unwrap_or(0) % 8 {
            _ if self.central.is_none() || Self::is_special(account) => Fate::Well,
            1 => Fate::Stale,
            3 => Fate::NeverCopied,
            5 => Fate::Unprotected,
            7 => Fate::NeverBackedUp,
            _ => Fate::Well,
        }
    }

    /// Whether an account has no resources: it manages the organization, or it keeps the copies.
    pub fn is_special(account: &str) -> bool {
        account == MANAGEMENT || account == BACKUP
    }

    fn drawn(&self, most: usize, what: u64, account: &str, region: &str, more: u64) -> usize {
        if !self.uneven {
            return most;
        }
        let place = region.bytes().fold(0_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(byte)));
        let drawn = mix(&[self.seed, what, account.parse().unwrap_or(0), place, more]);
        usize::try_from(drawn % (most as u64 + 1)).unwrap_or(0)
    }

    /// The vaults of a place. The management account has none.
    pub fn vaults_of(&self, account: &str, region: &str) -> Vec<VaultShape> {
        if account == MANAGEMENT {
            return Vec::new();
        }
        if account == BACKUP {
            let points = self.central.map(|central| central.copies * self.accounts * self.vaults);
            let central = |points| VaultShape { name: CENTRAL_VAULT.to_owned(), points, key: CENTRAL_VAULT.to_owned() };
            return points.map(central).into_iter().collect();
        }
        (0..self.drawn(self.vaults, 1, account, region, 0))
            .map(|number| {
                let shared = self.uneven && mix(&[self.seed, 7, number as u64, account.parse().unwrap_or(0)]).is_multiple_of(2);
                let key = if shared { "shared".to_owned() } else { format!("vault-{number}") };
                VaultShape { name: format!("vault-{number}"), points: self.drawn(self.points, 2, account, region, number as u64), key }
            })
            .collect()
    }

    /// How many plans a place has.
    pub fn plans_of(&self, account: &str, region: &str) -> usize {
        if Self::is_special(account) { 0 } else { self.drawn(self.plans, 3, account, region, 0) }
    }

    /// How many selections a plan has.
    pub fn selections_of(&self, account: &str, region: &str, plan: usize) -> usize {
        self.drawn(self.selections, 4, account, region, plan as u64)
    }

    /// How many tagged resources a place has: where copies are kept, every one that has recovery points.
    pub fn tagged_of(&self, account: &str, region: &str) -> usize {
        match self.central {
            _ if Self::is_special(account) => 0,
            Some(_) => self.vaults * self.resources + usize::from(self.fate_of(account) == Fate::NeverBackedUp),
            None => self.drawn(self.tagged, 5, account, region, 0),
        }
    }

    /// Whether new EBS volumes of a place are encrypted by default.
    pub fn ebs_of(&self, account: &str, region: &str) -> bool {
        self.drawn(1, 6, account, region, 0) == 1
    }
}
