//! The answer of `sns:GetTopicAttributes`, which is XML, by the member names of the API
//! (<https://docs.aws.amazon.com/sns/latest/api/API_GetTopicAttributes.html>).

use aws_smithy_xml::decode::{Document, XmlDecodeError, try_data};
use guardian_core::evidence::GapReason;
use serde_json::{Map, Value, json};

use super::Failure;

const ROOT: &str = "GetTopicAttributesResponse";

pub(super) fn topic_attributes(body: &[u8]) -> Result<Value, Failure> {
    let unreadable = || Failure::new(GapReason::Unreadable, "the answer is not what SNS documents");
    let text = std::str::from_utf8(body).map_err(|_| unreadable())?;
    // What was cut off may have been the policy, or the key.
    let whole = text.trim_end().ends_with(&format!("</{ROOT}>"));
    let attributes = attributes(text).ok().flatten().filter(|_| whole).ok_or_else(unreadable)?;
    Ok(json!({"Attributes": attributes}))
}

fn attributes(text: &str) -> Result<Option<Map<String, Value>>, XmlDecodeError> {
    let mut document = Document::new(text);
    let mut root = document.root_element()?;
    if !root.start_el().matches(ROOT) {
        return Err(XmlDecodeError::custom("another element"));
    }
    let mut found = None;
    while let Some(mut result) = root.next_tag() {
        if result.start_el().local() != "GetTopicAttributesResult" {
            continue;
        }
        while let Some(mut attributes) = result.next_tag() {
            let all: &mut Map<String, Value> = found.get_or_insert_default();
            while let Some(mut entry) = attributes.next_tag() {
                let (mut key, mut value) = (String::new(), String::new());
                while let Some(mut part) = entry.next_tag() {
                    let into = if part.start_el().local() == "key" { &mut key } else { &mut value };
                    try_data(&mut part)?.as_ref().clone_into(into);
                }
                all.insert(key, value.into());
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = "<GetTopicAttributesResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><GetTopicAttributesResult><Attributes>\
        <entry><key>Policy</key><value>{&quot;Statement&quot;:[{&quot;Sid&quot;:&quot;a &amp; b&quot;}]}</value></entry>\
        <entry><key>KmsMasterKeyId</key><value>alias/topics</value></entry><entry><key>DisplayName</key><value/></entry></Attributes>\
        </GetTopicAttributesResult><ResponseMetadata><RequestId>1</RequestId></ResponseMetadata></GetTopicAttributesResponse>\n";

    #[test]
    fn every_attribute_is_read_as_the_text_it_is() {
        let policy = r#"{"Statement":[{"Sid":"a & b"}]}"#;
        let expected = json!({"Attributes": {"Policy": policy, "KmsMasterKeyId": "alias/topics", "DisplayName": ""}});
        assert_eq!(topic_attributes(ANSWER.as_bytes()).unwrap(), expected);
    }

    #[test]
    fn an_answer_that_was_cut_or_is_another_is_none() {
        for cut in 0..ANSWER.trim_end().len() {
            assert_eq!(topic_attributes(&ANSWER.as_bytes()[..cut]).unwrap_err().reason, GapReason::Unreadable, "{cut}");
        }
        for other in ["", "<html></html>", "<GetTopicAttributesResponse></GetTopicAttributesResponse>", "{}"] {
            assert!(topic_attributes(other.as_bytes()).is_err(), "{other}");
        }
    }
}
