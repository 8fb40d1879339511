//! Reads of KMS.

use serde_json::Value;

use super::json::{Api, Paged};
use super::signed::Service;
use super::{Failure, Question, Turn, refused, region};
use crate::session::Cloud;

const KMS: Api = Api { service: Service::named("kms", "KMS"), prefix: "TrentService" };

const fn paged(list: &'static str) -> Paged {
    Paged { list, token: ("Marker", "NextMarker"), with: &[("Limit", 100)] }
}

pub(super) async fn ask(cloud: &Cloud, question: &Question, turn: &mut Turn<'_, '_>) -> Result<Value, Failure> {
    region(question)?;
    match question.operation {
        "DescribeKey" | "GetKeyPolicy" | "GetKeyRotationStatus" => KMS.one(cloud, question).await,
        "ListAliases" => KMS.all(cloud, question, turn, &paged("Aliases")).await,
        "ListGrants" => KMS.all(cloud, question, turn, &paged("Grants")).await,
        _ => Err(refused(question)),
    }
}
