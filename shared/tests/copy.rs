//! What a copy needs, as one table: every resource type, within the account and across, between every kind of vaults.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may stop at the first surprise")]

use std::collections::BTreeSet;

use guardian_core::arn::{AccountId, Region};
use guardian_core::copy::{
    Actor, Family, MANAGED_POLICIES, Need, Object, Obstacle, Outlook, RESTORE_ROLE, Requirement, Restore, Route, RoutePolicies, SeenCall,
    judge, judge_all, managed_policy, obstacles, possible, predict, requirements, requirements_seen,
};
use guardian_core::policy::{Decision, Document};
use routes::Vaults::*;
use routes::{BACKUP, SOURCE, TYPES, VAULTS, Vaults, allow, arn, document, documented, route};
use serde_json::json;

#[path = "support/routes.rs"]
mod routes;

/// Every combination, with its name.
fn combinations() -> Vec<(String, Family, bool, Vaults, Route)> {
    let mut all = Vec::new();
    for (kind, _, family) in TYPES {
        for across in [false, true] {
            for other_region in [false, true] {
                for vaults in VAULTS {
                    let name = format!(
                        "{kind}, {}, {}, {vaults:?}",
                        if across { "into another account" } else { "within the account" },
                        if other_region { "another Region" } else { "same Region" },
                    );
                    all.push((name, *family, across, *vaults, route(kind, across, other_region, *vaults)));
                }
            }
        }
    }
    all
}

/// One line for each actor, object and way: `copier, source key, through ec2: DescribeKey CreateGrant`.
fn lines(requirements: &[Requirement]) -> Vec<String> {
    let mut lines: Vec<(String, Vec<&str>)> = Vec::new();
    for requirement in requirements {
        let actor = match requirement.actor {
            Actor::JobRole => "job role",
            Actor::Copier => "copier",
        };
        let object = match requirement.object {
            Object::SourceKey => "source key",
            Object::DestinationKey => "destination key",
            Object::RecoveryPoint if requirement.action.starts_with("backup:") => "recovery point",
            Object::RecoveryPoint => "snapshot",
            Object::DestinationVault => "destination vault",
        };
        let mut ways = Vec::new();
        for via in &requirement.via {
            let way = via.as_deref().map_or("itself", |via| via.split('.').next().unwrap());
            if !ways.contains(&way) {
                ways.push(way);
            }
        }
        let head = format!("{actor}, {object}, {}", ways.join(" or "));
        let action = requirement.action.split(':').nth(1).unwrap();
        match lines.iter_mut().find(|(known, _)| *known == head) {
            Some((_, actions)) => actions.push(action),
            None => lines.push((head, vec![action])),
        }
    }
    lines.into_iter().map(|(head, actions)| format!("{head}: {}", actions.join(" "))).collect()
}

struct Expected {
    name: &'static str,
    families: &'static [Family],
    across: &'static [bool],
    vaults: &'static [Vaults],
    /// Beyond the two vault actions that every copy needs.
    needs: &'static [&'static str],
    perhaps: &'static [&'static str],
}

const EVERY: &[Family] = &[Family::Ebs, Family::Rds, Family::Fsx, Family::Managed];
const STORED: &[Family] = &[Family::Ebs, Family::Rds, Family::Fsx];

const VAULT_ACTIONS: &[&str] =
    &["job role, recovery point, itself: CopyFromBackupVault", "job role, destination vault, itself: CopyIntoBackupVault"];

/// `STORAGE` stands for the service that stores the type: ec2, rds or fsx; `SHARE` and `COPY` for what it calls that.
const EXPECTED: &[Expected] = &[
    Expected {
        name: "EBS snapshots and AMIs into another account: the destination's service-linked role copies through EC2",
        families: &[Family::Ebs],
        across: &[true],
        vaults: &[Standard],
        needs: &[
            "job role, snapshot, itself: SHARE",
            "copier, source key, ec2: DescribeKey ReEncryptFrom GenerateDataKeyWithoutPlaintext CreateGrant",
            "copier, destination key, ec2: DescribeKey GenerateDataKeyWithoutPlaintext CreateGrant",
        ],
        perhaps: &[
            "copier, source key, itself: DescribeKey",
            "copier, destination key, itself: DescribeKey",
            "job role, source key, itself: DescribeKey",
            "job role, source key, ec2: ReEncryptFrom CreateGrant",
        ],
    },
    Expected {
        name: "database snapshots and FSx backups into another account: the same through RDS or FSx",
        families: &[Family::Rds, Family::Fsx],
        across: &[true],
        vaults: &[Standard],
        needs: &[
            "job role, snapshot, itself: SHARE",
            "copier, source key, STORAGE: DescribeKey ReEncryptFrom GenerateDataKeyWithoutPlaintext CreateGrant",
            "copier, destination key, STORAGE: DescribeKey GenerateDataKeyWithoutPlaintext CreateGrant",
        ],
        perhaps: &[
            "copier, source key, itself: DescribeKey",
            "copier, destination key, itself: DescribeKey",
            "job role, source key, itself: DescribeKey",
        ],
    },
    Expected {
        name: "fully managed types into another account: the account of the destination is let in to the source vault's key",
        families: &[Family::Managed],
        across: &[true],
        vaults: &[Standard],
        needs: &[
            "copier, source key, backup or itself: DescribeKey Decrypt",
            "copier, source key, backup: CreateGrant",
            "copier, destination key, backup: DescribeKey GenerateDataKey CreateGrant",
        ],
        perhaps: &["job role, source key, backup: DescribeKey CreateGrant"],
    },
    Expected {
        name: "EBS snapshots and AMIs within the account: the job role copies through EC2",
        families: &[Family::Ebs],
        across: &[false],
        vaults: &[Standard],
        needs: &[
            "job role, snapshot, itself: COPY",
            "job role, source key, ec2: DescribeKey ReEncryptFrom CreateGrant",
            "job role, destination key, ec2: DescribeKey ReEncryptTo GenerateDataKeyWithoutPlaintext CreateGrant",
        ],
        perhaps: &[],
    },
    Expected {
        name: "database snapshots and FSx backups within the account: RDS and FSx ask for two permissions",
        families: &[Family::Rds, Family::Fsx],
        across: &[false],
        vaults: &[Standard],
        needs: &[
            "job role, snapshot, itself: COPY",
            "job role, source key, STORAGE: DescribeKey CreateGrant",
            "job role, destination key, STORAGE: DescribeKey CreateGrant",
        ],
        perhaps: &[],
    },
    Expected {
        name: "fully managed types within the account: nothing is documented",
        families: &[Family::Managed],
        across: &[false],
        vaults: &[Standard],
        needs: &[],
        perhaps: &[
            "job role, source key, backup: DescribeKey CreateGrant Decrypt",
            "job role, destination key, backup: DescribeKey CreateGrant GenerateDataKey",
        ],
    },
    Expected {
        name: "between air-gapped vaults: both keys are shared with the copy role",
        families: EVERY,
        across: &[false, true],
        vaults: &[BetweenAirGapped],
        needs: &["job role, source key, backup: DescribeKey CreateGrant", "job role, destination key, backup: DescribeKey CreateGrant"],
        perhaps: &[],
    },
    Expected {
        name: "stored types into an air-gapped vault under a customer managed key, within the account: the same, and perhaps they are shared",
        families: STORED,
        across: &[false],
        vaults: &[IntoAirGapped],
        needs: &["job role, source key, backup: DescribeKey CreateGrant", "job role, destination key, backup: DescribeKey CreateGrant"],
        perhaps: &["job role, snapshot, itself: SHARE"],
    },
    Expected {
        name: "fully managed types into such a vault: the same",
        families: &[Family::Managed],
        across: &[false, true],
        vaults: &[IntoAirGapped],
        needs: &["job role, source key, backup: DescribeKey CreateGrant", "job role, destination key, backup: DescribeKey CreateGrant"],
        perhaps: &[],
    },
    Expected {
        name: "stored types into such a vault of another account: perhaps its service-linked role too",
        families: STORED,
        across: &[true],
        vaults: &[IntoAirGapped],
        needs: &["job role, source key, backup: DescribeKey CreateGrant", "job role, destination key, backup: DescribeKey CreateGrant"],
        perhaps: &[
            "job role, snapshot, itself: SHARE",
            "copier, source key, STORAGE: DescribeKey ReEncryptFrom GenerateDataKeyWithoutPlaintext CreateGrant",
        ],
    },
    Expected {
        name: "out of an air-gapped vault under a customer managed key: the destination's service-linked role besides",
        families: EVERY,
        across: &[false, true],
        vaults: &[OutOfAirGapped],
        needs: &[
            "job role, source key, backup: DescribeKey CreateGrant",
            "job role, destination key, backup: DescribeKey CreateGrant",
            "copier, source key, STORAGE or backup: DescribeKey CreateGrant",
            "copier, destination key, STORAGE or backup: DescribeKey CreateGrant",
        ],
        perhaps: &["copier, source key, STORAGE or backup: Decrypt ReEncryptFrom GenerateDataKeyWithoutPlaintext"],
    },
    Expected {
        name: "out of an air-gapped vault under a key that AWS owns: nothing is to be shared",
        families: EVERY,
        across: &[false, true],
        vaults: &[OutOfAirGappedOwned],
        needs: &[],
        perhaps: &[
            "copier, destination key, STORAGE or backup: DescribeKey CreateGrant",
            "job role, destination key, backup: DescribeKey CreateGrant",
        ],
    },
    Expected {
        name: "fully managed types into an air-gapped vault under a key that AWS owns: nothing is to be shared",
        families: &[Family::Managed],
        across: &[false, true],
        vaults: &[IntoAirGappedOwned],
        needs: &[],
        perhaps: &["job role, source key, backup: DescribeKey CreateGrant"],
    },
    Expected {
        name: "stored types into such a vault, within the account: nothing is to be shared",
        families: STORED,
        across: &[false],
        vaults: &[IntoAirGappedOwned],
        needs: &[],
        perhaps: &["job role, snapshot, itself: SHARE", "job role, source key, backup: DescribeKey CreateGrant"],
    },
    Expected {
        name: "stored types into such a vault of another account: of the resource's key the document says nothing",
        families: STORED,
        across: &[true],
        vaults: &[IntoAirGappedOwned],
        needs: &[],
        perhaps: &[
            "job role, snapshot, itself: SHARE",
            "job role, source key, backup: DescribeKey CreateGrant",
            "copier, source key, STORAGE: DescribeKey ReEncryptFrom GenerateDataKeyWithoutPlaintext CreateGrant",
        ],
    },
];

#[test]
fn every_combination_needs_what_the_table_says() {
    let mut used = BTreeSet::new();
    for (name, family, across, vaults, route) in combinations() {
        let fits = EXPECTED
            .iter()
            .filter(|row| row.families.contains(&family) && row.across.contains(&across) && row.vaults.contains(&vaults))
            .collect::<Vec<_>>();
        let [row] = fits[..] else { panic!("{name}: {} rows of the test fit", fits.len()) };
        used.insert(row.name);
        // What stores the type, and what its service calls sharing and copying.
        let (storage, share, copy) = match route.resource_type.as_str() {
            "RDS" => ("rds", "ModifyDBSnapshotAttribute", "CopyDBSnapshot"),
            "Aurora" | "Neptune" | "DocumentDB" => ("rds", "ModifyDBClusterSnapshotAttribute", "CopyDBClusterSnapshot"),
            "FSx" => ("fsx", "", "CopyBackup"),
            "EC2" => ("ec2", "ModifyImageAttribute", "CopyImage"),
            _ => ("ec2", "ModifySnapshotAttribute", "CopySnapshot"),
        };
        let named = |row: &str| row.replace("STORAGE", storage).replace("SHARE", share).replace("COPY", copy);
        let written = |rows: &[&str]| rows.iter().map(|row| named(row)).filter(|row| !row.ends_with(": ")).collect::<Vec<_>>();
        assert_eq!(lines(&requirements(&route)), written(&[VAULT_ACTIONS, row.needs].concat()), "{name} ({})", row.name);
        assert_eq!(lines(&possible(&route)), written(row.perhaps), "{name} ({}), perhaps", row.name);
    }
    assert_eq!(used.len(), EXPECTED.len(), "a row of the test fits nothing");
}

#[test]
fn every_entry_names_its_source_and_calls_keys_where_they_are() {
    for (name, .., route) in combinations() {
        let (here, there) = (".eu-central-1.amazonaws.com", format!(".{}.amazonaws.com", route.destination_region));
        let mut seen = BTreeSet::new();
        for requirement in requirements(&route).into_iter().chain(possible(&route)) {
            let what = format!("{name}: {} on {:?}", requirement.action, requirement.object);
            assert!(requirement.source.starts_with("https://"), "{what}");
            assert_eq!(requirement.contexts.len(), requirement.via.len(), "{what}");
            assert!(!requirement.contexts.is_empty(), "{what}");
            let vias = requirement.via.iter().flatten().collect::<Vec<_>>();
            assert!(vias.is_empty() || vias.iter().any(|via| via.ends_with(&there)), "{what} never through the destination's Region");
            let open = requirement.object == Object::SourceKey && !vias.is_empty();
            assert!(!open || vias.iter().any(|via| via.ends_with(here)), "{what} never through the source's Region");
            let unique = (requirement.actor, requirement.object, requirement.action, format!("{:?}", requirement.via));
            assert!(seen.insert(unique), "{what} twice");
            assert_eq!(requirement.need == Need::Always, requirements(&route).contains(&requirement), "{what}");
        }
    }
}

#[test]
fn an_organization_set_up_as_aws_documents_it_works_on_every_combination() {
    for (name, .., route) in combinations() {
        let prediction = predict(&route, &documented(&route)).unwrap();
        let expected = if obstacles(&route).is_empty() { Outlook::Works } else { Outlook::Fails };
        let why = prediction.denied.iter().chain(&prediction.open);
        let why = why.map(|judged| (judged.requirement.action, judged.requirement.object, &judged.answer.missing)).collect::<Vec<_>>();
        assert_eq!(prediction.outlook, expected, "{name}: {why:?}");
    }
}

#[test]
fn the_way_back_is_the_same_table_with_the_sides_swapped() {
    for (name, .., there) in combinations().into_iter().filter(|(_, _, across, vaults, _)| *across && *vaults == Standard) {
        let role = "arn:aws:iam::222222222222:role/service-role/AWSBackupDefaultServiceRole";
        let back = there.back(arn(role));
        assert_eq!((&back.source_account, &back.destination_account), (&there.destination_account, &there.source_account), "{name}");
        assert_eq!(back.source_key_arn, there.destination_key_arn, "{name}: the copy is under the key of the vault that holds it");
        assert_eq!(back.destination_key_arn, there.source_vault_key_arn, "{name}: it goes under the key of the source vault");
        assert!(back.recovery_point_arn.as_str().ends_with('*'), "{name}");
        assert_eq!(back.recovery_point_arn.service(), there.recovery_point_arn.service(), "{name}");
        assert_eq!(lines(&requirements(&back)), lines(&requirements(&there)), "{name}");
        for requirement in requirements(&back) {
            let owner = match requirement.actor {
                Actor::JobRole => BACKUP,
                Actor::Copier => SOURCE,
            };
            assert_eq!(arn(&requirement.principal).account().unwrap().as_str(), owner, "{name} {}", requirement.action);
        }
        // What lets copies out does not let them home: the vault of the source account must admit the backup account.
        let policies = RoutePolicies { destination_vault: Some(None), ..documented(&back) };
        let denied = predict(&back, &policies).unwrap().denied;
        assert!(denied.iter().any(|judged| judged.requirement.action == "backup:CopyIntoBackupVault"), "{name}");
    }
}

/// The decision on one requirement of a route.
fn decision(route: &Route, policies: &RoutePolicies, object: Object, action: &str) -> Decision {
    let judged = judge(route, policies).unwrap();
    judged.iter().find(|one| one.requirement.object == object && one.requirement.action == action).unwrap().decision
}

#[test]
fn what_the_documents_leave_open_is_uncertain_where_it_matters() {
    let slr = "arn:aws:iam::222222222222:role/aws-service-role/backup.amazonaws.com/AWSServiceRoleForBackup";
    let scoped = |via: &str| {
        let mut statement = allow(&[slr], &["kms:*"]);
        statement["Condition"] = json!({"StringEquals": {"kms:ViaService": via}});
        Some(document(&[statement]))
    };
    // (route, condition of the key policy, answer for CreateGrant)
    let table = [
        ("its own service, one Region", "EBS", false, "ec2.eu-central-1.amazonaws.com", Decision::Allowed),
        ("the service of another type", "EBS", false, "rds.eu-central-1.amazonaws.com", Decision::ImplicitlyDenied),
        ("AWS Backup, which never calls for EBS", "EBS", false, "backup.eu-central-1.amazonaws.com", Decision::ImplicitlyDenied),
        ("one of two Regions", "EBS", true, "ec2.eu-west-1.amazonaws.com", Decision::Uncertain),
        ("the other of two Regions", "RDS", true, "rds.eu-central-1.amazonaws.com", Decision::Uncertain),
        ("AWS Backup for a type it manages", "EFS", false, "backup.eu-central-1.amazonaws.com", Decision::Allowed),
    ];
    for (name, kind, other_region, via, expected) in table {
        let route = route(kind, true, other_region, Standard);
        let policies = RoutePolicies { source_key: scoped(via), ..documented(&route) };
        assert_eq!(decision(&route, &policies, Object::SourceKey, "kms:CreateGrant"), expected, "{name}");
    }
    // Whether Decrypt on a vault's key comes through AWS Backup or without a service is open: a condition on the service decides nothing.
    let route = route("EFS", true, false, Standard);
    let policies = RoutePolicies { source_key: scoped("backup.eu-central-1.amazonaws.com"), ..documented(&route) };
    assert_eq!(decision(&route, &policies, Object::SourceKey, "kms:Decrypt"), Decision::Uncertain);
}

#[test]
fn policies_of_the_organization_reach_the_job_role_and_not_the_service_linked_role() {
    let deny = |action: &str| document(&[json!({"Effect": "Deny", "Principal": "*", "Action": action, "Resource": "*"})]);
    let full = document(&[json!({"Effect": "Allow", "Action": "*", "Resource": "*"})]);
    let across = route("EBS", true, false, Standard);
    let within = route("EBS", false, false, Standard);
    for (route, expected) in [(&across, Decision::Allowed), (&within, Decision::ExplicitlyDenied)] {
        let mut policies = documented(route);
        policies.source_scps = Some(vec![vec![full.clone(), deny("kms:CreateGrant")]]);
        policies.source_key_rcps = Some(vec![vec![deny("kms:ReEncryptFrom")]]);
        assert_eq!(decision(route, &policies, Object::SourceKey, "kms:CreateGrant"), expected);
        assert_eq!(decision(route, &policies, Object::SourceKey, "kms:ReEncryptFrom"), expected);
        // What was not seen is not taken for absent.
        policies.source_key_rcps = None;
        let unseen = if expected == Decision::Allowed { Decision::Allowed } else { Decision::Uncertain };
        assert_eq!(decision(route, &policies, Object::SourceKey, "kms:ReEncryptFrom"), unseen);
    }
    // A call that AWS may make is no denial, but no promise either.
    let mut policies = documented(&across);
    policies.source_scps = Some(vec![vec![full, deny("kms:ReEncryptFrom")]]);
    let prediction = predict(&across, &policies).unwrap();
    assert_eq!((prediction.outlook, prediction.denied.len()), (Outlook::Uncertain, 0));
}

#[test]
fn a_call_that_was_seen_is_needed() {
    let route = route("EBS", true, false, Standard);
    let seen = |principal: &str| SeenCall { principal: principal.to_owned(), action: "kms:reencryptfrom".to_owned() };
    let more = requirements_seen(&route, &[seen(route.job_role_arn.as_str())]);
    let [known @ .., settled] = &more[..] else { panic!("nothing is needed") };
    assert_eq!(known, requirements(&route));
    assert_eq!((settled.actor, settled.action, settled.need), (Actor::JobRole, "kms:ReEncryptFrom", Need::Always));
    // Seen of somebody else it settles nothing.
    assert_eq!(requirements_seen(&route, &[seen("arn:aws:iam::111111111111:role/Another")]), requirements(&route));
}

#[test]
fn what_no_policy_can_mend_is_named() {
    let ebs = || route("EBS", true, false, Standard);
    let table: Vec<(&str, Route, Vec<Obstacle>)> = vec![
        ("EBS under a customer managed key", ebs(), vec![]),
        ("EBS under aws/ebs into another account", Route { source_key_aws_managed: true, ..ebs() }, vec![Obstacle::SourceKeyAwsManaged]),
        ("EBS under aws/ebs within the account", Route { source_key_aws_managed: true, ..route("EBS", false, false, Standard) }, vec![]),
        (
            "EBS under aws/ebs into an air-gapped vault",
            Route { source_key_aws_managed: true, ..route("EBS", false, false, IntoAirGapped) },
            vec![Obstacle::SourceKeyAwsManaged],
        ),
        (
            "EFS under aws/backup into another account",
            Route { source_key_aws_managed: true, ..route("EFS", true, false, Standard) },
            vec![],
        ),
        (
            "EBS into a vault under aws/backup",
            Route { destination_key_aws_managed: true, ..ebs() },
            vec![Obstacle::DestinationKeyAwsManaged],
        ),
        (
            "EBS into the vault Default of another account",
            Route { destination_vault_arn: arn("arn:aws:backup:eu-central-1:222222222222:backup-vault:Default"), ..ebs() },
            vec![Obstacle::DefaultVault],
        ),
        ("Redshift", Route { resource_type: "Redshift".to_owned(), ..ebs() }, vec![Obstacle::NeverCopied]),
        ("DynamoDB without advanced features", Route { resource_type: "DynamoDB".to_owned(), ..ebs() }, vec![Obstacle::NeverCopied]),
        ("CloudFormation into another account", route("CloudFormation", true, false, Standard), vec![Obstacle::NotAcrossAccounts]),
        ("RDS into an air-gapped vault", route("RDS", true, false, IntoAirGapped), vec![Obstacle::NotIntoAirGapped]),
    ];
    for (name, route, expected) in table {
        assert_eq!(obstacles(&route), expected, "{name}");
        assert!(expected.iter().all(|obstacle| obstacle.source().starts_with("https://")), "{name}");
        let outlook = match expected.first() {
            None => Outlook::Works,
            Some(obstacle) if obstacle.is_certain() => Outlook::Fails,
            Some(_) => Outlook::Uncertain,
        };
        assert_eq!(predict(&route, &documented(&route)).unwrap().outlook, outlook, "{name}");
        // An AWS managed key has no policy that could be right or wrong.
        let keys = requirements(&route).into_iter().filter(|one| one.object == Object::SourceKey).count();
        assert!(!route.source_key_aws_managed || keys == 0, "{name}");
    }
}

#[test]
fn a_restore_calls_the_keys_through_the_service_of_the_resource() {
    let key = |n: u8| arn(&format!("arn:aws:kms:eu-central-1:111111111111:key/00000000-0000-0000-0000-00000000000{n}"));
    type Lines = &'static [&'static str];
    let table: &[(&str, bool, Lines, Lines)] = &[
        (
            "EBS",
            false,
            &[
                "job role, source key, ec2: DescribeKey Decrypt ReEncryptFrom CreateGrant",
                "job role, destination key, ec2: DescribeKey ReEncryptTo GenerateDataKeyWithoutPlaintext CreateGrant",
            ],
            &[],
        ),
        (
            "Aurora",
            false,
            &["job role, source key, rds: DescribeKey CreateGrant", "job role, destination key, rds: DescribeKey CreateGrant"],
            &[],
        ),
        (
            "FSx",
            false,
            &["job role, source key, fsx: DescribeKey CreateGrant", "job role, destination key, fsx: DescribeKey CreateGrant"],
            &[],
        ),
        (
            "EFS",
            true,
            &["job role, destination key, elasticfilesystem: DescribeKey Decrypt GenerateDataKeyWithoutPlaintext CreateGrant"],
            &["job role, source key, elasticfilesystem: DescribeKey Decrypt CreateGrant"],
        ),
        (
            "DynamoDB",
            true,
            &[],
            &[
                "job role, source key, dynamodb: DescribeKey Decrypt CreateGrant",
                "job role, destination key, dynamodb: DescribeKey Decrypt GenerateDataKey CreateGrant",
            ],
        ),
        (
            "S3",
            true,
            &[],
            &[
                "job role, source key, s3: DescribeKey Decrypt CreateGrant",
                "job role, destination key, s3: DescribeKey Decrypt GenerateDataKey",
            ],
        ),
        ("VirtualMachine", true, &[], &["job role, source key, backup: DescribeKey Decrypt CreateGrant"]),
    ];
    for &(kind, fully_managed, needs, perhaps) in table {
        let restore = Restore {
            account: AccountId::parse(SOURCE).unwrap(),
            region: Region::parse("eu-central-1").unwrap(),
            resource_type: kind.to_owned(),
            fully_managed,
            key_arn: Some(key(1)),
            key_aws_managed: false,
            new_key_arn: Some(key(2)),
            new_key_aws_managed: false,
            role_arn: arn("arn:aws:iam::111111111111:role/service-role/AWSBackupDefaultServiceRole"),
            organization_id: None,
        };
        assert_eq!(lines(&restore.requirements()), needs, "{kind}");
        assert_eq!(lines(&restore.possible()), perhaps, "{kind}");
        // The default role restores what is documented, where the key trusts its account.
        let route = route("EBS", false, false, Standard);
        let policies = RoutePolicies { job_role: Some(vec![Document::read(&RESTORE_ROLE.document())]), ..documented(&route) };
        for judged in judge_all(restore.requirements(), &policies).unwrap() {
            assert_eq!(judged.decision, Decision::Allowed, "{kind} {}", judged.requirement.action);
        }
        let nothing = RoutePolicies { job_role: Some(Vec::new()), source_key: Some(document(&[])), ..policies };
        let denied = judge_all(restore.requirements(), &nothing).unwrap();
        assert!(denied.iter().any(|judged| judged.decision == Decision::ImplicitlyDenied) || needs.is_empty(), "{kind}");
        // A restore under the AWS managed keys of the account needs nothing from a key policy.
        let managed = Restore { key_aws_managed: true, new_key_aws_managed: true, ..restore };
        assert_eq!(managed.requirements().len() + managed.possible().len(), 0, "{kind}");
    }
}

#[test]
fn pinned_policies_are_found_by_name_and_can_be_read() {
    for policy in MANAGED_POLICIES {
        assert!(Document::read(&policy.document()).problems.is_empty(), "{}", policy.name);
        assert!(policy.version.starts_with('v') && policy.date.starts_with("202"), "{}", policy.name);
        let arn = format!("arn:aws:iam::aws:policy/service-role/{}", policy.name);
        assert_eq!(managed_policy(&arn).map(|found| found.name), Some(policy.name));
        assert_eq!(managed_policy(policy.name).map(|found| found.name), Some(policy.name));
        // A customer's policy may bear the same name.
        assert!(managed_policy(&arn.replace("::aws:", "::111111111111:")).is_none());
    }
}
