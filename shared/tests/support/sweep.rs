//! A small organization after a sweep: most of it is well, one key policy is broken, one copy is stale, one volume is in no plan and one account could
//! not be read. The renderers of the report are tried on it, and on variants: the run before, hostile texts, many accounts.

use std::io;

use guardian_core::arn::{AccountId, Arn, Region};
use guardian_core::compliance::frameworks::{Control, Framework};
use guardian_core::compliance::{
    AccountResult, CheckOutcome, NotEvaluated, OrganizationResult, Outcome, SWEEP_SCHEMA, Status, Subject, SweepHead, Totals,
};
use guardian_core::coverage::{ExceptedBy, Landing, Newest, Protection, ResourceCoverage, SelectingRule};
use guardian_core::diagnosis::Severity;
use guardian_core::evidence::{Gap, GapReason};
use guardian_core::report::sweep::SweepWriter;
use jiff::{Timestamp, ToSpan};

pub(crate) const BACKUP: &str = "999999999999";
pub(crate) const VAULT: &str = "arn:aws:backup:eu-central-1:999999999999:backup-vault:central";
pub(crate) const REGION: &str = "eu-central-1";

/// All that a sweep says.
pub(crate) struct Sweep {
    pub(crate) head: SweepHead,
    pub(crate) organization: OrganizationResult,
    pub(crate) accounts: Vec<AccountResult>,
}

impl Sweep {
    pub(crate) fn totals(&self) -> Totals {
        let mut totals = Totals::default();
        add(&mut totals, &self.organization.outcomes);
        for account in &self.accounts {
            count(&mut totals, account);
        }
        totals
    }

    pub(crate) fn tell(&self, writer: &mut impl SweepWriter) -> io::Result<()> {
        writer.head(&self.head)?;
        writer.organization(&self.organization)?;
        for account in &self.accounts {
            writer.account(account)?;
        }
        writer.end(&self.totals())
    }
}

pub(crate) fn count(totals: &mut Totals, account: &AccountResult) {
    totals.accounts += 1;
    totals.accounts_not_evaluated += u64::from(!account.not_evaluated.is_empty());
    for row in &account.coverage {
        *totals.resources.entry(row.protection).or_default() += 1;
    }
    add(totals, &account.outcomes);
}

fn add(totals: &mut Totals, outcomes: &[CheckOutcome]) {
    for found in outcomes {
        *totals.outcomes.entry(found.outcome.status).or_default() += 1;
        if found.outcome.status == Status::Fail {
            *totals.failures.entry(found.severity).or_default() += 1;
        }
    }
}

pub(crate) fn account(id: &str) -> AccountId {
    AccountId::parse(id).unwrap()
}

pub(crate) fn region(code: &str) -> Region {
    Region::parse(code).unwrap()
}

pub(crate) fn arn(text: &str) -> Arn {
    Arn::parse(text).unwrap()
}

fn now() -> Timestamp {
    "2026-11-27T04:00:00Z".parse().unwrap()
}

fn key(account: &str, id: &str) -> Arn {
    arn(&format!("arn:aws:kms:{REGION}:{account}:key/{id}"))
}

fn point(account: &str, vault: &str, id: &str, hours: i64, days: i64, key_arn: Arn) -> Newest {
    let created_at = now() - hours.hours();
    Newest {
        vault_arn: arn(&format!("arn:aws:backup:{REGION}:{account}:backup-vault:{vault}")),
        recovery_point_arn: arn(&format!("arn:aws:backup:{REGION}:{account}:recovery-point:{id}")),
        created_at,
        key_arn: Some(key_arn),
        delete_at: Some(created_at + (days * 24).hours()),
    }
}

/// A resource that is backed up every night, and whose copies land.
pub(crate) fn resource(owner: &str, kind: &str, path: &str, name: &str, id: u32) -> ResourceCoverage {
    let service = match kind {
        "EBS" => "ec2",
        "RDS" => "rds",
        "EFS" => "elasticfilesystem",
        _ => "dynamodb",
    };
    ResourceCoverage {
        account_id: account(owner),
        region: region(REGION),
        resource_arn: arn(&format!("arn:aws:{service}:{REGION}:{owner}:{path}")),
        resource_type: kind.to_owned(),
        resource_name: Some(name.to_owned()),
        protection: Protection::Protected,
        why: "backed up 5 hours ago, its copy landed 4 hours ago, and its rule runs every 24 hours".to_owned(),
        rules: vec![SelectingRule {
            plan_id: "orgs/7f3c2a10-nightly".to_owned(),
            plan_name: "nightly".to_owned(),
            selection_name: "tagged".to_owned(),
            rule_name: "daily-35-days".to_owned(),
            certain: true,
            because: "tag `backup` = `daily`".to_owned(),
            longest_pause_hours: Some(24),
        }],
        newest_backup: Some(point(owner, "local", &format!("aaaa{id:04}-6f0e-4a77-9b1c-2d3e4f5a6b7c"), 5, 35, key(owner, "11aa22bb-0001"))),
        copies: vec![Landing {
            vault_arn: arn(VAULT),
            newest: Some(point(
                BACKUP,
                "central",
                &format!("cccc{id:04}-1d2e-4f3a-8b4c-5d6e7f809a1b"),
                4,
                90,
                key(BACKUP, "99ff88ee-0001"),
            )),
            read: true,
            uncopied: 0,
            first_uncopied_expires_at: None,
            under_vault_key: Some(true),
        }],
        exception: None,
        gaps: Vec::new(),
    }
}

fn without_copy(mut row: ResourceCoverage, uncopied: u64) -> ResourceCoverage {
    row.protection = Protection::NeverCopied;
    row.why = format!("backed up 5 hours ago, and none of its {uncopied} recovery points was ever copied to the vault of the rule");
    for landing in &mut row.copies {
        (landing.newest, landing.uncopied, landing.under_vault_key) = (None, uncopied, None);
        landing.first_uncopied_expires_at = Some(now() + 53.hours());
    }
    row
}

fn unprotected(mut row: ResourceCoverage) -> ResourceCoverage {
    row.protection = Protection::Unprotected;
    row.why = "no selection of the 2 plans in this Region selects it: it carries no tag `backup`".to_owned();
    (row.rules, row.newest_backup, row.copies) = (Vec::new(), None, Vec::new());
    row
}

pub(crate) fn outcome(code: &str, check: &str, severity: Severity, status: Status, subject: Subject, seen: &str) -> CheckOutcome {
    CheckOutcome {
        code: code.to_owned(),
        check: check.to_owned(),
        severity,
        outcome: Outcome { subject, status, seen: seen.to_owned(), remedy: None, evidence: Vec::new(), gaps: Vec::new() },
    }
}

pub(crate) fn subject(owner: &str, thing: Option<&str>) -> Subject {
    Subject { account_id: account(owner), region: thing.map(|_| region(REGION)), resource_arn: thing.map(arn), part: None }
}

pub(crate) fn gap(owner: &str, action: &str, reason: GapReason, detail: Option<&str>) -> Gap {
    Gap { action: action.to_owned(), account_id: account(owner), region: None, reason, detail: detail.map(str::to_owned) }
}

/// What every account of this organization passes.
fn passes(owner: &str) -> Vec<CheckOutcome> {
    let vault = format!("arn:aws:backup:{REGION}:{owner}:backup-vault:local");
    let key = format!("arn:aws:kms:{REGION}:{owner}:key/11aa22bb-0001");
    vec![
        outcome(
            "BKC-019",
            "source-vault-encrypted-with-cmk",
            Severity::Medium,
            Status::Pass,
            subject(owner, Some(&vault)),
            "its key is customer managed",
        ),
        outcome(
            "BKC-038",
            "recovery-point-keys-let-backup-account-copy",
            Severity::Critical,
            Status::Pass,
            Subject { part: Some(format!("EBS -> {VAULT}")), ..subject(owner, Some(&key)) },
            "every call of a copy is allowed",
        ),
        outcome(
            "BKC-046",
            "backup-role-permitted",
            Severity::High,
            Status::Pass,
            Subject { part: Some(VAULT.to_owned()), ..subject(owner, None) },
            "the role can be assumed and may do what its plans need",
        ),
        outcome(
            "BKC-061",
            "restore-test-recent",
            Severity::Low,
            Status::NotApplicable,
            subject(owner, None),
            "no restore testing is asked for here",
        ),
    ]
}

fn of(id: &str, name: &str, coverage: Vec<ResourceCoverage>) -> AccountResult {
    let mut coverage = coverage;
    coverage.sort_by(|a, b| a.resource_arn.cmp(&b.resource_arn));
    AccountResult { account_id: account(id), name: Some(name.to_owned()), coverage, outcomes: passes(id), not_evaluated: Vec::new() }
}

/// The organization of the lab.
pub(crate) fn demo() -> Sweep {
    let (payroll, shop, data, tools, sandbox) = ("111111111111", "222222222222", "333333333333", "444444444444", "555555555555");
    let healthy = |owner: &str, names: &[(&str, &str, &str)], from: u32| {
        names.iter().zip(from..).map(|((kind, path, name), id)| resource(owner, kind, path, name, id)).collect::<Vec<_>>()
    };
    let mut accounts = vec![
        of(
            payroll,
            "payroll",
            vec![
                without_copy(resource(payroll, "EBS", "volume/vol-0a1b2c3d4e5f60001", "payroll-data", 1), 34),
                without_copy(resource(payroll, "EBS", "volume/vol-0a1b2c3d4e5f60002", "payroll-archive", 2), 34),
                resource(payroll, "DynamoDB", "table/payslips", "payslips", 3),
            ],
        ),
        of(
            shop,
            "shop",
            healthy(
                shop,
                &[
                    ("RDS", "db:orders", "orders"),
                    ("RDS", "db:catalogue", "catalogue"),
                    ("EBS", "volume/vol-0b2c3d4e5f6000001", "search-index"),
                    ("DynamoDB", "table/carts", "carts"),
                ],
                10,
            ),
        ),
        of(
            data,
            "data-platform",
            healthy(
                data,
                &[
                    ("EFS", "file-system/fs-0c3d4e5f", "notebooks"),
                    ("EBS", "volume/vol-0c3d4e5f600000001", "lake-cache"),
                    ("RDS", "cluster:warehouse", "warehouse"),
                    ("DynamoDB", "table/jobs", "jobs"),
                ],
                20,
            ),
        ),
        of(
            tools,
            "tools",
            healthy(
                tools,
                &[
                    ("EBS", "volume/vol-0d4e5f60000000001", "git"),
                    ("EBS", "volume/vol-0d4e5f60000000002", "ci-cache"),
                    ("EFS", "file-system/fs-0d4e5f60", "wiki"),
                ],
                30,
            ),
        ),
        AccountResult {
            account_id: account(sandbox),
            name: Some("sandbox".to_owned()),
            coverage: Vec::new(),
            outcomes: Vec::new(),
            not_evaluated: vec![NotEvaluated {
                account_id: account(sandbox),
                region: None,
                gaps: vec![gap(sandbox, "sts:AssumeRole", GapReason::RoleNotAssumable, Some("AccessDenied"))],
            }],
        },
        of(BACKUP, "backup", Vec::new()),
    ];
    break_key_policy(&mut accounts[0]);
    let stale = &mut accounts[2].coverage[0];
    stale.protection = Protection::Stale;
    stale.why = "backed up 5 hours ago, but its newest copy is 76 hours old and its rule runs every 24 hours".to_owned();
    stale.copies[0].newest.as_mut().unwrap().created_at = now() - 76.hours();
    stale.copies[0].uncopied = 3;
    stale.copies[0].first_uncopied_expires_at = Some(now() + 763.hours());
    let volume = unprotected(accounts[3].coverage[0].clone());
    accounts[3].coverage[0] = volume;
    let excepted = &mut accounts[3].coverage[1];
    *excepted = ResourceCoverage {
        protection: Protection::Excepted,
        exception: Some(ExceptedBy {
            owner: "platform-team".to_owned(),
            reason: "rebuilt from git every night".to_owned(),
            until: "2027-03-31T00:00:00Z".parse().unwrap(),
        }),
        why: "no selection selects it, and `platform-team` answers for that until 2027-03-31".to_owned(),
        ..unprotected(excepted.clone())
    };
    accounts[5].outcomes.insert(
        1,
        outcome(
            "BKC-023",
            "vault-lock-enabled",
            Severity::High,
            Status::Pass,
            subject(BACKUP, Some(VAULT)),
            "locked in compliance mode, 35 to 365 days",
        ),
    );
    let organization = OrganizationResult {
        outcomes: vec![
            outcome(
                "BKC-001",
                "organization-all-features",
                Severity::High,
                Status::Pass,
                subject("000000000000", None),
                "feature set `ALL`",
            ),
            outcome(
                "BKC-003",
                "cross-account-backup-enabled",
                Severity::Critical,
                Status::Pass,
                subject("000000000000", None),
                "cross-account backup is on",
            ),
        ],
        gaps: Vec::new(),
    };
    Sweep { head: head(), organization, accounts }
}

/// One account of it, in which everything is well.
pub(crate) fn well() -> Sweep {
    let mut sweep = demo();
    sweep.accounts = vec![sweep.accounts.swap_remove(1)];
    sweep
}

/// An organization of which nothing is known.
pub(crate) fn empty() -> Sweep {
    Sweep { head: head(), organization: OrganizationResult::default(), accounts: Vec::new() }
}

fn head() -> SweepHead {
    SweepHead {
        schema: SWEEP_SCHEMA.to_owned(),
        at: now(),
        version: "0.1.0".to_owned(),
        organization_id: Some("o-exampleorg".to_owned()),
        regions: vec![region(REGION), region("eu-west-1")],
        backup_accounts: vec![account(BACKUP)],
    }
}

fn break_key_policy(account: &mut AccountResult) {
    let found = &mut account.outcomes[1];
    found.outcome.status = Status::Fail;
    found.outcome.seen = "the key policy does not let `arn:aws:iam::999999999999:role/aws-service-role/backup.amazonaws.com/AWSServiceRoleForBackup` call `kms:CreateGrant`, so no copy of what is under this key can be made".to_owned();
    found.outcome.remedy = Some("add a statement to the key policy that allows `kms:CreateGrant` to the backup account with the condition `kms:GrantIsForAWSResource`; `guardian preflight` prints it with its proof".to_owned());
    found.outcome.evidence = vec![
        "arn:aws:kms:eu-central-1:111111111111:key/11aa22bb-0001".to_owned(),
        "copy job 47c8ef56-74d8-059d-1301-c5be1d5c926e".to_owned(),
        "arn:aws:backup:eu-central-1:111111111111:recovery-point:aaaa0001-6f0e-4a77-9b1c-2d3e4f5a6b7c".to_owned(),
    ];
}

/// The demo, in which copies of one more account are there so far: the policy of the vault does not let the next one in.
pub(crate) fn stopped() -> Sweep {
    let mut sweep = demo();
    let shop = &mut sweep.accounts[1];
    let owner = shop.account_id.as_str().to_owned();
    let about = Subject { part: Some(owner.clone()), account_id: account(BACKUP), ..subject(&owner, Some(VAULT)) };
    let seen = "the policy of the vault that copies go to does not let account 222222222222 in, so that every copy fails";
    let mut found = outcome("BKC-022", "destination-vault-admits-account", Severity::Critical, Status::Fail, about, seen);
    found.outcome.remedy = Some("add account 222222222222 to the statement that allows `backup:CopyIntoBackupVault`".to_owned());
    shop.outcomes.insert(1, found);
    sweep
}

/// The run of the night before: the key policy was whole, the backup role was not, and one database was not there yet.
pub(crate) fn before() -> Sweep {
    let mut sweep = demo();
    sweep.head.at = now() - 24.hours();
    let found = &mut sweep.accounts[0].outcomes[1];
    (found.outcome.status, found.outcome.remedy) = (Status::Pass, None);
    for row in &mut sweep.accounts[0].coverage {
        row.protection = Protection::Protected;
    }
    let role = &mut sweep.accounts[1].outcomes[2];
    role.outcome.status = Status::Fail;
    role.outcome.seen = "the role `backup` cannot be assumed by AWS Backup".to_owned();
    sweep.accounts[1].coverage.pop();
    sweep.accounts[4] = of("555555555555", "sandbox", vec![resource("555555555555", "EBS", "volume/vol-0e5f6000000000001", "scratch", 50)]);
    sweep
}

/// Catalogues that name some of these checks.
pub(crate) fn frameworks() -> Vec<Framework> {
    let control = |id: &str, title: &str, checks: &[&str]| Control {
        id: id.to_owned(),
        title: title.to_owned(),
        checks: checks.iter().map(|name| (*name).to_owned()).collect(),
        note: checks.is_empty().then(|| "what people decide no check sees".to_owned()),
    };
    let framework = |title: &str, controls| Framework {
        id: title.to_lowercase().replace(' ', "-"),
        title: title.to_owned(),
        version: "1".to_owned(),
        reference: "https://example.com".to_owned(),
        controls,
    };
    vec![
        framework(
            "NIST SP 800-53 Rev. 5",
            vec![
                control("CP-9", "System backup", &["recovery-point-keys-let-backup-account-copy", "backup-role-permitted"]),
                control("CP-9(8)", "Cryptographic protection", &["source-vault-encrypted-with-cmk"]),
                control("CP-2", "Contingency plan", &[]),
                control("CP-4", "Contingency plan testing", &["restore-test-recent"]),
            ],
        ),
        framework(
            "AWS Backup Audit Manager",
            vec![control("BACKUP_RESOURCES_PROTECTED_BY_BACKUP_VAULT_LOCK", "Vaults are locked", &["vault-lock-enabled"])],
        ),
    ]
}

/// Texts that would do something in a page, a terminal, a spreadsheet or a chat.
pub(crate) const HOSTILE: [&str; 10] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "</style></svg></details><h1>owned",
    "'onmouseover='alert(1)",
    "javascript:alert(1) https://evil.example/x",
    "=HYPERLINK(\"https://evil.example\",\"x\")",
    "\u{1b}[2J\u{202e}\u{200b}",
    "<!channel> @here [click](https://evil.example)",
    "&lt;b&gt; &#60;script&#62; {{7*7}} ${x}",
    "]}\n{\"account_id\":\"000000000000\"",
];

/// The same organization, every text of others hostile in turn.
pub(crate) fn hostile() -> Sweep {
    let mut sweep = demo();
    let mut texts = HOSTILE.iter().cycle().map(|text| (*text).to_owned());
    let mut next = || texts.next().unwrap();
    sweep.head.organization_id = Some(next());
    for account in &mut sweep.accounts {
        account.name = Some(next());
        for row in &mut account.coverage {
            (row.resource_name, row.resource_type, row.why) = (Some(next()), next(), next());
            row.resource_arn = arn(&format!("{}/{}", row.resource_arn.as_str(), next().replace(|c: char| c.is_control(), "")));
            for rule in &mut row.rules {
                (rule.plan_name, rule.selection_name, rule.rule_name, rule.because) = (next(), next(), next(), next());
            }
            if let Some(exception) = &mut row.exception {
                (exception.owner, exception.reason) = (next(), next());
            }
        }
        for found in &mut account.outcomes {
            (found.outcome.seen, found.outcome.remedy, found.outcome.subject.part) = (next(), Some(next()), Some(next()));
            found.outcome.evidence = (0..3).map(|_| next()).collect();
        }
        for gap in account.not_evaluated.iter_mut().flat_map(|part| &mut part.gaps) {
            (gap.action, gap.detail) = (next(), Some(next()));
        }
    }
    sweep
}

/// An account of a large organization: every 97th fails a check, every 31st has a stale resource, every 500th could not be read.
pub(crate) fn nth(n: u64) -> AccountResult {
    let id = format!("{:012}", 100_000_000_000 + n);
    let mut found = of(
        &id,
        &format!("team-{n}"),
        (0..6).map(|at| resource(&id, "EBS", &format!("volume/vol-{n:08}{at}"), &format!("disk-{at}"), at)).collect(),
    );
    if n.is_multiple_of(97) {
        break_key_policy(&mut found);
        for row in &mut found.coverage {
            *row = without_copy(row.clone(), 12);
        }
    }
    if n.is_multiple_of(31) {
        found.coverage[0].protection = Protection::Stale;
    }
    if n.is_multiple_of(500) {
        (found.coverage, found.outcomes) = (Vec::new(), Vec::new());
        let gaps = vec![gap(&id, "sts:AssumeRole", GapReason::RoleNotAssumable, None)];
        found.not_evaluated = vec![NotEvaluated { account_id: account(&id), region: None, gaps }];
    }
    found
}

/// A large organization, one account at a time.
pub(crate) fn large(accounts: u64, writer: &mut impl SweepWriter) -> io::Result<()> {
    let mut totals = Totals::default();
    writer.head(&head())?;
    writer.organization(&OrganizationResult::default())?;
    for n in 1..=accounts {
        let account = nth(n);
        count(&mut totals, &account);
        writer.account(&account)?;
    }
    writer.end(&totals)
}
