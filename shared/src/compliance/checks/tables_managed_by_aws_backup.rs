//! AWS Backup manages the backups of tables that a rule copies.

use crate::arn::Region;
use crate::compliance::say::{count, listed, quoted};
use crate::compliance::{AccountView, Check, Judge, Meta, Outcome};
use crate::diagnosis::steps::command;
use crate::diagnosis::{Grade, Severity};

/// The check.
pub(super) const CHECK: Check = Check {
    meta: Meta {
        code: "BKC-089",
        name: "tables-managed-by-aws-backup",
        title: "AWS Backup manages the backups of tables that a rule copies",
        severity: Severity::High,
        since: "0.1.0",
        needs: &["backup:DescribeRegionSettings", "tag:GetResources"],
        remedy: Grade::NeedsApproval,
        references: &[
            "https://docs.aws.amazon.com/aws-backup/latest/devguide/advanced-ddb-backup.html",
            "https://docs.aws.amazon.com/aws-backup/latest/devguide/backup-feature-availability.html",
        ],
        page: include_str!("tables-managed-by-aws-backup.md"),
    },
    judge: Judge::Account(judge),
};

/// As the settings of a Region and the lists of resources name the type.
const TABLES: &str = "DynamoDB";

fn judge(view: &AccountView<'_>) -> Vec<Outcome> {
    view.in_regions(|place, region| {
        if region.resources.known().is_none() {
            return vec![Outcome::unseen(place.here(), "the resources of the Region", &region.resources)];
        }
        let rows = view.coverage.iter().filter(|row| Some(&row.region) == place.region && row.resource_type.eq_ignore_ascii_case(TABLES));
        let mut tables = rows.filter(|row| !row.copies.is_empty()).map(|row| row.resource_arn.as_str()).collect::<Vec<_>>();
        tables.sort_unstable();
        if tables.is_empty() {
            return vec![Outcome::not_applicable(place.here(), "no rule copies a table of the Region")];
        }
        let Some(settings) = region.settings.known() else {
            return vec![Outcome::unseen(place.here(), "which backups AWS Backup manages itself", &region.settings)];
        };
        let managed = settings.managed.iter().find(|(kind, _)| kind.eq_ignore_ascii_case(TABLES)).map(|(_, on)| *on);
        vec![match managed {
            Some(true) => Outcome::pass(place.here(), format!("the advanced features for tables are on: {}", count(tables.len(), "table"))),
            None => Outcome::unknown(place.here(), "not seen: whether the advanced features for tables are on", Vec::new()),
            Some(false) => {
                let seen = format!(
                    "the advanced features for tables are off, and without them AWS copies no backup of a table: {} ({})",
                    count(tables.len(), "table"),
                    listed(&tables)
                );
                let name = place.region.map(Region::as_str).unwrap_or_default();
                let preference = format!("{TABLES}=true");
                let options = [("region", name), ("resource-type-management-preference", preference.as_str())];
                let remedy = format!(
                    "in account {}: {}; what was backed up before is not copied, so back up again",
                    place.account,
                    quoted(&command("aws backup update-region-settings", &options))
                );
                Outcome::fail(place.here(), seen, remedy).from(tables)
            }
        }]
    })
}
