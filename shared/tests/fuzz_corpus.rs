//! What the fuzzer found interesting, replayed without it: every promise of `guardian_core::invariants` on every kept input.

#![allow(clippy::unwrap_used, clippy::panic, clippy::disallowed_methods, reason = "a test may stop at the first surprise")]

use std::path::PathBuf;

use guardian_core::invariants;

/// A corpus is kept small, so that it is read in a moment and reviewed in a diff.
const MOST_FILES: usize = 200;

type Invariant = fn(&[u8]);

const TARGETS: [(&str, Invariant); 5] = [
    ("arn", invariants::arn),
    ("event", invariants::event),
    ("policy", invariants::policy),
    ("policy_eval", invariants::policy_eval),
    ("wildcard", invariants::wildcard),
];

fn fuzz() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fuzz")
}

#[test]
fn every_kept_input_keeps_every_promise() {
    for (target, invariant) in TARGETS {
        let mut files =
            std::fs::read_dir(fuzz().join("corpus").join(target)).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>();
        files.sort();
        assert!((20..=MOST_FILES).contains(&files.len()), "{target}: {} files", files.len());
        for file in files {
            let bytes = std::fs::read(&file).unwrap();
            if std::panic::catch_unwind(|| invariant(&bytes)).is_err() {
                panic!("{} breaks a promise of `{target}`", file.display());
            }
        }
    }
}

#[test]
fn every_target_of_the_fuzzer_is_replayed() {
    let manifest = std::fs::read_to_string(fuzz().join("Cargo.toml")).unwrap();
    let mut targets =
        manifest.lines().filter_map(|line| line.strip_prefix("path = \"fuzz_targets/")?.strip_suffix(".rs\"")).collect::<Vec<_>>();
    targets.sort_unstable();
    assert_eq!(targets, TARGETS.map(|(target, _)| target));
}
