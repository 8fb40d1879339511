//! Gateway, hypervisor or network trouble on premises.

use crate::diagnosis::told::{self, Told};
use crate::diagnosis::{Answer, Cause, Grade, Meta, Rule, Severity, facts, steps};
use crate::evidence::Evidence;

/// The rule.
pub(super) const RULE: Rule = Rule {
    meta: Meta {
        code: "BKD-034",
        name: "vmware-infrastructure",
        title: "Gateway, hypervisor or network trouble on premises",
        causes: &[Cause::VmwareInfrastructure],
        severity: Severity::High,
        since: "0.1.0",
        needs: &[],
        remedy: Grade::HumanOnly,
        references: &["https://docs.aws.amazon.com/aws-backup/latest/devguide/vm-troubleshooting.html"],
        page: include_str!("vmware-infrastructure.md"),
    },
    judge,
};

fn judge(evidence: &Evidence) -> Answer {
    told::by_text(evidence, Cause::VmwareInfrastructure, || tell(evidence))
}

fn tell(evidence: &Evidence) -> Told {
    Told {
        severity: told::completed(evidence).then_some(Severity::Low),
        act_in: facts::in_source(evidence),
        object: None,
        summary: format!("The gateway, hypervisor or network on premises did not let {} end well.", told::job(evidence)),
        next_steps: vec![
            steps::look(
                format!("In account {}, see which gateways are there.", evidence.job.account),
                Some(steps::command("aws backup-gateway list-gateways", &[("region", evidence.job.region.as_str())])),
            ),
            steps::judge("Then look on premises: the host of the gateway, its line to AWS, the disks and snapshots of the virtual machine."),
        ],
    }
}
