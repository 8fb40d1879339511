//! YAML in block style. Every string is quoted, so that none of them becomes a number, a truth value, a comment or a tag.

use serde_json::Value;

/// A value as a block, without a line break at its end.
pub(super) fn block(value: &Value) -> String {
    let mut text = String::new();
    write(value, 0, &mut text);
    text.trim_end_matches('\n').to_owned()
}

/// Writes the lines of a value; the first one where the text stands.
fn write(value: &Value, depth: usize, text: &mut String) {
    let indent = "  ".repeat(depth);
    match value {
        Value::Object(members) if !members.is_empty() => {
            for (n, (key, member)) in members.iter().enumerate() {
                if n > 0 {
                    text.push_str(&indent);
                }
                text.push_str(&name(key));
                text.push(':');
                if nests(member) {
                    text.push('\n');
                    text.push_str(&"  ".repeat(depth + 1));
                    write(member, depth + 1, text);
                } else {
                    text.push(' ');
                    write(member, depth, text);
                }
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (n, item) in items.iter().enumerate() {
                if n > 0 {
                    text.push_str(&indent);
                }
                text.push_str("- ");
                write(item, depth + 1, text);
            }
        }
        Value::Object(_) => text.push_str("{}\n"),
        Value::Array(_) => text.push_str("[]\n"),
        Value::String(one) => {
            text.push_str(&string(one));
            text.push('\n');
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {
            text.push_str(&value.to_string());
            text.push('\n');
        }
    }
}

fn nests(value: &Value) -> bool {
    match value {
        Value::Object(members) => !members.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => false,
    }
}

/// Names that every reader takes for text.
const PLAIN: &[&str] = &[
    "AWS",
    "Action",
    "BackupCopiesPolicy",
    "Condition",
    "Effect",
    "PolicyDocument",
    "PolicyName",
    "Principal",
    "Properties",
    "Resource",
    "RoleName",
    "Service",
    "Sid",
    "Statement",
    "Type",
    "Version",
];

fn name(key: &str) -> String {
    if PLAIN.contains(&key) { key.to_owned() } else { string(key) }
}

fn string(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => {
                quoted.push('\\');
                quoted.push(c);
            }
            ' '..='~' => quoted.push(c),
            // YAML knows no surrogate pairs.
            _ if u32::from(c) > 0xffff => quoted.push_str(&format!("\\U{:08x}", u32::from(c))),
            _ => quoted.push_str(&format!("\\u{:04x}", u32::from(c))),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_statement_reads_like_one() {
        let statement =
            json!([{"Sid": "One", "Principal": {"AWS": ["a", "b"]}, "Action": "kms:Decrypt", "Condition": {"Null": {"k": true}}, "x": []}]);
        let expected = r#"- Sid: "One"
  Principal:
    AWS:
      - "a"
      - "b"
  Action: "kms:Decrypt"
  Condition:
    "Null":
      "k": true
  "x": []"#;
        assert_eq!(block(&statement), expected);
    }

    #[test]
    fn nothing_in_a_string_is_more_than_text() {
        assert_eq!(block(&json!(["yes: # \" \\ \n\u{2028}\u{1f600} ${x}"])), r#"- "yes: # \" \\ \u000a\u2028\U0001f600 ${x}""#);
    }
}
