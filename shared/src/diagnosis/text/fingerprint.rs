//! The class of a text, as a short name.

use sha2::{Digest, Sha256};

use super::normal::Normal;

/// Words that take part; more of them would only tell apart what is behind the sentence.
const WORDS: usize = 200;

/// `fp-` and 20 hexadecimal digits of the words without ids, names, numbers and wrappers. A hash and not the words themselves, because the text
/// is chosen by others and the fingerprint becomes part of an incident's identity.
pub(super) fn of(normal: &Normal) -> String {
    if normal.words.is_empty() && normal.codes.is_empty() && normal.heading.is_empty() {
        return "none".to_owned();
    }
    let mut hash = Sha256::new();
    // Codes and headings count only where there is nothing else: the same sentence comes with and without them.
    let words = if !normal.words.is_empty() {
        &normal.words
    } else if !normal.codes.is_empty() {
        &normal.codes
    } else {
        &normal.heading
    };
    for word in words.iter().take(WORDS) {
        hash.update(word.as_bytes());
        hash.update([0]);
    }
    let hex = hash.finalize().iter().take(10).map(|byte| format!("{byte:02x}")).collect::<String>();
    format!("fp-{hex}")
}
