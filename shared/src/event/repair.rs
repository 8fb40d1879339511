//! Bytes to JSON, also where they are not quite JSON.
//!
//! A status message is cut by its author anywhere, also inside a character: bytes that are no UTF-8, lone surrogates and raw control
//! characters inside texts are replaced or escaped, because an event that is lost for one broken character is a failure nobody hears of.

use serde_json::Value;

/// The JSON of some bytes, and whether they had to be repaired for it.
pub(super) fn read(bytes: &[u8]) -> Result<(Value, bool), serde_json::Error> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    match serde_json::from_slice(bytes) {
        Ok(value) => Ok((value, false)),
        Err(error) if error.is_syntax() => {
            let repaired = repair(&String::from_utf8_lossy(bytes));
            serde_json::from_str(&repaired).map(|value| (value, true)).map_err(|_| error)
        }
        Err(error) => Err(error),
    }
}

/// Escapes control characters inside texts, and replaces escapes of lone surrogates by the replacement character.
fn repair(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    let mut inside = false;
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let mut taken = first.len_utf8();
        match first {
            '"' => {
                inside = !inside;
                out.push(first);
            }
            '\\' if inside => match surrogate(rest) {
                Some(0xd800..=0xdbff) if matches!(rest.get(6..).and_then(surrogate), Some(0xdc00..=0xdfff)) => {
                    taken = 12;
                    out.push_str(rest.get(..taken).unwrap_or_default());
                }
                Some(_) => {
                    taken = 6;
                    out.push('\u{fffd}');
                }
                None => {
                    taken += rest.chars().nth(1).map_or(0, char::len_utf8);
                    out.push_str(rest.get(..taken).unwrap_or_default());
                }
            },
            control if inside && control < ' ' => out.push_str(&format!("\\u{:04x}", u32::from(control))),
            other => out.push(other),
        }
        rest = rest.get(taken..).unwrap_or_default();
    }
    out
}

/// The code unit of an escape `\uXXXX` at the start of the text, if it is a surrogate.
fn surrogate(text: &str) -> Option<u32> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    let unit = u32::from_str_radix(digits, 16).ok()?;
    (0xd800..=0xdfff).contains(&unit).then_some(unit)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn broken_characters_do_not_lose_the_event() {
        for (bytes, value) in [
            (&b"{\"a\": \"x\\ud83dy\"}"[..], json!({"a": "x\u{fffd}y"})),
            (&b"{\"a\": \"x\\udc00\"}"[..], json!({"a": "x\u{fffd}"})),
            (&b"{\"a\": \"\\ud83d\\ude00 \\ud83d\"}"[..], json!({"a": "\u{1f600} \u{fffd}"})),
            (&b"{\"a\": \"x\xff\"}"[..], json!({"a": "x\u{fffd}"})),
            (&b"{\"a\":\n\"x\ny\"}"[..], json!({"a": "x\ny"})),
            (&b"{\"a\": \"q\\\"\\\\\\ud800\"}"[..], json!({"a": "q\"\\\u{fffd}"})),
        ] {
            assert_eq!(read(bytes).unwrap(), (value, true), "{}", String::from_utf8_lossy(bytes));
        }
        assert_eq!(read(b"\xef\xbb\xbf{\"a\": 1}").unwrap(), (json!({"a": 1}), false));
        for bad in [&b""[..], b"{", b"{\"a\": \"x", b"\xff\xfe", b"{]", b"nul"] {
            assert!(read(bad).is_err(), "{}", String::from_utf8_lossy(bad));
        }
    }
}
