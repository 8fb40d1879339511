//! Expressions of Terraform's language.
//! (<https://developer.hashicorp.com/terraform/language/expressions/strings>)

use serde_json::Value;

/// A value as an expression for `jsonencode`. `depth`: how deep the line it begins on is indented.
pub(super) fn expression(value: &Value, depth: usize) -> String {
    let (inner, outer) = ("  ".repeat(depth + 1), "  ".repeat(depth));
    match value {
        Value::Object(members) if !members.is_empty() => {
            let members = members.iter().map(|(key, member)| format!("{inner}{} = {}\n", string(key), expression(member, depth + 1)));
            format!("{{\n{}{outer}}}", members.collect::<String>())
        }
        Value::Array(items) if !items.is_empty() => {
            let items = items.iter().map(|item| format!("{inner}{},\n", expression(item, depth + 1)));
            format!("[\n{}{outer}]", items.collect::<String>())
        }
        Value::Object(_) => "{}".to_owned(),
        Value::Array(_) => "[]".to_owned(),
        Value::String(text) => string(text),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

/// A quoted string in which `${` and `%{` begin no template.
pub(super) fn string(text: &str) -> String {
    let mut quoted = String::from("\"");
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '$' | '%' if rest.peek() == Some(&'{') => {
                quoted.push(c);
                quoted.push(c);
            }
            // Before another sign of its kind it could be taken for a part of that one's escape.
            '$' | '%' if rest.peek() == Some(&c) => quoted.push_str(&format!("\\u{:04x}", u32::from(c))),
            '"' | '\\' => {
                quoted.push('\\');
                quoted.push(c);
            }
            '\n' => quoted.push_str("\\n"),
            ' '..='~' => quoted.push(c),
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

    /// Terraform's reading of a quoted string; `None` where a template would begin or the string would end early.
    fn read(quoted: &str) -> Option<String> {
        let inside = quoted.strip_prefix('"')?.strip_suffix('"')?.chars().collect::<Vec<_>>();
        let (mut text, mut at) = (String::new(), 0);
        while let Some(c) = inside.get(at) {
            match (c, &inside[at + 1..]) {
                ('$' | '%', [second, '{', ..]) if second == c => {
                    text.push(*c);
                    text.push('{');
                    at += 3;
                }
                ('$' | '%', ['{', ..]) | ('"', _) => return None,
                ('\\', ['u', hex @ ..]) => {
                    text.push(char::from_u32(u32::from_str_radix(&hex[..4].iter().collect::<String>(), 16).ok()?)?);
                    at += 6;
                }
                ('\\', ['U', hex @ ..]) => {
                    text.push(char::from_u32(u32::from_str_radix(&hex[..8].iter().collect::<String>(), 16).ok()?)?);
                    at += 10;
                }
                ('\\', ['n', ..]) => {
                    text.push('\n');
                    at += 2;
                }
                ('\\', [escaped @ ('"' | '\\'), ..]) => {
                    text.push(*escaped);
                    at += 2;
                }
                _ => {
                    text.push(*c);
                    at += 1;
                }
            }
        }
        Some(text)
    }

    proptest::proptest! {
        #[test]
        fn terraform_reads_a_string_as_it_was(text in "[$%{}\"\\\\a\n\u{e9}\u{1f600}]{0,12}") {
            proptest::prop_assert_eq!(read(&string(&text)), Some(text));
        }
    }

    #[test]
    fn templates_are_escaped_as_terraform_documents_it() {
        assert_eq!(string("${aws:username} %{if} 100% $5"), r#""$${aws:username} %%{if} 100% $5""#);
        let value = json!({"Action": ["kms:Decrypt"], "Condition": {}, "n": 1});
        assert_eq!(expression(&value, 0), "{\n  \"Action\" = [\n    \"kms:Decrypt\",\n  ]\n  \"Condition\" = {}\n  \"n\" = 1\n}");
    }
}
