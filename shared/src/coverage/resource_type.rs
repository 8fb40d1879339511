//! Which types of resources AWS Backup knows, and which ARNs are theirs.
//!
//! One table: selections, settings of a Region and lists of resources name the same things in three ways. Forms of ARNs:
//! <https://docs.aws.amazon.com/service-authorization/latest/reference/reference_policies_actions-resources-contextkeys.html>; names of types:
//! <https://docs.aws.amazon.com/aws-backup/latest/devguide/API_GetSupportedResourceTypes.html>.

use crate::arn::Arn;

/// Whether the opt-in setting of a Region counts where a selection names the type itself
/// (<https://docs.aws.amazon.com/aws-backup/latest/devguide/assigning-resources.html>).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OptInOfNamed {
    /// It does not.
    Disregarded,
    /// It does: AWS says so of Aurora, Neptune and Amazon DocumentDB.
    Counts,
    /// AWS speaks of several settings behind one form of ARN (FSx): which of them counts, the ARN does not tell.
    Unclear,
}

/// A type of resources that AWS Backup knows.
#[derive(Debug)]
pub struct ResourceType {
    /// As recovery points name it.
    pub name: &'static str,
    /// As the settings of a Region may name it as well.
    also: &'static [&'static str],
    service: &'static str,
    /// The parts of the resource: `*` is an id, `**` everything that follows.
    shape: &'static [&'static str],
    /// Whether AWS Backup manages its recovery points fully; `None` where a setting decides, or where nothing is copied.
    pub fully_managed: Option<bool>,
    /// What the setting of the Region means for it.
    pub opt_in: OptInOfNamed,
}

const fn row(name: &'static str, service: &'static str, shape: &'static [&'static str], fully_managed: Option<bool>) -> ResourceType {
    ResourceType { name, also: &[], service, shape, fully_managed, opt_in: OptInOfNamed::Disregarded }
}

const fn counts(row: ResourceType) -> ResourceType {
    ResourceType { opt_in: OptInOfNamed::Counts, ..row }
}

const fn unclear(row: ResourceType) -> ResourceType {
    ResourceType { opt_in: OptInOfNamed::Unclear, ..row }
}

const fn also(also: &'static [&'static str], row: ResourceType) -> ResourceType {
    ResourceType { also, ..row }
}

/// Types that share a form of ARN stand together. Of Amazon RDS, Multi-AZ clusters have the form of the three cluster types
/// (<https://docs.aws.amazon.com/aws-backup/latest/devguide/assigning-resources-json.html>).
static TYPES: [ResourceType; 22] = [
    row("EBS", "ec2", &["volume", "*"], Some(false)),
    row("EC2", "ec2", &["instance", "*"], Some(false)),
    row("RDS", "rds", &["db", "*"], Some(false)),
    counts(row("Aurora", "rds", &["cluster", "*"], Some(false))),
    counts(row("DocumentDB", "rds", &["cluster", "*"], Some(false))),
    counts(row("Neptune", "rds", &["cluster", "*"], Some(false))),
    row("RDS", "rds", &["cluster", "*"], Some(false)),
    row("DynamoDB", "dynamodb", &["table", "*"], None),
    row("EFS", "elasticfilesystem", &["file-system", "*"], Some(true)),
    unclear(row("FSx", "fsx", &["file-system", "*"], Some(false))),
    unclear(row("FSx", "fsx", &["volume", "*", "*"], Some(false))),
    row("S3", "s3", &["*"], Some(true)),
    row("Storage Gateway", "storagegateway", &["gateway", "*", "volume", "*"], Some(false)),
    row("VirtualMachine", "backup-gateway", &["vm", "*"], Some(true)),
    row("Timestream", "timestream", &["database", "*", "table", "*"], Some(true)),
    row("Redshift", "redshift", &["cluster", "*"], None),
    row("Redshift Serverless", "redshift-serverless", &["namespace", "*"], None),
    also(&["SAP HANA"], row("SAP HANA on Amazon EC2", "ssm-sap", &["HANA", "**"], None)),
    row("CloudFormation", "cloudformation", &["stack", "*", "*"], Some(true)),
    row("CloudFormation", "cloudformation", &["stack", "*"], Some(true)),
    row("EKS", "eks", &["cluster", "*"], Some(true)),
    also(&["DSQL"], row("Aurora DSQL", "dsql", &["cluster", "*"], Some(true))),
];

impl ResourceType {
    /// The types that a resource of this ARN may have: none, one, or the few that share the form.
    pub fn of(resource: &Arn) -> impl Iterator<Item = &'static Self> {
        let (service, parts) = (resource.service(), resource.resource());
        TYPES.iter().filter(move |row| row.service == service && row.is_of_form(parts))
    }

    /// The type that a pattern of a selection names; of types that share a form the first, `None` where it names several forms or none.
    pub fn of_pattern(pattern: &str) -> Option<&'static Self> {
        let mut fields = pattern.splitn(6, ':').skip(2);
        let service = fields.next()?;
        let kind = fields.nth(2).unwrap_or_default().split(['/', ':']).next().unwrap_or_default();
        let mut of_service = TYPES.iter().filter(|row| row.service == service);
        let first = of_service.clone().next()?;
        of_service
            .clone()
            .find(|row| row.shape.first() == Some(&kind))
            .or_else(|| of_service.all(|row| row.name == first.name).then_some(first))
    }

    /// A type by the name that recovery points have.
    pub fn named(name: &str) -> impl Iterator<Item = &'static Self> {
        TYPES.iter().filter(move |row| row.names().any(|known| known.eq_ignore_ascii_case(name)))
    }

    /// Its names in the settings of a Region.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        std::iter::once(self.name).chain(self.also.iter().copied())
    }

    fn is_of_form(&self, resource: &str) -> bool {
        let mut parts = resource.split(['/', ':']);
        for expected in self.shape {
            let Some(part) = parts.next().filter(|part| !part.is_empty()) else { return false };
            match *expected {
                "**" => return true,
                "*" => {}
                kind if kind == part => {}
                _ => return false,
            }
        }
        parts.next().is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(arn: &str) -> Vec<&'static str> {
        ResourceType::of(&Arn::parse(arn).unwrap()).map(|found| found.name).collect()
    }

    #[test]
    fn an_arn_tells_the_types_that_it_may_have() {
        for (resource, expected) in [
            ("ec2:eu-central-1:111111111111:volume/vol-1", vec!["EBS"]),
            ("ec2:eu-central-1:111111111111:instance/i-1", vec!["EC2"]),
            ("rds:eu-central-1:111111111111:db:orders", vec!["RDS"]),
            ("rds:eu-central-1:111111111111:cluster:orders", vec!["Aurora", "DocumentDB", "Neptune", "RDS"]),
            ("dynamodb:eu-central-1:111111111111:table/orders", vec!["DynamoDB"]),
            ("elasticfilesystem:eu-central-1:111111111111:file-system/fs-1", vec!["EFS"]),
            ("fsx:eu-central-1:111111111111:file-system/fs-1", vec!["FSx"]),
            ("fsx:eu-central-1:111111111111:volume/fs-1/fsvol-1", vec!["FSx"]),
            ("s3:::orders", vec!["S3"]),
            ("storagegateway:eu-central-1:111111111111:gateway/sgw-1/volume/vol-1", vec!["Storage Gateway"]),
            ("backup-gateway:eu-central-1:111111111111:vm/vm-1", vec!["VirtualMachine"]),
            ("timestream:eu-central-1:111111111111:database/d/table/t", vec!["Timestream"]),
            ("redshift:eu-central-1:111111111111:cluster:c", vec!["Redshift"]),
            ("redshift-serverless:eu-central-1:111111111111:namespace/1", vec!["Redshift Serverless"]),
            ("ssm-sap:eu-central-1:111111111111:HANA/app/DB/orders", vec!["SAP HANA on Amazon EC2"]),
            ("cloudformation:eu-central-1:111111111111:stack/s/1", vec!["CloudFormation"]),
            ("eks:eu-central-1:111111111111:cluster/c", vec!["EKS"]),
            ("dsql:eu-central-1:111111111111:cluster/c", vec!["Aurora DSQL"]),
            // What looks alike and is no resource of AWS Backup.
            ("ec2:eu-central-1:111111111111:security-group/sg-1", vec![]),
            ("ec2:eu-central-1::snapshot/snap-1", vec![]),
            ("rds:eu-central-1:111111111111:cluster-snapshot:s", vec![]),
            ("rds:eu-central-1:111111111111:subgrp:s", vec![]),
            ("dynamodb:eu-central-1:111111111111:table/orders/index/i", vec![]),
            ("dynamodb:eu-central-1:111111111111:table/orders/backup/1", vec![]),
            ("elasticfilesystem:eu-central-1:111111111111:access-point/fsap-1", vec![]),
            ("s3:eu-central-1:111111111111:accesspoint/a", vec![]),
            ("storagegateway:eu-central-1:111111111111:gateway/sgw-1", vec![]),
            ("timestream:eu-central-1:111111111111:database/d", vec![]),
            ("eks:eu-central-1:111111111111:nodegroup/c/n/1", vec![]),
            ("backup:eu-central-1:111111111111:recovery-point:1", vec![]),
        ] {
            assert_eq!(names(&format!("arn:aws:{resource}")), expected, "{resource}");
        }
    }

    #[test]
    fn a_pattern_names_a_type_where_it_names_one_form() {
        for (pattern, expected) in [
            ("arn:aws:ec2:*:*:volume/*", Some("EBS")),
            ("arn:aws:ec2:*:*:*", None),
            ("arn:aws:ec2:*", None),
            ("*", None),
            ("arn:aws:rds:*:*:cluster:*", Some("Aurora")),
            ("arn:aws:s3:::*", Some("S3")),
            ("arn:aws:fsx:*", Some("FSx")),
            ("arn:aws:eks:*:*:*", Some("EKS")),
            ("arn:aws:lambda:*:*:function:*", None),
        ] {
            assert_eq!(ResourceType::of_pattern(pattern).map(|found| found.name), expected, "{pattern}");
        }
    }

    #[test]
    fn every_type_is_found_by_each_of_its_names() {
        for row in &TYPES {
            for name in row.names() {
                assert!(ResourceType::named(name).any(|found| found.name == row.name), "{name}");
            }
        }
        assert_eq!(ResourceType::named("Backup vault").count(), 0);
    }
}
