//! The few pieces that the page is made of. Every text goes through [`t`] or [`rich`].

use std::collections::BTreeMap;
use std::fmt;

use sha2::{Digest, Sha256};

use crate::coverage::Protection;
use crate::report::sweep::words::{self, PROTECTIONS, protection_id};

/// A text in HTML, in an element as well as in a quoted attribute.
pub(in crate::report::sweep) struct Escaped<'a>(&'a str);

/// Writes a text as text.
pub(in crate::report::sweep) fn t(text: &str) -> Escaped<'_> {
    Escaped(text)
}

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                c => fmt::Write::write_char(f, c)?,
            }
        }
        Ok(())
    }
}

/// A sentence in which what stands between backticks is code. An odd backtick is a text like any other.
pub(super) fn rich(text: &str) -> String {
    if text.matches('`').count() % 2 == 1 {
        return t(text).to_string();
    }
    let piece = |(at, piece): (usize, &str)| if at % 2 == 1 { format!("<code>{}</code>", t(piece)) } else { t(piece).to_string() };
    text.split('`').enumerate().map(piece).collect()
}

/// How many resources are in each state, as one bar. Told in words beside it, so it is hidden from who cannot see it.
pub(super) fn bar(resources: &BTreeMap<Protection, u64>) -> String {
    let all = resources.values().copied().fold(0_u64, u64::saturating_add);
    if all == 0 {
        return String::new();
    }
    let mut out =
        String::from("<svg class=\"bar\" viewBox=\"0 0 1000 10\" preserveAspectRatio=\"none\" aria-hidden=\"true\" focusable=\"false\">");
    let mut seen = 0_u64;
    // The best on the left, as a bar fills.
    for protection in PROTECTIONS.iter().rev() {
        let n = resources.get(protection).copied().unwrap_or_default();
        if n == 0 {
            continue;
        }
        let at = |n: u64| u64::try_from(u128::from(n) * 1000 / u128::from(all)).unwrap_or(1000);
        let (from, to) = (at(seen), at(seen.saturating_add(n)));
        seen = seen.saturating_add(n);
        // One of ten thousand is seen too.
        let width = (to - from).max(4);
        out.push_str(&format!(
            "<rect class=\"fill-{}\" x=\"{}\" y=\"0\" width=\"{width}\" height=\"10\"/>",
            protection_id(*protection),
            from.min(1000 - width)
        ));
    }
    out.push_str("</svg>");
    out
}

/// The states that occur, in words: `2 never copied, 21 protected`.
pub(super) fn counts(resources: &BTreeMap<Protection, u64>) -> String {
    let told = PROTECTIONS.iter().filter_map(|protection| {
        let n = resources.get(protection).filter(|n| **n > 0)?;
        Some(format!("{} {}", words::number(*n), words::protection(*protection)))
    });
    told.collect::<Vec<_>>().join(", ")
}

/// A state of protection as a coloured word.
pub(super) fn state(protection: Protection) -> String {
    format!("<span class=\"pill pill-{}\">{}</span>", protection_id(protection), words::protection(protection))
}

/// A pair of a list of terms.
pub(super) fn pair(name: &str, value: &str) -> String {
    format!("<div><dt>{}</dt><dd>{value}</dd></div>", t(name))
}

/// The source of a style that the content security policy lets in.
pub(super) fn style_source(style: &str) -> String {
    format!("'sha256-{}'", base64(&Sha256::digest(style)))
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or_default());
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            let letter = (bits >> (18 - 6 * place)) & 63;
            let letter = ALPHABET.get(letter as usize).copied().unwrap_or_default();
            out.push(if place <= chunk.len() { char::from(letter) } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_text() {
        assert_eq!(t("<a href=\"x\" b='y'>&amp;").to_string(), "&lt;a href=&quot;x&quot; b=&#39;y&#39;&gt;&amp;amp;");
        assert_eq!(rich("the key `a<b` is `off`"), "the key <code>a&lt;b</code> is <code>off</code>");
        assert_eq!(rich("one ` only"), "one ` only");
    }

    #[test]
    fn base64_is_that_of_everybody() {
        for (text, expected) in
            [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="), ("foobar", "Zm9vYmFy")]
        {
            assert_eq!(base64(text.as_bytes()), expected);
        }
    }

    #[test]
    fn a_bar_stays_in_its_frame_and_shows_the_smallest_part() {
        let bar = bar(&BTreeMap::from([(Protection::Protected, 1_000_000), (Protection::Unprotected, 1)]));
        assert!(bar.contains("fill-protected\" x=\"0\"") && bar.contains("fill-unprotected\" x=\"996\" y=\"0\" width=\"4\""), "{bar}");
    }
}
