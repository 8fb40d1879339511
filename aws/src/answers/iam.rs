//! Reads of IAM. IAM answers in XML, so its answers are written down again as JSON, by the same member names
//! (<https://docs.aws.amazon.com/IAM/latest/APIReference/API_Operations.html>).

use aws_smithy_xml::decode::{Document, ScopedDecoder, XmlDecodeError, try_data};
use guardian_core::evidence::GapReason;
use serde_json::{Map, Value};

use super::pages::pages;
use super::signed::{FORM, Service, encoded, post};
use super::{Failure, Question, Turn, refused};
use crate::session::Cloud;

const IAM: Service = Service::global("iam", "IAM");

/// What a role tells where many are listed.
const LISTED: &[&str] = &["Arn", "AssumeRolePolicyDocument"];

pub(super) async fn ask(cloud: &Cloud, question: &Question, turn: &mut Turn<'_, '_>) -> Result<Value, Failure> {
    // What is asked for, and what an answer must have.
    let (parameters, must): (&[&str], &'static str) = match question.operation {
        "GetRole" => (&["RoleName"], "Role"),
        "ListRoles" => (&["PathPrefix"], "Roles"),
        "ListRolePolicies" => (&["RoleName"], "PolicyNames"),
        "GetRolePolicy" => (&["RoleName", "PolicyName"], "PolicyDocument"),
        "ListAttachedRolePolicies" => (&["RoleName"], "AttachedPolicies"),
        "GetPolicy" => (&["PolicyArn"], "Policy"),
        "GetPolicyVersion" => (&["PolicyArn", "VersionId"], "PolicyVersion"),
        _ => return Err(refused(question)),
    };
    let mut form = format!("Action={}&Version=2010-05-08", question.operation);
    for name in parameters {
        if let Some(value) = question.parameter(name) {
            form.push_str(&format!("&{name}={}", encoded(&value)));
        }
    }
    if !question.operation.starts_with("List") {
        return answer(question.operation, must, &post(cloud, question, &IAM, "/", &[FORM], form).await?);
    }
    pages!(turn, must, "Marker", |next| {
        let from = next.map(|next| format!("&Marker={}", encoded(&next))).unwrap_or_default();
        let body = post(cloud, question, &IAM, "/", &[FORM], format!("{form}&MaxItems=1000{from}")).await?;
        answer(question.operation, must, &body)
    })
}

/// The answer as JSON; an error where it was cut off, or lacks what it must have.
fn answer(operation: &str, must: &str, body: &[u8]) -> Result<Value, Failure> {
    let unreadable = || Failure::new(GapReason::Unreadable, "the answer is not what IAM documents");
    let text = std::str::from_utf8(body).map_err(|_| unreadable())?;
    if !text.trim_end().ends_with(&format!("</{operation}Response>")) {
        return Err(unreadable());
    }
    let mut document = Document::new(text);
    let mut root = document.root_element().map_err(|_| unreadable())?;
    let result = format!("{operation}Result");
    while let Some(mut inner) = root.next_tag() {
        if inner.start_el().local() == result {
            let members = object(&mut inner).map_err(|_| unreadable())?;
            return if members.contains_key(must) { Ok(Value::Object(members)) } else { Err(unreadable()) };
        }
    }
    Err(unreadable())
}

/// The members that somebody reads.
fn object(of: &mut ScopedDecoder<'_, '_>) -> Result<Map<String, Value>, XmlDecodeError> {
    let mut members = Map::new();
    while let Some(mut inner) = of.next_tag() {
        let name = inner.start_el().local().to_owned();
        let value = match name.as_str() {
            "Role" | "PermissionsBoundary" | "Policy" | "PolicyVersion" => Value::Object(object(&mut inner)?),
            "Roles" => list(&mut inner, |role| {
                let mut role = object(role)?;
                role.retain(|name, _| LISTED.contains(&name.as_str()));
                Ok(Value::Object(role))
            })?,
            "AttachedPolicies" => list(&mut inner, |policy| object(policy).map(Value::Object))?,
            "PolicyNames" => list(&mut inner, |name| Ok(try_data(name)?.into_owned().into()))?,
            "AssumeRolePolicyDocument" | "PolicyDocument" | "Document" => document(&try_data(&mut inner)?),
            "IsDefaultVersion" => Value::Bool(try_data(&mut inner)? == "true"),
            "Arn"
            | "Path"
            | "RoleName"
            | "PermissionsBoundaryArn"
            | "PolicyName"
            | "PolicyArn"
            | "DefaultVersionId"
            | "VersionId"
            | "Marker" => try_data(&mut inner)?.into_owned().into(),
            _ => continue,
        };
        members.insert(name, value);
    }
    Ok(members)
}

fn list<'inp>(
    of: &mut ScopedDecoder<'inp, '_>,
    read: impl Fn(&mut ScopedDecoder<'inp, '_>) -> Result<Value, XmlDecodeError>,
) -> Result<Value, XmlDecodeError> {
    let mut all = Vec::new();
    while let Some(mut member) = of.next_tag() {
        all.push(read(&mut member)?);
    }
    Ok(Value::Array(all))
}

/// IAM sends documents percent-encoded (RFC 3986). What is not JSON stays the text it is.
fn document(encoded: &str) -> Value {
    let text = percent_encoding::percent_decode_str(encoded).decode_utf8_lossy();
    serde_json::from_str(&text).unwrap_or_else(|_| Value::String(text.into_owned()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ROLE: &str = "<GetRoleResponse xmlns=\"https://iam.amazonaws.com/doc/2010-05-08/\">\n  <GetRoleResult>\n    <Role>\n      <Path>/a/</Path>\n\
        <Arn>arn:aws:iam::111111111111:role/a/r</Arn><RoleName>r</RoleName><Description>x &amp; y</Description>\
        <AssumeRolePolicyDocument>%7B%22Version%22%3A%222012-10-17%22%7D</AssumeRolePolicyDocument><CreateDate>2026-01-01T00:00:00Z</CreateDate>\
        <PermissionsBoundary><PermissionsBoundaryType>Policy</PermissionsBoundaryType><PermissionsBoundaryArn>arn:b</PermissionsBoundaryArn>\
        </PermissionsBoundary><Tags><member><Key>Path</Key><Value>/other/</Value></member></Tags></Role>\n  </GetRoleResult>\n\
        <ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></GetRoleResponse>\n";

    #[test]
    fn an_answer_has_the_members_that_are_read() {
        let role = json!({"Role": {
            "Arn": "arn:aws:iam::111111111111:role/a/r", "Path": "/a/", "RoleName": "r",
            "AssumeRolePolicyDocument": {"Version": "2012-10-17"}, "PermissionsBoundary": {"PermissionsBoundaryArn": "arn:b"},
        }});
        assert_eq!(answer("GetRole", "Role", ROLE.as_bytes()).unwrap(), role);
        let listed = "<ListRolesResponse><ListRolesResult><IsTruncated>true</IsTruncated><Marker>m&amp;n</Marker><Roles><member><Arn>a</Arn>\
            <Path>/</Path><AssumeRolePolicyDocument>no JSON</AssumeRolePolicyDocument></member></Roles></ListRolesResult></ListRolesResponse>";
        let roles = json!({"Roles": [{"Arn": "a", "AssumeRolePolicyDocument": "no JSON"}], "Marker": "m&n"});
        assert_eq!(answer("ListRoles", "Roles", listed.as_bytes()).unwrap(), roles);
        let names = |names: &str| {
            format!("<ListRolePoliciesResponse><ListRolePoliciesResult>{names}</ListRolePoliciesResult></ListRolePoliciesResponse>")
        };
        let read = |body: &str| answer("ListRolePolicies", "PolicyNames", body.as_bytes());
        let two = names("<PolicyNames>\n <member>a</member>\n <member>b</member>\n</PolicyNames>");
        assert_eq!(read(&two).unwrap(), json!({"PolicyNames": ["a", "b"]}));
        assert_eq!(read(&names("<PolicyNames/>")).unwrap(), json!({"PolicyNames": []}));
        assert!(read(&names("")).is_err(), "a list that is missing is not an empty one");
    }

    #[test]
    fn an_answer_that_was_cut_or_is_another_is_none() {
        for cut in 0..ROLE.trim_end().len() {
            assert_eq!(answer("GetRole", "Role", &ROLE.as_bytes()[..cut]).unwrap_err().reason, GapReason::Unreadable, "{cut}");
        }
        assert!(answer("GetPolicy", "Policy", ROLE.as_bytes()).is_err());
        assert!(answer("GetRole", "Role", b"{}").is_err());
    }
}
