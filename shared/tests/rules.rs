//! Runs the cases of every rule page, and holds list, files, pages and cases together.
//!
//! A case is a JSON merge patch (RFC 7386) over a named base of `tests/facts/evidence` and the verdict that must come of it. `BLESS=1` rewrites the
//! verdicts from what the rules say now; read the difference before you commit it.

#![expect(clippy::disallowed_methods, reason = "the tests read the pages and the bases from disk")]
#![expect(clippy::unwrap_used, clippy::panic, clippy::string_slice, reason = "a test may stop where its premise fails")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::LazyLock;

use guardian_core::diagnosis::rules::ALL;
use guardian_core::diagnosis::{Answer, Cause, Rule, Stand, Verdict, diagnose};
use guardian_core::evidence::{Denial, Evidence, Fact};
use proptest::prelude::*;
use serde_json::{Value, json};

#[path = "support/pages.rs"]
mod pages;

use pages::{blessing, merge, root};

const SECTIONS: [&str; 5] = ["What it means", "Why it happens", "How to fix", "When it is wrong", "Cases"];

fn rules_folder() -> PathBuf {
    root().join("shared/src/diagnosis/rules")
}

struct Case {
    title: String,
    evidence: Evidence,
    expected: Value,
    /// Where the text of the expected verdict is in the page.
    span: std::ops::Range<usize>,
}

/// The cases of the page of a rule.
fn cases(rule: &Rule, page: &str) -> Vec<Case> {
    let name = rule.meta.name;
    let cases = pages::page_cases(name, page, ("evidence", "evidence", "verdict")).into_iter().map(|case| {
        let pages::PageCase { title, input, expected, span } = case;
        let evidence = serde_json::from_value(input).unwrap_or_else(|error| panic!("{name}, `{title}`: not evidence: {error}"));
        Case { title, evidence, expected, span }
    });
    cases.collect()
}

fn answer(rule: &Rule, evidence: &Evidence) -> &'static str {
    match (rule.judge)(evidence) {
        Answer::Explains(_) => "explains",
        Answer::RuledOut { .. } => "ruled-out",
        Answer::CannotTell { .. } => "cannot-tell",
    }
}

/// What a case shows: the answer of its rule, and the verdict of all rules together.
fn outcome(rule: &Rule, evidence: &Evidence) -> Value {
    let verdict = diagnose(evidence);
    json!({
        "answer": answer(rule, evidence),
        "cause": verdict.cause,
        "certainty": verdict.certainty,
        "severity": verdict.severity,
        "act_in": {"account_id": verdict.act_in.account_id},
        "summary": verdict.summary,
    })
}

#[test]
fn every_case_of_every_page_gives_its_verdict() {
    let mut wrong = String::new();
    for rule in ALL {
        let path = rules_folder().join(format!("{}.md", rule.meta.name));
        let mut page = std::fs::read_to_string(&path).unwrap();
        for case in cases(rule, &page.clone()).into_iter().rev() {
            let actual = outcome(rule, &case.evidence);
            if actual == case.expected {
                continue;
            }
            if blessing() {
                page.replace_range(case.span, &format!("{}\n", serde_json::to_string_pretty(&actual).unwrap()));
            } else {
                let _ = writeln!(wrong, "{}: {}\n  page: {}\n  now:  {actual}", rule.meta.name, case.title, case.expected);
            }
        }
        if blessing() {
            std::fs::write(&path, &page).unwrap();
        }
    }
    assert!(wrong.is_empty(), "run `make bless` if this is meant:\n{wrong}");
}

#[test]
fn every_rule_has_a_case_that_fires_one_that_misses_and_one_that_cannot_tell() {
    for rule in ALL {
        let mut seen = BTreeSet::new();
        for case in cases(rule, rule.meta.page) {
            let answer = answer(rule, &case.evidence);
            seen.insert(answer);
            if answer == "explains" && rule.meta.causes.contains(&diagnose(&case.evidence).cause) {
                seen.insert("wins");
            }
        }
        for needed in ["wins", "ruled-out", "cannot-tell"] {
            assert!(seen.contains(needed), "{}: no case that is `{needed}`, only {seen:?}", rule.meta.name);
        }
    }
}

#[test]
fn list_files_and_pages_are_the_same_rules() {
    let listed = ALL.iter().map(|rule| rule.meta.name.to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(listed.len(), ALL.len(), "a name is there twice");
    let mut files: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for entry in std::fs::read_dir(rules_folder()).unwrap() {
        let path = entry.unwrap().path();
        if let (Some(stem), Some(kind)) = (path.file_stem().and_then(|s| s.to_str()), path.extension().and_then(|s| s.to_str())) {
            files.entry(kind.to_owned()).or_default().insert(stem.to_owned());
        }
    }
    assert_eq!(files["md"], listed, "pages and list differ");
    let sources = files["rs"].iter().filter(|stem| *stem != "mod").map(|stem| stem.replace('_', "-"));
    assert_eq!(sources.collect::<BTreeSet<_>>(), listed, "sources and list differ");
}

#[test]
fn metadata_is_whole_and_pages_have_their_sections() {
    let mut codes = BTreeSet::new();
    for rule in ALL {
        let meta = &rule.meta;
        let name = meta.name;
        assert!(codes.insert(meta.code), "{name}: code {} is there twice", meta.code);
        let number = meta.code.strip_prefix("BKD-").unwrap_or_else(|| panic!("{name}: code {}", meta.code));
        assert!(number.len() == 3 && number.bytes().all(|b| b.is_ascii_digit()), "{name}: code {}", meta.code);
        assert!(!meta.causes.is_empty() && !meta.references.is_empty() && !meta.title.is_empty(), "{name}: metadata");
        assert!(meta.references.iter().all(|url| url.starts_with("https://")), "{name}: references");
        assert!(meta.needs.iter().all(|action| action.contains(':')), "{name}: `needs` are IAM actions");
        assert!(meta.page.starts_with(&format!("# {}\n", meta.title)), "{name}: the page must open with `# {}`", meta.title);
        let headings = meta.page.lines().filter_map(|line| line.strip_prefix("## ")).collect::<Vec<_>>();
        assert_eq!(headings, SECTIONS, "{name}: sections");
        let on_disk = std::fs::read_to_string(rules_folder().join(format!("{name}.md"))).unwrap();
        assert!(blessing() || meta.page == on_disk, "{name}: the compiled page is another one than the one on disk");
    }
}

#[test]
fn every_cause_is_found_by_a_rule() {
    let found = ALL.iter().flat_map(|rule| rule.meta.causes).collect::<BTreeSet<_>>();
    assert!(!found.contains(&Cause::Unexplained), "unexplained is the verdict of no rule");
    let missing = Cause::ALL.iter().filter(|cause| **cause != Cause::Unexplained && !found.contains(cause)).collect::<Vec<_>>();
    assert!(missing.is_empty(), "no rule finds {missing:?}");
    for rule in ALL.iter().filter(|rule| rule.meta.causes.len() == 1) {
        assert_eq!(rule.meta.name, rule.meta.causes[0].label(), "a rule of one cause bears its name");
    }
}

#[test]
fn the_list_of_rules_in_the_documents_is_the_list_of_rules() {
    let mut by_code = ALL.iter().map(|rule| &rule.meta).collect::<Vec<_>>();
    by_code.sort_by_key(|meta| meta.code);
    let mut page = "# Rules\n\nGenerated from the metadata of the rules by `make bless`. The page of a rule is its manual and its test; \
                    `guardian explain CODE` prints it.\n\n| Code | Cause | What it means | Evidence it needs |\n| --- | --- | --- | --- |\n"
        .to_owned();
    for meta in by_code {
        let needs = meta.needs.iter().map(|action| format!("`{action}`")).collect::<Vec<_>>().join(", ");
        let needs = if needs.is_empty() { "the event alone".to_owned() } else { needs };
        let _ = writeln!(
            page,
            "| {} | [`{}`](../shared/src/diagnosis/rules/{}.md) | {} | {needs} |",
            meta.code, meta.name, meta.name, meta.title
        );
    }
    let path = root().join("docs/rules.md");
    if blessing() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &page).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap_or_default(), page, "docs/rules.md is old: run `make bless`");
}

/// The evidence of every case of every page.
static CORPUS: LazyLock<Vec<(String, Evidence)>> = LazyLock::new(|| {
    let mut corpus = Vec::new();
    for rule in ALL {
        corpus.extend(cases(rule, rule.meta.page).into_iter().map(|case| (format!("{}: {}", rule.meta.name, case.title), case.evidence)));
    }
    corpus
});

/// Pieces of evidence that are no denials.
const FACTS: usize = 19;

/// Whether two witnesses contradict each other: the one case in which less evidence makes a verdict surer, since one of them is not heard.
fn contradictory(verdict: &Verdict) -> bool {
    verdict.evaluation.as_ref().is_some_and(|evaluation| evaluation.stand == Stand::Contradicts)
}

/// Takes one piece of evidence away; `None` where there is no such piece.
fn without(evidence: &Evidence, piece: usize) -> Option<Evidence> {
    fn take<T>(fact: &mut Fact<T>) -> bool {
        let known = fact.known().is_some();
        *fact = Fact::NotAsked;
        known
    }
    let mut less = evidence.clone();
    let taken = match piece {
        0 => take(&mut less.description),
        1 => take(&mut less.recovery_point),
        2 => take(&mut less.vault),
        3 => take(&mut less.destination_vault),
        4 => take(&mut less.destination_vault_policy),
        5 => take(&mut less.source_key),
        6 => take(&mut less.source_key_policy),
        7 => take(&mut less.destination_key),
        8 => take(&mut less.changes),
        9 => less.searches.pop().is_some(),
        10 => less.organization_id.take().is_some(),
        11 => take(&mut less.source_key_grants),
        12 => take(&mut less.vault_policy),
        13 => take(&mut less.destination_key_policy),
        14 => take(&mut less.destination_key_grants),
        15 => take(&mut less.role),
        16 => take(&mut less.organization),
        17 => take(&mut less.scps),
        18 => take(&mut less.rcps),
        n => n - FACTS < less.denials.len() && !less.denials.remove(n - FACTS).event_id.is_empty(),
    };
    taken.then_some(less)
}

#[test]
fn taking_a_fact_away_never_makes_a_verdict_surer() {
    let mut wrong = String::new();
    let mut tried = 0;
    for (title, evidence) in CORPUS.iter() {
        let full = diagnose(evidence);
        if contradictory(&full) {
            continue;
        }
        for piece in 0..FACTS + evidence.denials.len() {
            let Some(less) = without(evidence, piece) else { continue };
            tried += 1;
            let poorer = diagnose(&less);
            if poorer.certainty > full.certainty {
                let _ = writeln!(
                    wrong,
                    "{title}: without {piece}: {} {} -> {} {}",
                    full.cause,
                    full.certainty.as_str(),
                    poorer.cause,
                    poorer.certainty.as_str()
                );
            }
        }
    }
    assert!(tried > 300, "only {tried} pieces were taken away");
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn a_patch_is_shown_only_with_its_whole_proof_and_where_the_evaluation_agrees() {
    let mut shown = 0;
    for (title, evidence) in CORPUS.iter() {
        let verdict = diagnose(evidence);
        let Some(patch) = &verdict.patch else { continue };
        shown += 1;
        assert!(patch.proof.holds(), "{title}: {:?}", patch.proof);
        assert_eq!(verdict.evaluation.as_ref().map(|evaluation| evaluation.stand), Some(Stand::Agrees), "{title}");
        assert_eq!(Some(&patch.target_arn), verdict.act_in.resource_arn.as_ref(), "{title}");
        assert!(!patch.statements.is_empty(), "{title}");
    }
    assert!(shown >= 10, "only {shown} cases have a patch");
}

/// Evidence of a copy between accounts with one refused call of the job, which names its object.
fn refused(base_name: &str, patch: &Value, (role, recorded_in): (&str, &str), action: &str, resource: &str) -> Evidence {
    let mut evidence = pages::base("evidence", base_name);
    merge(&mut evidence, patch);
    let (service, name) = action.split_once(':').unwrap();
    let denial = json!({
        "event_time": "2026-11-02T05:21:31Z", "event_id": "refused", "recorded_in": recorded_in, "region": "eu-central-1",
        "event_source": format!("{service}.amazonaws.com"), "event_name": name, "error_code": "AccessDenied", "kind": "access-denied",
        "principal": format!("arn:aws:sts::{recorded_in}:assumed-role/role/session"), "issuer_arn": role,
        "action": action, "resource": resource, "effect": "implicit-deny", "policy_type": "resource-based-policy",
    });
    merge(&mut evidence, &json!({"denials": [denial]}));
    serde_json::from_value(evidence).unwrap()
}

const COPIER: (&str, &str) =
    ("arn:aws:iam::222222222222:role/aws-service-role/backup.amazonaws.com/AWSServiceRoleForBackup", "222222222222");

#[test]
fn a_call_that_no_document_names_is_mended_where_aws_was_seen_to_make_it() {
    let key = "arn:aws:kms:eu-central-1:111111111111:key/1234abcd-12ab-34cd-56ef-1234567890ab";
    let root = |account: &str| json!({"AWS": format!("arn:aws:iam::{account}:root")});
    // Everything that a copy is documented to need comes through EC2; DescribeKey may come without.
    let statements = json!([
        {"Effect": "Allow", "Principal": root("111111111111"), "Action": "kms:*", "Resource": "*"},
        {"Effect": "Allow", "Principal": root("222222222222"), "Resource": "*",
         "Action": ["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:DescribeKey", "kms:CreateGrant"],
         "Condition": {"StringEquals": {"kms:ViaService": "ec2.eu-central-1.amazonaws.com"}}},
    ]);
    let patch = json!({"source_key_policy": {"value": {"document": {"Statement": statements}}}});
    let mut evidence = refused("copy-ebs-cross-account", &patch, COPIER, "kms:DescribeKey", key);
    let verdict = diagnose(&evidence);
    assert_eq!(verdict.evaluation.as_ref().map(|evaluation| evaluation.stand), Some(Stand::Agrees), "{:?}", verdict.evaluation);
    assert_eq!(verdict.certainty.as_str(), "proven");
    let patch = verdict.patch.unwrap();
    assert_eq!((patch.target_arn.as_str(), patch.proof.holds()), (key, true));
    assert!(patch.statements.iter().any(|statement| statement["Action"] == json!(["kms:DescribeKey"])), "{:?}", patch.statements);
    // The same policies without the refused call: nothing says that AWS makes it.
    evidence.denials.clear();
    assert_eq!(diagnose(&evidence).patch, None);
}

#[test]
fn what_is_refused_whatever_was_not_seen_is_refused() {
    let vault = "arn:aws:backup:eu-central-1:222222222222:backup-vault:central-vault";
    let other = json!([{"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::999999999999:root"}, "Resource": "*",
        "Action": "backup:CopyIntoBackupVault"}]);
    let patch = json!({"destination_vault_policy": {"value": {"document": {"Statement": other}}}, "scps": null, "role": null});
    let role = ("arn:aws:iam::111111111111:role/service-role/AWSBackupDefaultServiceRole", "111111111111");
    let evidence = refused("copy-efs-cross-account", &patch, role, "backup:CopyIntoBackupVault", vault);
    let verdict = diagnose(&evidence);
    assert!(evidence.scps.known().is_none() && evidence.role.known().is_none());
    assert_eq!(verdict.evaluation.as_ref().map(|evaluation| evaluation.stand), Some(Stand::Agrees), "{:?}", verdict.evaluation);
    assert_eq!(verdict.certainty.as_str(), "proven");
}

#[test]
fn no_statement_is_said_to_enable_a_key() {
    let key = "arn:aws:kms:eu-central-1:111111111111:key/1234abcd-12ab-34cd-56ef-1234567890ab";
    let disabled = json!({"source_key": {"value": {"state": "Disabled"}}});
    let verdict = diagnose(&refused("copy-ebs-cross-account", &disabled, COPIER, "kms:CreateGrant", key));
    assert_eq!(verdict.cause.label(), "kms-key-unusable");
    assert_eq!(verdict.patch, None);
    let last = verdict.next_steps.last().unwrap();
    assert!(last.text.contains("would stop the copy next") && last.command.is_some(), "{:?}", verdict.next_steps);
}

/// A denial of another copy, which must change nothing.
fn stranger(n: usize) -> Denial {
    let key = format!("arn:aws:kms:eu-central-1:333333333333:key/00000000-0000-4000-8000-{n:012}");
    serde_json::from_value(json!({
        "event_time": "2026-11-02T05:21:31Z", "event_id": format!("stranger-{n}"), "recorded_in": "222222222222", "region": "eu-central-1",
        "event_source": "kms.amazonaws.com", "event_name": "CreateGrant", "error_code": "AccessDenied", "kind": "access-denied",
        "principal": "arn:aws:sts::222222222222:assumed-role/AWSServiceRoleForBackup/AWSBackup-AWSServiceRoleForBackup",
        "issuer_arn": "arn:aws:iam::222222222222:role/aws-service-role/backup.amazonaws.com/AWSServiceRoleForBackup",
        "action": "kms:CreateGrant", "resource": key,
    }))
    .unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn neither_order_nor_duplicates_nor_strangers_change_a_verdict(
        which in any::<prop::sample::Index>(),
        order in any::<u64>(),
        copies in 0_usize..4,
        strangers in 0_usize..5,
    ) {
        let (title, evidence) = which.get(&CORPUS);
        let verdict = diagnose(evidence);
        let mut shuffled = evidence.clone();
        shuffled.denials.extend((0..strangers).map(stranger));
        for n in 0..copies.min(evidence.denials.len()) {
            shuffled.denials.push(evidence.denials[n].clone());
        }
        shuffled.searches.extend(evidence.searches.iter().take(copies).cloned());
        shuffled.denials.sort_by_key(|denial| mix(order, &denial.event_id));
        shuffled.searches.reverse();
        if let Fact::Known { value, .. } = &mut shuffled.changes {
            value.reverse();
        }
        prop_assert_eq!(diagnose(&shuffled), verdict, "{}", title);
    }

    #[test]
    fn any_loss_of_evidence_moves_a_verdict_towards_unknown(
        which in any::<prop::sample::Index>(),
        lost in prop::collection::vec(0..FACTS + 3, 1..8),
    ) {
        let (title, evidence) = which.get(&CORPUS);
        let full = diagnose(evidence);
        prop_assume!(!contradictory(&full));
        let full = full.certainty;
        let mut less = evidence.clone();
        for piece in lost {
            less = without(&less, piece).unwrap_or(less);
        }
        let poorer = diagnose(&less);
        prop_assert!(poorer.certainty <= full, "{}: {} became {} {}", title, full.as_str(), poorer.cause, poorer.certainty.as_str());
    }
}

/// A number that orders texts differently for every seed.
fn mix(seed: u64, text: &str) -> u64 {
    text.bytes().fold(seed, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3).rotate_left(17))
}
