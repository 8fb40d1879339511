//! The answer of `ec2:GetAllowedImagesSettings`, which is XML, by the member names of the API
//! (<https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_GetAllowedImagesSettings.html>).

use aws_smithy_xml::decode::{Document, ScopedDecoder, XmlDecodeError, try_data};
use guardian_core::evidence::GapReason;
use serde_json::{Map, Value};

use super::Failure;

const ROOT: &str = "GetAllowedImagesSettingsResponse";

pub(super) fn allowed_images(body: &[u8]) -> Result<Value, Failure> {
    let unreadable = || Failure::new(GapReason::Unreadable, "the answer is not what EC2 documents");
    let text = std::str::from_utf8(body).map_err(|_| unreadable())?;
    // What was cut off may have been the criterion that decides.
    let whole = text.trim_end().ends_with(&format!("</{ROOT}>"));
    settings(text).ok().filter(|answer| whole && answer.contains_key("State")).map(Value::Object).ok_or_else(unreadable)
}

fn settings(text: &str) -> Result<Map<String, Value>, XmlDecodeError> {
    let mut document = Document::new(text);
    let mut root = document.root_element()?;
    if !root.start_el().matches(ROOT) {
        return Err(XmlDecodeError::custom("another element"));
    }
    let mut answer = Map::new();
    while let Some(mut member) = root.next_tag() {
        match member.start_el().local() {
            "state" => insert(&mut answer, "State", scalar(&mut member)?),
            "managedBy" => insert(&mut answer, "ManagedBy", scalar(&mut member)?),
            "imageCriterionSet" => insert(&mut answer, "ImageCriteria", list(&mut member, criterion)?),
            _ => {}
        }
    }
    Ok(answer)
}

fn criterion(item: &mut ScopedDecoder<'_, '_>) -> Result<Value, XmlDecodeError> {
    let mut criterion = Map::new();
    while let Some(mut member) = item.next_tag() {
        let name = member.start_el().local().to_owned();
        let (name, value) = match name.as_str() {
            "imageProviderSet" => ("ImageProviders".to_owned(), list(&mut member, scalar)?),
            "marketplaceProductCodeSet" => ("MarketplaceProductCodes".to_owned(), list(&mut member, scalar)?),
            "imageNameSet" => ("ImageNames".to_owned(), list(&mut member, scalar)?),
            "imageWatermarkSet" => ("ImageWatermarks".to_owned(), list(&mut member, members)?),
            // Conditions of named values; one that EC2 adds is taken for such, too, for it narrows what is allowed.
            _ => (in_api(&name), members(&mut member)?),
        };
        criterion.insert(name, value);
    }
    Ok(Value::Object(criterion))
}

fn list(
    set: &mut ScopedDecoder<'_, '_>,
    read: fn(&mut ScopedDecoder<'_, '_>) -> Result<Value, XmlDecodeError>,
) -> Result<Value, XmlDecodeError> {
    let mut items = Vec::new();
    while let Some(mut item) = set.next_tag() {
        items.push(read(&mut item)?);
    }
    Ok(Value::Array(items))
}

fn members(element: &mut ScopedDecoder<'_, '_>) -> Result<Value, XmlDecodeError> {
    let mut members = Map::new();
    while let Some(mut member) = element.next_tag() {
        let name = in_api(member.start_el().local());
        // What lies deeper is told by its name alone.
        members.insert(name, scalar(&mut member).unwrap_or(Value::Null));
    }
    Ok(Value::Object(members))
}

fn scalar(element: &mut ScopedDecoder<'_, '_>) -> Result<Value, XmlDecodeError> {
    let is_count = element.start_el().local().starts_with("max");
    let text = try_data(element)?;
    Ok(match text.trim().parse::<i64>() {
        Ok(number) if is_count => number.into(),
        _ => text.trim().to_owned().into(),
    })
}

fn insert(members: &mut Map<String, Value>, name: &str, value: Value) {
    members.insert(name.to_owned(), value);
}

/// `creationDateCondition` is `CreationDateCondition` in the API.
fn in_api(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map(|first| first.to_ascii_uppercase().to_string() + letters.as_str()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ENABLED: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<GetAllowedImagesSettingsResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">
  <requestId>59dbff89-35bd-4eac-99ed-be587EXAMPLE</requestId>
  <imageCriterionSet>
    <item>
      <imageProviderSet><item>amazon</item><item>222222222222</item></imageProviderSet>
      <imageNameSet><item>golden &amp; *</item></imageNameSet>
    </item>
    <item>
      <creationDateCondition><maximumDaysSinceCreated>30</maximumDaysSinceCreated></creationDateCondition>
      <imageWatermarkSet><item><watermarkKey>k</watermarkKey></item></imageWatermarkSet>
      <whateverComesNext><deep><deeper>x</deeper></deep></whateverComesNext>
    </item>
  </imageCriterionSet>
  <state>enabled</state>
  <managedBy>account</managedBy>
</GetAllowedImagesSettingsResponse>
"#;

    #[test]
    fn every_criterion_is_read_with_all_that_it_asks_for() {
        let answer = allowed_images(ENABLED.as_bytes()).unwrap();
        let expected = json!({"State": "enabled", "ManagedBy": "account", "ImageCriteria": [
            {"ImageProviders": ["amazon", "222222222222"], "ImageNames": ["golden & *"]},
            {"CreationDateCondition": {"MaximumDaysSinceCreated": 30}, "ImageWatermarks": [{"WatermarkKey": "k"}],
             "WhateverComesNext": {"Deep": null}}]});
        assert_eq!(answer, expected);
        let off = "<GetAllowedImagesSettingsResponse><imageCriterionSet/><state>disabled</state></GetAllowedImagesSettingsResponse>";
        assert_eq!(allowed_images(off.as_bytes()).unwrap(), json!({"State": "disabled", "ImageCriteria": []}));
    }

    #[test]
    fn an_answer_that_was_cut_or_is_another_is_none() {
        for cut in 0..ENABLED.trim_end().len() {
            assert_eq!(allowed_images(&ENABLED.as_bytes()[..cut]).unwrap_err().reason, GapReason::Unreadable, "{cut}");
        }
        for other in ["", "<html></html>", "<GetAllowedImagesSettingsResponse></GetAllowedImagesSettingsResponse>", "{}"] {
            assert!(allowed_images(other.as_bytes()).is_err(), "{other}");
        }
    }
}
