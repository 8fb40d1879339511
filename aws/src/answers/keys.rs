//! Reads of KMS.

use serde_json::Value;

use super::capture::{raw, raw_pages};
use super::{Failure, Question, Turn, refused, region};
use crate::session::Cloud;

pub(super) async fn ask(cloud: &Cloud, question: &Question, turn: &mut Turn<'_, '_>) -> Result<Value, Failure> {
    let kms = cloud.clients(&question.account, region(question)?).await?.kms;
    let key = || question.parameter("KeyId");
    match question.operation {
        "DescribeKey" => raw!(kms.describe_key().set_key_id(key())),
        "GetKeyPolicy" => raw!(kms.get_key_policy().set_key_id(key())),
        "GetKeyRotationStatus" => raw!(kms.get_key_rotation_status().set_key_id(key())),
        "ListAliases" => {
            raw_pages!(turn, "Aliases", "NextMarker", |next| kms.list_aliases().set_key_id(key()).limit(100).set_marker(next))
        }
        "ListGrants" => raw_pages!(turn, "Grants", "NextMarker", |next| kms.list_grants().set_key_id(key()).limit(100).set_marker(next)),
        _ => Err(refused(question)),
    }
}
