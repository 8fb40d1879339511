//! The report of a sweep: the machine form and its schema, what changed, the tables, the findings for Security Hub, the digest, and hostile texts in
//! all of them. How the page looks and behaves is tested in a browser (`tests/reports`).

use std::io;

use guardian_core::arn::Arn;
use guardian_core::compliance::{AccountResult, NotEvaluated, OrganizationResult, Status};
use guardian_core::coverage::Protection;
use guardian_core::evidence::GapReason;
use guardian_core::report::sweep::{
    Asff, Changes, CoverageCsv, Html, Json, MOST_IN_BATCH, Ocsf, OutcomesCsv, Overview, Product, ReadError, Reader, Surroundings,
    SweepWriter, Turn, compare, digest, terminal,
};
use guardian_core::report::{Look, render, schema};
use serde_json::Value;

use crate::contract;
use crate::sweeps::{self, HOSTILE, Sweep};

fn written(sweep: &Sweep) -> String {
    let mut bytes = Vec::new();
    sweep.tell(&mut Json::to(&mut bytes)).unwrap();
    String::from_utf8(bytes).unwrap()
}

fn overview(sweep: &Sweep) -> Overview {
    let mut overview = Overview::gather();
    sweep.tell(&mut overview).unwrap();
    overview.into_inner()
}

fn page(sweep: &Sweep, surroundings: Surroundings<'_>) -> String {
    let (overview, mut bytes) = (overview(sweep), Vec::new());
    sweep.tell(&mut Html::to(&mut bytes, &overview, surroundings)).unwrap();
    String::from_utf8(bytes).unwrap()
}

fn asff(sweep: &Sweep) -> Vec<Value> {
    let arn = Arn::parse("arn:aws:securityhub:eu-central-1:777777777777:product/777777777777/default").unwrap();
    let mut bytes = Vec::new();
    sweep.tell(&mut Asff::to(&mut bytes, Product::try_from(arn).unwrap())).unwrap();
    String::from_utf8(bytes).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn changes(before: &Sweep, now: &Sweep) -> Changes {
    let (before, now) = (written(before), written(now));
    compare(&mut Reader::open(before.as_bytes()).unwrap(), &mut Reader::open(now.as_bytes()).unwrap()).unwrap()
}

fn read(text: &str) -> Result<Vec<AccountResult>, ReadError> {
    let mut reader = Reader::open(text.as_bytes())?;
    let mut accounts = Vec::new();
    while let Some(account) = reader.next_account()? {
        accounts.push(account);
    }
    assert!(reader.totals().is_some());
    Ok(accounts)
}

#[test]
fn the_machine_form_keeps_its_schema_and_every_member_is_described() {
    let schema = serde_json::from_str::<Value>(schema::SWEEP_V1).unwrap();
    let validator = jsonschema::options().should_validate_formats(true).build(&schema).unwrap();
    for sweep in [sweeps::demo(), sweeps::before(), sweeps::hostile(), sweeps::empty()] {
        let document = serde_json::from_str::<Value>(&written(&sweep)).unwrap();
        let errors = validator.iter_errors(&document).map(|error| format!("{error} at {}", error.instance_path)).collect::<Vec<_>>();
        assert!(errors.is_empty(), "{errors:?}");
        contract::described(&schema, &schema, &document, "");
    }
    let good = serde_json::from_str::<Value>(&written(&sweeps::demo())).unwrap();
    for (at, wrong) in [
        ("/head/schema", "backup-guardian/sweep/v2"),
        ("/sha256", "0"),
        ("/accounts/0/account_id", "me"),
        ("/accounts/0/coverage/0/protection", "fine"),
        ("/accounts/0/outcomes/0/status", "ok"),
        ("/accounts/0/coverage/0/newest_backup/created_at", "yesterday"),
    ] {
        let mut bad = good.clone();
        *bad.pointer_mut(at).unwrap() = wrong.into();
        assert!(!validator.is_valid(&bad), "{at}");
    }
}

#[test]
fn the_machine_form_is_the_same_bytes_and_reads_back_as_itself() {
    for sweep in [sweeps::demo(), sweeps::empty()] {
        let text = written(&sweep);
        assert_eq!(text, written(&sweep));
        assert_eq!(read(&text).unwrap(), sweep.accounts);
        let reader = Reader::open(text.as_bytes()).unwrap();
        assert_eq!((&reader.head, &reader.organization), (&sweep.head, &sweep.organization));
    }
    // What a row says cannot end it.
    let hostile = written(&sweeps::hostile());
    assert_eq!(read(&hostile).unwrap().len(), sweeps::hostile().accounts.len());
}

#[test]
fn what_was_changed_or_cut_is_not_read() {
    let text = written(&sweeps::demo());
    for (from, to) in [("payroll-data", "payroll-date"), ("\"never-copied\"", "\"protected\""), ("\"accounts\":6", "\"accounts\":7")] {
        let changed = text.replacen(from, to, 1);
        assert!(changed != text && matches!(read(&changed), Err(ReadError::Hash { .. })), "{from}");
    }
    let lines = text.lines().count();
    for cut in 0..lines {
        let short = text.lines().take(cut).map(|line| format!("{line}\n")).collect::<String>();
        assert!(read(&short).is_err(), "{cut} of {lines} lines");
    }
    let error = read(&text.replace("sweep/v1", "sweep/v9")).unwrap_err();
    assert_eq!(error.to_string(), "line 2 is not of the form of `backup-guardian/sweep/v1`: its schema is `backup-guardian/sweep/v9`");
}

#[test]
fn what_changed_is_told_and_absence_is_never_mended() {
    let changed = changes(&sweeps::before(), &sweeps::demo());
    let turns = changed.turned.iter().map(|turned| (turned.turn, turned.found.code.as_str())).collect::<Vec<_>>();
    // What passed in an account that cannot be read now is no change to tell; the account is in the list of those not evaluated.
    assert_eq!(turns, [(Turn::Failed, "BKC-038"), (Turn::Mended, "BKC-046")]);
    let protection = changed.protection.iter().map(|change| (change.from, change.to)).collect::<Vec<_>>();
    let protected = Some(Protection::Protected);
    assert_eq!(
        protection,
        [
            (protected, Some(Protection::NeverCopied)),
            (protected, Some(Protection::NeverCopied)),
            (protected, Some(Protection::Unknown)),
            (None, protected),
        ]
    );
    assert!(changes(&sweeps::demo(), &sweeps::demo()).is_empty());

    // The failure of an account that is not there, or cannot be read, any more.
    let mut now = sweeps::before();
    let gone = now.accounts.remove(1);
    let away = changes(&sweeps::before(), &now);
    assert_eq!((away.count(Turn::OutOfSight), away.count(Turn::Mended), away.accounts_gone), (1, 0, 1));
    assert_eq!(changes(&now, &sweeps::before()).count(Turn::Failed), 1, "{}", gone.account_id);
    let mut now = sweeps::before();
    now.accounts[1].outcomes.remove(2);
    assert_eq!(changes(&sweeps::before(), &now).count(Turn::Gone), 1, "it was read, and the thing is not there");
    now.accounts[1].not_evaluated = sweeps::demo().accounts[4].not_evaluated.clone();
    assert_eq!(changes(&sweeps::before(), &now).count(Turn::OutOfSight), 1);
    // What is mended in part is not mended.
    let mut now = sweeps::before();
    let mut part = now.accounts[1].outcomes[2].clone();
    part.outcome.status = Status::Pass;
    now.accounts[1].outcomes.insert(3, part);
    assert!(changes(&sweeps::before(), &now).is_empty());
    let mut now = sweeps::before();
    now.accounts[1].outcomes[2].outcome.status = Status::Unknown;
    assert_eq!(changes(&sweeps::before(), &now).count(Turn::OutOfSight), 1);
}

/// The rows of a table, read by rules of our own (RFC 4180).
fn rows(table: &str) -> Vec<Vec<String>> {
    let (mut rows, mut row, mut cell, mut quoted) = (Vec::new(), Vec::new(), String::new(), false);
    let mut chars = table.chars().peekable();
    while let Some(c) = chars.next() {
        match (quoted, c) {
            (true, '"') if chars.peek() == Some(&'"') => cell.extend(chars.next()),
            (_, '"') => quoted = !quoted,
            (false, ',') => row.push(std::mem::take(&mut cell)),
            (false, '\r') => {
                assert_eq!(chars.next(), Some('\n'));
                row.push(std::mem::take(&mut cell));
                rows.push(std::mem::take(&mut row));
            }
            (_, c) => cell.push(c),
        }
    }
    assert!(row.is_empty() && cell.is_empty() && !quoted);
    rows
}

#[test]
fn the_tables_have_every_row_and_no_formula() {
    for sweep in [sweeps::demo(), sweeps::hostile()] {
        let (mut coverage, mut outcomes) = (Vec::new(), Vec::new());
        sweep.tell(&mut CoverageCsv::to(&mut coverage)).unwrap();
        sweep.tell(&mut OutcomesCsv::to(&mut outcomes)).unwrap();
        let not_evaluated = sweep.accounts.iter().map(|account| account.not_evaluated.len()).sum::<usize>();
        let all = sweep.accounts.iter().map(|account| account.coverage.len()).sum::<usize>() + not_evaluated;
        let coverage = rows(&String::from_utf8(coverage).unwrap());
        assert_eq!(coverage.len(), all + 1);
        let all = sweep.accounts.iter().map(|account| account.outcomes.len()).sum::<usize>() + sweep.organization.outcomes.len();
        let outcomes = rows(&String::from_utf8(outcomes).unwrap());
        assert_eq!(outcomes.len(), all + not_evaluated + 1);
        for table in [coverage, outcomes] {
            for row in &table {
                assert_eq!(row.len(), table[0].len());
                assert!(row.iter().all(|cell| !cell.starts_with(['=', '+', '-', '@', '\t', '\r'])), "{row:?}");
            }
        }
    }
}

#[test]
fn findings_for_security_hub_come_in_batches_with_ids_that_last() {
    let findings = |sweep: &Sweep| asff(sweep).iter().flat_map(|batch| batch["Findings"].as_array().unwrap().clone()).collect::<Vec<_>>();
    let ids = |sweep: &Sweep| findings(sweep).iter().map(|finding| finding["Id"].as_str().unwrap().to_owned()).collect::<Vec<_>>();
    let (demo, before) = (sweeps::demo(), sweeps::before());
    let mut unique = ids(&demo);
    unique.sort();
    unique.dedup();
    assert_eq!(unique.len(), ids(&demo).len(), "no two findings are one");
    let lasting = ids(&before).into_iter().filter(|id| unique.contains(id)).count();
    assert_eq!(lasting, unique.len(), "the same thing has the same id in every sweep");

    let all = findings(&demo);
    let broken = all.iter().find(|finding| finding["Compliance"]["Status"] == "FAILED").unwrap();
    assert_eq!(broken["Severity"]["Label"], "CRITICAL");
    assert_eq!(broken["AwsAccountId"], "777777777777", "with the default product, it is the account that imports");
    assert_eq!(broken["ProductFields"]["backup-guardian/account"], "111111111111");
    assert_eq!(broken["Resources"][0]["Type"], "AwsKmsKey");
    assert!(broken["Remediation"]["Recommendation"]["Text"].as_str().unwrap().ends_with("Account 111111111111."));
    assert!(
        all.iter().filter(|finding| finding["Compliance"]["Status"] == "NOT_AVAILABLE").all(|finding| finding["RecordState"] == "ARCHIVED")
    );

    let mut many = sweeps::demo();
    let outcomes = many.accounts[0].outcomes.clone();
    many.accounts[0].outcomes = outcomes.into_iter().cycle().take(2 * MOST_IN_BATCH + 1).collect();
    (many.organization, many.accounts) = (OrganizationResult::default(), vec![many.accounts.swap_remove(0)]);
    let sizes = asff(&many).iter().map(|batch| batch["Findings"].as_array().unwrap().len()).collect::<Vec<_>>();
    assert_eq!(sizes, [MOST_IN_BATCH, MOST_IN_BATCH, 1]);
    // Several things that one check says of one subject, each with an id of its own.
    many.accounts[0].outcomes.sort_by(|a, b| a.code.cmp(&b.code));
    let all = ids(&many);
    assert_eq!(all.iter().collect::<std::collections::BTreeSet<_>>().len(), all.len());
    for wrong in ["arn:aws:kms:eu-central-1:777777777777:product/x/default", "arn:aws:securityhub:eu-central-1::product/x/default"] {
        assert!(Product::try_from(Arn::parse(wrong).unwrap()).is_err());
    }
}

#[test]
fn the_digest_is_an_alert_that_names_the_worst_and_what_to_do() {
    let changed = changes(&sweeps::before(), &sweeps::demo());
    let message = render(&digest(&overview(&sweeps::demo()), Some(&changed), Some("s3://reports/sweep.html")).unwrap());
    assert_eq!(message.subject, "CRITICAL Backup sweep: 64.2 % protected, 1 check failed, 4 unprotected, 1 unread account");
    let alert = contract::check(&message.default);
    assert_eq!(
        (&alert["kind"], &alert["severity"], &alert["act_in"]["account_id"]),
        (&"sweep".into(), &"critical".into(), &"111111111111".into())
    );
    assert!(alert["next_steps"][0]["text"].as_str().unwrap().contains("kms:CreateGrant"));
    insta::assert_snapshot!("sweep-email", message.email);
    let well = render(&digest(&overview(&sweeps::well()), None, None).unwrap());
    assert_eq!(well.subject, "INFO Backup sweep: 100 % protected");
    assert!(digest(&Overview::gather().into_inner(), None, None).is_none());
}

#[test]
fn the_terminal_tells_the_worst_first_and_how_much_is_left_out() {
    let changed = changes(&sweeps::before(), &sweeps::demo());
    let text = terminal(&overview(&sweeps::demo()), Some(&changed), Look::PLAIN, 2);
    assert!(text.contains("... and 2 more: --format json"), "{text}");
    insta::assert_snapshot!("sweep-terminal", text);
    insta::assert_snapshot!("sweep-terminal-well", terminal(&overview(&sweeps::well()), None, Look::PLAIN, 20));
}

#[test]
fn no_hostile_text_is_alive_in_any_form() {
    let hostile = sweeps::hostile();
    let changed = changes(&sweeps::before(), &hostile);
    let surroundings = Surroundings { changes: Some(&changed), machine_form: Some(HOSTILE[0]), ..Surroundings::default() };
    let overview = overview(&hostile);
    let message = render(&digest(&overview, Some(&changed), None).unwrap());
    let mut texts = vec![
        written(&hostile),
        page(&hostile, surroundings),
        terminal(&overview, Some(&changed), Look::PLAIN, 100),
        message.email,
        message.default,
        message.sms,
        serde_json::to_string(&asff(&hostile)).unwrap(),
    ];
    let mut bytes = Vec::new();
    hostile.tell(&mut Ocsf::to(&mut bytes)).unwrap();
    hostile.tell(&mut CoverageCsv::to(&mut bytes)).unwrap();
    hostile.tell(&mut OutcomesCsv::to(&mut bytes)).unwrap();
    texts.push(String::from_utf8(bytes).unwrap());
    for text in &texts {
        for alive in ["\u{1b}", "\\u001b", "\u{202e}", "\u{200b}", "<!channel>", "@here", "https://evil", "](https"] {
            assert!(!text.contains(alive), "{alive:?} in {text}");
        }
    }
    assert!(message.subject.len() < 100 && message.subject.is_ascii());
    for alive in ["<script", "<img", "<h1>owned", "onmouseover='"] {
        assert!(!texts[1].contains(alive), "{alive}");
    }
    assert!(texts[1].contains("&lt;script&gt;alert(1)&lt;/script&gt;"), "it is shown");
}

/// Counts what is written and keeps nothing.
#[derive(Default)]
struct Counter {
    bytes: u64,
    largest: usize,
}

impl io::Write for &mut Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes += bytes.len() as u64;
        self.largest = self.largest.max(bytes.len());
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn the_page_and_the_overview_stay_small_whatever_the_number_of_accounts() {
    let size = |accounts: u64| {
        let mut overview = Overview::gather();
        sweeps::large(accounts, &mut overview).unwrap();
        let overview = overview.into_inner();
        assert_eq!(overview.accounts.total(), accounts);
        let kept = overview.accounts.iter().len() + overview.findings.iter().len() + overview.routes.worst.iter().len();
        let mut counter = Counter::default();
        sweeps::large(accounts, &mut Html::to(&mut counter, &overview, Surroundings::default())).unwrap();
        (kept, counter.bytes)
    };
    let ((kept, bytes), (kept_of_more, bytes_of_more)) = (size(10_000), size(20_000));
    assert!(kept <= 1400 && kept_of_more <= 1400, "{kept} {kept_of_more}");
    assert!(bytes_of_more < 3_500_000 && bytes_of_more * 100 < bytes * 120, "{bytes} {bytes_of_more}");
}

#[test]
fn every_account_that_could_not_be_read_is_listed_and_none_is_whole() {
    let names = ["sts:AssumeRole", "backup:ListBackupVaults"];
    for k in 0..=4 {
        let mut sweep = sweeps::demo();
        sweep.accounts.retain(|account| account.not_evaluated.is_empty());
        for (account, action) in sweep.accounts.iter_mut().zip(names.iter().cycle()).take(k) {
            let gaps = vec![sweeps::gap(account.account_id.as_str(), action, GapReason::AccessDenied, None)];
            account.not_evaluated = vec![NotEvaluated { account_id: account.account_id.clone(), region: None, gaps }];
        }
        let overview = overview(&sweep);
        let text = terminal(&overview, None, Look { color: false, columns: 400 }, 20);
        let page = page(&sweep, Surroundings::default());
        assert_eq!(overview.not_evaluated.total(), k as u64);
        assert_eq!(text.matches("access was denied").count(), k, "{text}");
        assert_eq!(page.contains("id=\"not-evaluated\""), k > 0);
        let listed = sweep.accounts.iter().take(k).filter(|account| {
            page.contains(&format!("<tr><th scope=\"row\">account {} ({})</th>", account.name.as_ref().unwrap(), account.account_id))
        });
        assert_eq!(listed.count(), k);
    }
}

/// A writer that never wrote a head would write half a document.
#[test]
fn ocsf_has_no_outcomes_before_its_head() {
    let sweep = sweeps::demo();
    assert!(Ocsf::to(Vec::new()).organization(&sweep.organization).is_err());
}
