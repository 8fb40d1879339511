//! Words of a POSIX shell.

/// The text as one word: between single quotes, where nothing has a meaning but the quote itself. Plain words stay as they are.
pub(crate) fn quoted(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'/' | b':' | b'@' | b'%' | b'+' | b',');
    if !text.is_empty() && text.bytes().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #![proptest_config(proptest::test_runner::Config::with_cases(8))]
        /// A real shell reads back what was quoted; many words in one call, because starting one is slow.
        #[test]
        fn a_shell_reads_a_quoted_word_as_it_was(words in proptest::collection::vec("[ -~\n\t]{0,20}", 20)) {
            let script = words.iter().map(|word| format!("printf '%s\\0' {}\n", quoted(word))).collect::<String>();
            let output = std::process::Command::new("sh").arg("-c").arg(script).output().unwrap();
            let expected = words.iter().map(|word| format!("{word}\0")).collect::<String>();
            proptest::prop_assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
        }
    }
}
